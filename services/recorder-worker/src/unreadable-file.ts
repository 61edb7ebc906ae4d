/**
 * The reads of a recovery, on a disk that may not give back what it took.
 *
 * A read that fails with EIO is tried again: a cable may be loose for a moment. When it still fails, the recording must
 * not wait for that file for ever: it is kept aside under another name, for whoever can read more of it, and what can be
 * read of it up to the first bad block takes its place. What is missing then comes again from the ring, or is a gap.
 */
import { dirname } from 'node:path';
import { type Log, systemCode } from '@weir/runtime';
import type { Disk } from './segment-file.ts';

/** Reads files; throws what the disk says unless the file is given up. */
export type RecoveryReader = {
  segment(path: string): Promise<Uint8Array>;
  /** An init file that is given up is read as empty: it has its row, and is never replaced. */
  init(path: string): Promise<Uint8Array>;
};

const TRIES = 3;
const CHUNK_BYTES = 1_048_576;
const BLOCK_BYTES = 4096;
/** Behind the name of a file that cannot be read to its end. */
export const UNREADABLE = '.unreadable';

/** All bytes of a file, or those before the first block that cannot be read, and the error there. */
const readUpToFault = async (disk: Disk, path: string): Promise<{ bytes: Uint8Array; error: unknown }> => {
  const pieces: Uint8Array[] = [];
  let position = 0;
  for (let step = CHUNK_BYTES; ; ) {
    try {
      const piece = await disk.read(path, position, step);
      if (piece.length === 0) return { bytes: Buffer.concat(pieces), error: null };
      pieces.push(piece);
      position += piece.length;
    } catch (error) {
      if (systemCode(error) !== 'EIO') throw error;
      if (step === BLOCK_BYTES) return { bytes: Buffer.concat(pieces), error };
      step = BLOCK_BYTES;
    }
  }
};

/** Puts what was read of a file in its place; the file itself stays under another name. */
const setAside = async (disk: Disk, path: string, readable: Uint8Array): Promise<void> => {
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  const file = await disk.open(temporary, 'wx+');
  try {
    await file.write([readable], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(path, `${path}${UNREADABLE}`);
  await disk.rename(temporary, path);
  await disk.syncDirectory(dirname(path));
};

/** Makes the reader of one recording's recoveries; `givenUp` is told when media may be missing for it. */
export const recoveryReader = (disk: Disk, log: Log, givenUp: () => void): RecoveryReader => {
  const failures = new Map<string, number>();

  /** What a file holds, or all that can be read of one that has failed too often. */
  const readOf = async (path: string): Promise<{ bytes: Uint8Array; isGivenUp: boolean }> => {
    const { bytes, error } = await readUpToFault(disk, path);
    if (error === null) return { bytes, isGivenUp: false };
    const failed = (failures.get(path) ?? 0) + 1;
    failures.set(path, failed);
    if (failed < TRIES) throw error;
    log.error(
      { err: error, path, readable: bytes.length },
      'a file of the recording cannot be read: it goes on without',
    );
    return { bytes, isGivenUp: true };
  };

  return {
    segment: async (path) => {
      const { bytes, isGivenUp } = await readOf(path);
      if (!isGivenUp) return bytes;
      await setAside(disk, path, bytes);
      failures.delete(path);
      givenUp();
      return bytes;
    },
    init: async (path) => {
      const { bytes, isGivenUp } = await readOf(path);
      return isGivenUp ? new Uint8Array(0) : bytes;
    },
  };
};
