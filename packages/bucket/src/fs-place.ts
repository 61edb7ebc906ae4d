import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { BucketError } from './bucket-error.ts';
import { checkKey } from './object-key.ts';

/** The code of a system error as `ENOENT`, else an empty string. */
export const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error));

/** Runs the action; `null` when what it looks for is not there. */
export const orNull = async <T>(action: Promise<T>): Promise<T | null> => {
  try {
    return await action;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
};

/** Makes what was changed in a directory (entries added, renamed, removed) survive a loss of power. */
export const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
};

const refuseOutside = async (root: string, existing: string, key: string): Promise<void> => {
  const real = await realpath(existing);
  if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return;
  throw new BucketError(
    'invalid_path',
    `object key ${JSON.stringify(key)} leads out of the bucket's root by a symbolic link`,
  );
};

/** The path of an object; `root` is a real path. Throws `invalid_path` for a key that is not one. */
export const placeOf = (root: string, key: string): string => join(root, ...checkKey(key).split('/'));

/** Opens an object for reading; `null` when it is not there. A link out of the root is refused. */
export const openPlace = async (root: string, key: string): Promise<FileHandle | null> => {
  const path = placeOf(root, key);
  const file = await orNull(open(path, constants.O_RDONLY | constants.O_NONBLOCK));
  if (file === null) return null;
  try {
    await refuseOutside(root, path, key);
    if ((await file.stat()).isFile()) return file;
  } catch (error) {
    await file.close();
    if (isAbsent(error)) return null;
    throw error;
  }
  await file.close();
  return null;
};

/** Makes the directory an object will lie in, each new entry synced, without ever following a link out of the root. */
export const makePlace = async (root: string, key: string): Promise<string> => {
  const directory = dirname(placeOf(root, key));
  const missing: string[] = [];
  let existing = directory;
  while ((await orNull(realpath(existing))) === null && existing.length > root.length) {
    missing.unshift(existing);
    existing = dirname(existing);
  }
  await refuseOutside(root, existing, key);
  for (const path of missing) {
    await mkdir(path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    await syncDirectory(dirname(path));
  }
  return directory;
};
