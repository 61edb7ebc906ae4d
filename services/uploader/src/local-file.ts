import { createHash, hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, read } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { LastingSource } from '@weir/bucket';
import { systemCode } from '@weir/runtime';
import type { TrackFile } from '@weir/spool';

/** Files up to here are read once, to be checked and put from memory: as many at once as are put at once. */
const MAX_IN_MEMORY_BYTES = 4 * 1024 * 1024;

/** Memory that files are read into, used again: made anew for each file it is most of a collector's work. */
export type FileMemory = {
  take(): Buffer;
  /** Nobody reads it any more. */
  giveBack(slab: Buffer): void;
};

/** Keeps as many slabs as are put at once. */
export const fileMemory = (places: number): FileMemory => {
  const idle: Buffer[] = [];
  return {
    take: () => idle.pop() ?? Buffer.allocUnsafeSlow(MAX_IN_MEMORY_BYTES),
    giveBack: (slab) => {
      if (idle.length < places) idle.push(slab);
    },
  };
};

const difference = ({ path, bytes, sha256 }: TrackFile, found: number, digest: string): string | null =>
  found === bytes && digest === sha256
    ? null
    : `${path} has ${found} bytes with sha256 ${digest}, the ledger says ${bytes} with ${sha256}`;

const missing = ({ path, bytes }: TrackFile): string => `${path} is not there, the ledger has it with ${bytes} bytes`;

/** A file that is as the ledger says, to be put, or what is wrong with it; `slab` is to be given back when it is put. */
export type CheckedFile = { source: LastingSource; slab: Buffer | null } | { damage: string };

const readFrom = promisify(read) as typeof read.__promisify__;

/** What a file has, and one byte more than is expected, should it have that. */
const readInto = async (slab: Buffer, { path, bytes }: TrackFile): Promise<Buffer> => {
  // Only the reading is worth the turn to another thread and back, which costs more than to open a file.
  const fd = openSync(path, 'r');
  try {
    const { bytesRead } = await readFrom(fd, slab, 0, bytes + 1, 0);
    return slab.subarray(0, bytesRead);
  } finally {
    closeSync(fd);
  }
};

const streamed = async (file: TrackFile): Promise<CheckedFile> => {
  const damage = await fileDamage(file);
  return damage === null ? { source: { path: file.path }, slab: null } : { damage };
};

/** Checks a file, and keeps its bytes when they are few. Throws when the disk cannot be read. */
export const checkedFile = async (file: TrackFile, memory: FileMemory): Promise<CheckedFile> => {
  if (file.bytes >= MAX_IN_MEMORY_BYTES) return streamed(file);
  const slab = memory.take();
  try {
    const content = await readInto(slab, file);
    if (difference(file, content.length, hash('sha256', content, 'hex')) === null) return { source: content, slab };
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  memory.giveBack(slab);
  return streamed(file);
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
