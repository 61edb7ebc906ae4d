import { createHash } from 'node:crypto';
import { link, open, rename } from 'node:fs/promises';
import type { ObjectMeta, ObjectSource } from './bucket.ts';
import { BucketError } from './bucket-error.ts';
import { codeOf, makePlace, orNull, placeOf, syncDirectory } from './fs-place.ts';
import { openSource } from './source-stream.ts';

const maxNamingAttempts = 50;

/** Writes and syncs a new file, throwing `digest` when the source is not what was announced. */
export const writeChecked = async (
  path: string,
  source: ObjectSource,
  meta: ObjectMeta,
  signal?: AbortSignal,
): Promise<void> => {
  const file = await open(path, 'wx', 0o644);
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of openSource(source, meta.bytes)) {
      signal?.throwIfAborted();
      hash.update(chunk);
      await file.writeFile(chunk);
      bytes += chunk.length;
      if (bytes > meta.bytes) break;
    }
    const got = hash.digest('hex');
    if (bytes !== meta.bytes || got !== meta.sha256) {
      throw new BucketError(
        'digest',
        `the source has ${bytes} bytes with sha256 ${got}, expected ${meta.bytes} with ${meta.sha256}; hash it again`,
      );
    }
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Gives the finished file its name; `false` when the name is taken and must not be replaced. */
export const takeName = async (root: string, temporary: string, key: string, createOnly: boolean): Promise<boolean> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const directory = await makePlace(root, key);
      await (createOnly ? link : rename)(temporary, placeOf(root, key));
      // Gone already means that somebody has deleted the object since.
      await orNull(syncDirectory(directory));
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      // A delete may remove the directory, empty at that moment, between its making and the naming.
      if (codeOf(error) !== 'ENOENT' || attempt === maxNamingAttempts) throw error;
    }
  }
};
