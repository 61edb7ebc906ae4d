import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { systemCode } from '@weir/runtime';
import type { TrackFile } from '@weir/spool';

/**
 * What is wrong with a file of the spool by what the ledger says of it, null when nothing is. Presigned URLs of some
 * services do not check the bytes they get, so this is done before each put. Throws when the disk cannot be read.
 */
export const fileDamage = async ({ path, bytes, sha256 }: TrackFile): Promise<string | null> => {
  const hash = createHash('sha256');
  let found = 0;
  try {
    const file = createReadStream(path).on('data', (chunk) => {
      found += chunk.length;
    });
    await pipeline(file, hash);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    return `${path} is not there, the ledger has it with ${bytes} bytes`;
  }
  const digest = hash.digest('hex');
  if (found === bytes && digest === sha256) return null;
  return `${path} has ${found} bytes with sha256 ${digest}, the ledger says ${bytes} with ${sha256}`;
};
