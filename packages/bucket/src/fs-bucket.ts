import { createHash } from 'node:crypto';
import { type FileHandle, link, mkdir, readdir, realpath, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type Bucket,
  type ByteRange,
  isSameObject,
  type ListOptions,
  type ObjectBody,
  type ObjectHead,
  type ObjectMeta,
  type ObjectSource,
  type PutResult,
} from './bucket.ts';
import { BucketError, type BucketErrorClass } from './bucket-error.ts';
import { walk } from './fs-list.ts';
import { codeOf, openPlace, orNull, placeOf, syncDirectory } from './fs-place.ts';
import { presignFs } from './fs-signature.ts';
import { takeName, writeChecked } from './fs-write.ts';
import { checkKey, checkPrefix, incomingDirectory, mediaTypeOf } from './object-key.ts';

/**
 * Object storage in a directory. An object grows in `<root>/.incoming`, is hashed while it is written, synced, and then
 * takes its name in one step (`link` when it must not replace, else `rename`), so whoever reads sees all of it or
 * nothing. What a crash leaves lies in `.incoming` alone and is removed by `check` when it is a day old.
 */
export type FsBucketDeps = {
  readonly now: () => number;
  /** A number in [0, 1), for names of files that grow. */
  readonly random: () => number;
  readonly signing?: { readonly secret: Buffer; readonly baseUrl: string } | undefined;
};

const staleMs = 24 * 3600 * 1000;

const failureOf = (error: unknown, doing: string): unknown => {
  if (error instanceof BucketError || codeOf(error) === '' || codeOf(error) === 'ABORT_ERR') return error;
  const advice: Record<string, string> = {
    ENOSPC: 'the file system is full; free space',
    EDQUOT: 'the quota is used up; free space',
    EACCES: 'give this user the right to write there',
    EPERM: 'give this user the right to write there',
    EROFS: 'the file system is read-only; mount it for writing',
  };
  const classes: Record<string, BucketErrorClass> = {
    EACCES: 'forbidden',
    EPERM: 'forbidden',
    EROFS: 'forbidden',
    // A component of the key is an object itself, or the object's name is a directory's.
    ENOTDIR: 'invalid_path',
    EISDIR: 'invalid_path',
    ENAMETOOLONG: 'invalid_path',
  };
  const code = codeOf(error);
  const errorClass = classes[code] ?? 'server';
  return new BucketError(errorClass, `${doing}: ${code}${advice[code] ? `: ${advice[code]}` : ''}`, { cause: error });
};

const sha256Of = async (file: FileHandle): Promise<string> => {
  const hash = createHash('sha256');
  await pipeline(file.createReadStream({ start: 0, autoClose: false }), hash);
  return hash.digest('hex');
};

const headOf = async (file: FileHandle, key: string): Promise<ObjectHead> => {
  const { size, mtimeMs, mtime } = await file.stat();
  const etag = `"${size.toString(16)}-${Math.round(mtimeMs * 1000).toString(16)}"`;
  return { bytes: size, type: mediaTypeOf(key), etag, lastModified: mtime };
};

const removeEmptyDirectories = async (root: string, path: string): Promise<void> => {
  for (let directory = dirname(path); directory.length > root.length; directory = dirname(directory)) {
    try {
      await rmdir(directory);
    } catch {
      return;
    }
  }
};

const removeStale = async (incoming: string, nowMs: number): Promise<void> => {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    const found = await orNull(stat(path));
    if (found !== null && nowMs - found.mtimeMs > staleMs) await orNull(unlink(path));
  }
};

const rangeOf = (range: ByteRange, bytes: number, key: string): { start: number; end: number } => {
  const end = Math.min(range.end ?? bytes - 1, bytes - 1);
  if (range.start <= end) return { start: range.start, end };
  throw new BucketError('range', `range ${range.start}-${range.end ?? ''} of ${key}: the object has ${bytes} bytes`, {
    status: 416,
  });
};

