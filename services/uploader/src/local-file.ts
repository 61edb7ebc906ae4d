import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { LastingSource } from '@weir/bucket';
import { systemCode } from '@weir/runtime';
import type { TrackFile } from '@weir/spool';

/** Files up to here are read once, to be checked and put from memory: as many at once as are put at once. */
const MAX_IN_MEMORY_BYTES = 4 * 1024 * 1024;

const difference = ({ path, bytes, sha256 }: TrackFile, found: number, digest: string): string | null =>
  found === bytes && digest === sha256
    ? null
    : `${path} has ${found} bytes with sha256 ${digest}, the ledger says ${bytes} with ${sha256}`;

const missing = ({ path, bytes }: TrackFile): string => `${path} is not there, the ledger has it with ${bytes} bytes`;

/** A file that is as the ledger says, to be put; or what is wrong with it. */
export type CheckedFile = { source: LastingSource } | { damage: string };

/** Checks a file, and keeps its bytes when they are few. Throws when the disk cannot be read. */
export const checkedFile = async (file: TrackFile): Promise<CheckedFile> => {
  if (file.bytes > MAX_IN_MEMORY_BYTES) {
    const damage = await fileDamage(file);
    return damage === null ? { source: { path: file.path } } : { damage };
  }
  try {
    const content = await readFile(file.path);
    const damage = difference(file, content.length, hash('sha256', content, 'hex'));
    return damage === null ? { source: content } : { damage };
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    return { damage: missing(file) };
  }
};

/**
 * What is wrong with a file of the spool by what the ledger says of it, null when nothing is. Presigned URLs of some
 * services do not check the bytes they get, so this is done before each put. Throws when the disk cannot be read.
 */
export const fileDamage = async (file: TrackFile): Promise<string | null> => {
  const sha256 = createHash('sha256');
  let found = 0;
  try {
    const stream = createReadStream(file.path).on('data', (chunk) => {
      found += chunk.length;
    });
    await pipeline(stream, sha256);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    return missing(file);
  }
  return difference(file, found, sha256.digest('hex'));
};
