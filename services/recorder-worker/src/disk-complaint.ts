import { type Log, oneLine, systemCode } from '@weir/runtime';

const EVERY_MS = 60_000;
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT']);

/** True for an error that says that the disk has no room. */
export const isDiskFull = (error: unknown): boolean =>
  FULL_CODES.has(systemCode(error) ?? '') || /database or disk is full/.test(oneLine(error));

/**
 * Says in the log what fails of a disk that is tried again each second: each kind of failure at once, then once a
 * minute with how often it came. A full disk needs no stack.
 */
export const diskComplaint = (log: Log, monotonicMs: () => number) => {
  const said = new Map<string, { atMs: number; unsaid: number }>();
  return (error: unknown, message: string): void => {
    const kind = `${message} ${isDiskFull(error) ? 'full' : (systemCode(error) ?? 'other')}`;
    const last = said.get(kind);
    if (last !== undefined && monotonicMs() - last.atMs < EVERY_MS) {
      last.unsaid += 1;
      return;
    }
    said.set(kind, { atMs: monotonicMs(), unsaid: 0 });
    const what = isDiskFull(error)
      ? { cause: 'disk_full', reason: oneLine(error) }
      : { cause: 'disk_error', err: error };
    log.error({ ...what, ...(last === undefined ? {} : { repeated: last.unsaid }) }, message);
  };
};
