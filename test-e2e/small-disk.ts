/** A small disk of a test's own: a tmpfs, which is full when its size is reached. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** See the top of this file. */
export type SmallDisk = Disposable & {
  path: string;
  freeBytes(): number;
  /** Takes room away until so much is free, for whoever else uses the disk. */
  leaveFree(bytes: number): void;
  /** Gives the room back. */
  giveBack(): void;
};

const CHUNK = Buffer.alloc(64 * 1024, 1);

/** Mounts a disk; throws, and never lets a test pass by, where that cannot be done. */
export const mountSmallDisk = (path: string, bytes: number): SmallDisk => {
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'pipe' });
  } catch (cause) {
    throw new Error('this test needs a disk of its own: run it as a user who may mount a tmpfs (root)', { cause });
  }
  const ballast = join(path, 'ballast');
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  };
  return {
    path,
    freeBytes,
    leaveFree: (left) => {
      const file = openSync(ballast, 'a');
      try {
        for (let over = freeBytes() - left; over > 0; over = freeBytes() - left) {
          if (writeSync(file, CHUNK, 0, Math.min(over, CHUNK.length)) === 0) break;
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    giveBack: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]: () => {
      execFileSync('umount', ['-l', path], { stdio: 'pipe' });
      rmSync(path, { recursive: true, force: true });
    },
  };
};
