import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type StoredObject = {
  readonly body: Buffer;
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly etag: string;
  /** Base64, as S3 gives it. */
  readonly sha256: string;
  readonly modifiedMs: number;
};

/** The objects of all buckets, in memory, and on disk too when a directory is given. */
export type ObjectStore = {
  hasBucket(bucket: string): boolean;
  createBucket(bucket: string): void;
  get(bucket: string, key: string): StoredObject | undefined;
  put(bucket: string, key: string, object: StoredObject): void;
  delete(bucket: string, key: string): void;
  /** Keys in the order of their UTF-8 bytes. */
  keys(bucket: string): string[];
};

const fileOf = (key: string): string => Buffer.from(key).toString('base64url');

const load = (directory: string): Map<string, StoredObject> => {
  const objects = new Map<string, StoredObject>();
  for (const name of readdirSync(directory)) {
    if (!name.endsWith('.json')) continue;
    const { key, ...about } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as { key: string } & Omit<
      StoredObject,
      'body'
    >;
    objects.set(key, { ...about, body: readFileSync(join(directory, name.replace(/json$/, 'bin'))) });
  }
  return objects;
};

/** Opens the store; objects below `root` from an earlier life are there again. */
export const openObjectStore = (buckets: readonly string[], root?: string): ObjectStore => {
  const all = new Map<string, Map<string, StoredObject>>();
  const place = (bucket: string, key: string): string => join(root ?? '', bucket, fileOf(key));
  const createBucket = (bucket: string): void => {
    if (all.has(bucket)) return;
    if (root !== undefined) mkdirSync(join(root, bucket), { recursive: true });
    all.set(bucket, root === undefined ? new Map() : load(join(root, bucket)));
  };
  buckets.forEach(createBucket);
  return {
    hasBucket: (bucket) => all.has(bucket),
    createBucket,
    get: (bucket, key) => all.get(bucket)?.get(key),
    put: (bucket, key, object) => {
      all.get(bucket)?.set(key, object);
      if (root === undefined) return;
      const { body, ...about } = object;
      writeFileSync(`${place(bucket, key)}.bin`, body);
      writeFileSync(`${place(bucket, key)}.json`, JSON.stringify({ key, ...about }));
    },
    delete: (bucket, key) => {
      all.get(bucket)?.delete(key);
      if (root === undefined) return;
      for (const suffix of ['json', 'bin']) rmSync(`${place(bucket, key)}.${suffix}`, { force: true });
    },
    keys: (bucket) =>
      [...(all.get(bucket)?.keys() ?? [])].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  };
};
