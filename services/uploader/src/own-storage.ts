import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import {
  type Bucket,
  BucketError,
  digestObject,
  openBucket,
  type StorageConfig,
  type StorageTable,
  storageConfig,
} from '@weir/bucket';
import { type ErrorCode, type Log, oneLine, type Scope, WeirError, within } from '@weir/runtime';
import type { Target } from './target.ts';

/** The real path of what is there, with the rest of the path as it is written. */
const realPath = (path: string): string => {
  const absolute = resolve(path);
  if (existsSync(absolute)) return realpathSync(absolute);
  const parent = dirname(absolute);
  return parent === absolute ? absolute : join(realPath(parent), basename(absolute));
};

const liesIn = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : `${outer}${sep}`);

/** Throws `directories_overlap` when spool and bucket are one directory or one lies in the other, links resolved. */
export const refuseOverlap = (spoolDir: string, storage: StorageConfig): void => {
  if (storage.type !== 'fs') return;
  const [spool, bucket] = [realPath(spoolDir), realPath(storage.root)];
  if (!liesIn(spool, bucket) && !liesIn(bucket, spool)) return;
  throw new WeirError(
    'directories_overlap',
    `recorder.upload.local_dir is ${spool} and recorder.storage.root is ${bucket}: neither may be or lie in the other; give each a directory of its own`,
  );
};

const codes: Partial<Record<BucketError['class'], ErrorCode>> = {
  config: 'config_invalid',
  forbidden: 'bucket_forbidden',
  missing_bucket: 'bucket_missing',
};

/** Refuses the start for what only an operator can mend; an outage is met by trying again while running. */
const checkBucket = async (bucket: Bucket, log: Log, timeoutMs: number): Promise<void> => {
  try {
    await within(bucket.check(), timeoutMs, () => new Error(`no answer within ${timeoutMs} ms`));
  } catch (error) {
    const code = error instanceof BucketError ? codes[error.class] : undefined;
    if (code !== undefined) throw new WeirError(code, oneLine(error), { cause: error });
    log.warn({ reason: oneLine(error) }, 'the bucket does not answer yet; the spool keeps everything until it does');
  }
};

const named = async <T>(work: () => T | Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    throw new WeirError(codes[error.class] ?? 'storage_unavailable', error.message, { cause: error });
  }
};

/** What own storage is opened with. */
export type OwnStorageDeps = {
  storage: StorageTable;
  spoolDir: string;
  scope: Scope;
  log: Log;
  now: () => number;
  random: () => number;
  checkTimeoutMs?: number;
};

/** Opens the storage that `[recorder.storage]` names and checks that it is there and may be written. */
export const openOwnStorage = async (deps: OwnStorageDeps): Promise<Target> => {
  const { spoolDir, scope, log, now, random, checkTimeoutMs = 5_000 } = deps;
  const storage = await named(() => storageConfig(deps.storage));
  refuseOverlap(spoolDir, storage);
  const onUnsupported = (header: string) =>
    log.warn({ header }, 'the bucket does not take this header; puts go on without');
  const bucket = scope.use(await named(() => openBucket(storage, { now, random, onUnsupported })), 'bucket');
  await checkBucket(bucket, log, checkTimeoutMs);
  return {
    put: ({ key, source, meta }, signal) => bucket.put(key, source, meta, signal),
    digest: ({ key }, signal) => digestObject(bucket, key, 0, signal),
    remove: (key) => bucket.delete(key),
  };
};
