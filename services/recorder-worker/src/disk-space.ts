import { statfs } from 'node:fs/promises';
import type { AttachedSpool } from '@weir/contracts';

/** Free bytes of the file system that holds a path, for a user without special rights. */
export type FreeBytes = (path: string) => Promise<number>;

/** Asks the operating system. */
export const freeBytesOf: FreeBytes = async (path) => {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
};

/** How much room a spool has: `full` below the reserve, `low` below twice as much. */
export type DiskSpace = Disposable & {
  freeBytes(): number;
  level(): AttachedSpool['level'];
  /** Looks now; a write that failed for want of room counts as full until there is the reserve and a margin again. */
  look(): Promise<void>;
  /** A write met a full disk. */
  full(): void;
  /** Resolves when there is room, or the signal aborts. */
  room(signal: AbortSignal): Promise<void>;
};

/** What is watched: `changed` is told of each new level. */
export type DiskSpaceOptions = {
  dir: string;
  reserveBytes: number;
  freeBytes: FreeBytes;
  changed(level: AttachedSpool['level'], freeBytes: number): void;
  /** Deletes what may go, up to about so many bytes; tells how many went. */
  makeRoom?(bytes: number): number;
  everyMs?: number;
};

// Room that must come back above the reserve before recording resumes, so that it does not flap.
const MARGIN_BYTES = 16 * 1024 * 1024;

const LEAST_MARGIN_BYTES = 1024 * 1024;
// Where a write met a full disk although no reserve was asked for.
const LEAST_ROOM_BYTES = 8 * 1024 * 1024;

const marginOf = (reserve: number): number => Math.min(MARGIN_BYTES, reserve / 8);

/** How many bytes are to be freed so that recording need not stop: none while there are two margins above the reserve. */
const shortOf = (free: number, reserve: number, was: AttachedSpool['level']): number => {
  const margin = marginOf(reserve);
  if (was !== 'full' && free >= reserve + margin * 2) return 0;
  return Math.max(0, Math.max(reserve + margin * 3, was === 'full' ? LEAST_ROOM_BYTES : 0) - free);
};

const levelOf = (free: number, reserve: number, was: AttachedSpool['level']): AttachedSpool['level'] => {
  const margin = marginOf(reserve);
  if (free < reserve || (was === 'full' && free < reserve + Math.max(margin, LEAST_MARGIN_BYTES))) return 'full';
  return free < reserve * 2 ? 'low' : 'ok';
};

/** Watches the free space of a spool once a second, and has room made before there is none. */
export const watchDiskSpace = async (options: DiskSpaceOptions): Promise<DiskSpace> => {
  const { dir, reserveBytes, freeBytes, changed, makeRoom = () => 0, everyMs = 1000 } = options;
  let free = await freeBytes(dir);
  let level = levelOf(free, reserveBytes, 'ok');
  const waiting = new Set<() => void>();
  const set = (next: AttachedSpool['level']) => {
    if (next === level) return;
    level = next;
    if (level !== 'full') for (const wake of waiting) wake();
    changed(level, free);
  };
  const room = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (level !== 'full' || signal.aborted) {
        resolve();
        return;
      }
      const wake = () => {
        waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  const look = async () => {
    free = await freeBytes(dir);
    const short = shortOf(free, reserveBytes, level);
    if (short > 0 && makeRoom(short) > 0) free = await freeBytes(dir);
    set(levelOf(free, reserveBytes, level));
  };
  const timer = setInterval(() => void look().catch(() => undefined), everyMs).unref();
  return {
    freeBytes: () => free,
    level: () => level,
    look,
    full: () => set('full'),
    room,
    [Symbol.dispose]: () => clearInterval(timer),
  };
};
