import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Log } from '@weir/runtime';
import type { ScrubPosition } from '@weir/spool';

/** Where the scrub of a spool stands, kept in a file, so that a restart goes on instead of reading all from the beginning. */
export type ScrubProgress = {
  current(): { position: ScrubPosition; startedMs: number };
  moved(position: ScrubPosition, nowMs: number): void;
  /** Begins the next pass. */
  begin(nowMs: number): void;
};

type State = { spool: string; position: ScrubPosition; startedMs: number };

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

// A minute of reading again after a crash costs less than a write for each object.
const SAVE_MS = 60_000;

const read = (path: string, spool: string): State | null => {
  try {
    const { position, startedMs, ...found } = JSON.parse(readFileSync(path, 'utf8')) as Partial<State>;
    const isGood =
      found.spool === spool && isCount(startedMs) && isCount(position?.inits) && isCount(position.segments);
    return isGood ? { spool, position: { inits: position.inits, segments: position.segments }, startedMs } : null;
  } catch {
    return null;
  }
};

/** Opens the progress of `spool`; a file that is not there, of another spool or damaged is a beginning. */
export const openScrubProgress = (path: string, spool: string, nowMs: number, log: Log): ScrubProgress => {
  const nothing = { inits: 0, segments: 0 };
  let now: State = read(path, spool) ?? { spool, position: nothing, startedMs: Math.floor(nowMs) };
  let savedMs = Number.NEGATIVE_INFINITY;
  const save = (atMs: number) => {
    savedMs = atMs;
    try {
      writeFileSync(`${path}.new`, JSON.stringify(now));
      renameSync(`${path}.new`, path);
    } catch (error) {
      log.warn({ err: error }, 'scrub: where it stands could not be saved');
    }
  };
  return {
    current: () => ({ position: now.position, startedMs: now.startedMs }),
    moved: (position, atMs) => {
      now = { ...now, position };
      if (Math.abs(atMs - savedMs) >= SAVE_MS) save(atMs);
    },
    begin: (atMs) => {
      now = { ...now, position: nothing, startedMs: Math.floor(atMs) };
      save(atMs);
    },
  };
};