/** A bucket in the directory `root`, which is made when it is missing; its real path is settled here. */
export const openFsBucket = async (rootPath: string, { now, random, signing }: FsBucketDeps): Promise<Bucket> => {
  const given = resolve(rootPath);
  const doing = `storage directory ${given}`;
  const guard = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw failureOf(error, doing);
    }
  };
  const root = await guard(async () => {
    await mkdir(join(given, incomingDirectory), { recursive: true });
    return realpath(given);
  });
  const incoming = join(root, incomingDirectory);
  let serial = 0;
  const temporaryName = (): string => {
    serial += 1;
    return join(incoming, `${now().toString(36)}-${serial}-${Math.floor(random() * 2 ** 48).toString(36)}`);
  };

  const head = async (key: string): Promise<ObjectHead | null> => {
    const file = await openPlace(root, key);
    if (file === null) return null;
    try {
      return { ...(await headOf(file, key)), sha256: await sha256Of(file) };
    } finally {
      await file.close();
    }
  };

  const put = async (key: string, source: ObjectSource, meta: ObjectMeta, signal?: AbortSignal): Promise<PutResult> => {
    checkKey(key);
    signal?.throwIfAborted();
    const temporary = temporaryName();
    try {
      await writeChecked(temporary, source, meta, signal);
      if (await takeName(root, temporary, key, meta.createOnly)) return 'stored';
    } finally {
      await orNull(unlink(temporary));
    }
    const found = await head(key);
    return isSameObject(found, meta) ? 'exists-same' : 'exists-different';
  };

  const get = async (key: string, range?: ByteRange, signal?: AbortSignal): Promise<ObjectBody | null> => {
    const file = await openPlace(root, key);
    if (file === null) return null;
    try {
      const found = await headOf(file, key);
      const wanted = range === undefined ? undefined : rangeOf(range, found.bytes, key);
      const body = file.createReadStream(wanted ?? { start: 0 });
      if (signal !== undefined) addAbortSignal(signal, body);
      return { ...found, ...(wanted === undefined ? {} : { range: wanted }), body };
    } catch (error) {
      await file.close();
      throw error;
    }
  };

  const list = async function* (prefix: string, { startAfter, signal }: ListOptions = {}) {
    checkPrefix(prefix);
    const after = startAfter === undefined ? undefined : Buffer.from(startAfter);
    for await (const found of walk(root, '', prefix)) {
      signal?.throwIfAborted();
      if (after === undefined || Buffer.compare(Buffer.from(found.key), after) > 0) yield found;
    }
  };

  const remove = async (key: string): Promise<void> => {
    const path = placeOf(root, key);
    const file = await openPlace(root, key);
    if (file === null) return;
    await file.close();
    await orNull(unlink(path));
    await orNull(syncDirectory(dirname(path)));
    await removeEmptyDirectories(root, path);
  };

  const check = async (): Promise<void> => {
    await removeStale(incoming, now());
    const [first, second] = [temporaryName(), temporaryName()];
    try {
      await writeChecked(first, new Uint8Array(0), {
        bytes: 0,
        sha256: createHash('sha256').digest('hex'),
        type: '',
        createOnly: true,
      });
      await link(first, second).catch((error: unknown) => {
        throw new BucketError(
          'config',
          `${doing}: its file system has no hard links (${codeOf(error)}); choose another`,
          { cause: error },
        );
      });
    } finally {
      await orNull(unlink(first));
      await orNull(unlink(second));
    }
  };

  return {
    put: (key, source, meta, signal) => guard(() => put(key, source, meta, signal)),
    get: (key, range, signal) => guard(() => get(key, range, signal)),
    head: (key) => guard(() => head(key)),
    list,
    delete: (key) => guard(() => remove(key)),
    presign: async (request) => {
      checkKey(request.key);
      if (signing !== undefined) return presignFs(request, signing, now());
      throw new BucketError(
        'config',
        `${doing}: no key to sign URLs with here; only the gateway presigns for a directory`,
      );
    },
    check: () => guard(check),
    [Symbol.asyncDispose]: async () => {},
  };
};
