/**
 * The scrub: everything stored is read again, slowly, and compared with the hash in the ledger. What is missing or
 * damaged in the bucket and still whole in the spool is put again: a damaged object is deleted first, under the lease
 * of its upload and told in the log, then the ledger forgets that it is stored, and the ordinary uploads do the rest.
 * What the spool has not any more is told, and left as it is. What cannot be read is tried again, five times at most,
 * while the scrub goes on behind it; then it is told, and the next pass looks at it again.
 */
import type { Clock, Log } from '@weir/runtime';
import type { Ledger, ScrubItem, ScrubPosition, TrackFile } from '@weir/spool';
import { fileDamage } from './local-file.ts';
import type { ScrubProgress } from './scrub-progress.ts';
import type { Target } from './target.ts';
import { unreadItems } from './unread-items.ts';

/** What was found of an object that is not as it was stored, and what was done about it. */
export type ScrubFault = {
  key: string;
  recordingId: string;
  stream: string;
  recordDir: string;
  what: 'missing' | 'damaged' | 'unreadable';
  remedy: 'put_again' | 'none';
  expected: string;
  /** Its hash; null when it is missing or unreadable. */
  got: string | null;
};

/** What the scrub needs; `days` is the least time of one pass over everything, `bytesPerSecond` the most it reads. */
export type ScrubDeps = {
  ledger: Pick<Ledger, 'nextStored' | 'lease' | 'release' | 'markMissing' | 'spoolId'>;
  target: Pick<Target, 'digest' | 'remove'>;
  progress: ScrubProgress;
  holder: string;
  days: number;
  bytesPerSecond: number;
  /** True while storage does not answer. */
  isResting: () => boolean;
  read: (bytes: number) => void;
  /** An object could not be read, and will be tried again or is given up. */
  failed: () => void;
  found: (fault: ScrubFault) => void;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
};

const DAY_MS = 86_400_000;
// Uploads that waited for the start go first; and so long a scrub waits for what it cannot have now.
const PATIENCE_MS = 60_000;
const LEASE_MS = 15_000;
const READ_TIMEOUT_MS = 600_000;

// The waits between them grow, so they span half an hour at least.
const MAX_TRIES = 5;
const MAX_UNREAD = 1_000;
const LONGEST_PATIENCE_MS = 3_600_000;

type Finding = { file: TrackFile; what: ScrubFault['what']; got: string | null };

const findingOf = async (
  { ledger, target, read, signal }: ScrubDeps,
  file: TrackFile,
): Promise<Omit<Finding, 'file'> | null> => {
  const timeout = AbortSignal.timeout(READ_TIMEOUT_MS);
  const got = await target.digest({ key: file.key, spool: ledger.spoolId }, AbortSignal.any([signal, timeout]));
  read(got?.bytes ?? 0);
  if (got === null) return { what: 'missing', got: null };
  return got.bytes === file.bytes && got.sha256 === file.sha256 ? null : { what: 'damaged', got: got.sha256 };
};

/** What is wrong with the files of an item. One that cannot be read is a finding with the last try, before it throws. */
const findings = async (deps: ScrubDeps, item: ScrubItem, isLastTry: boolean): Promise<Finding[]> => {
  const bad: Finding[] = [];
  for (const file of item.files) {
    const found = await findingOf(deps, file).catch((error: unknown) => {
      deps.signal.throwIfAborted();
      deps.failed();
      if (!isLastTry) throw error;
      deps.log.warn({ err: error, key: file.key }, 'scrub: could not be read, for now given up');
      return { what: 'unreadable', got: null } as const;
    });
    if (found !== null) bad.push({ file, ...found });
  }
  return bad;
};

/** What the ledger says now of an item's row; null when it is not stored any more. */
const storedNow = ({ ledger }: ScrubDeps, { kind, seq }: ScrubItem): ScrubItem | null => {
  const before = seq - 1;
  const behind = Number.MAX_SAFE_INTEGER;
  const position = kind === 'init' ? { inits: before, segments: behind } : { inits: behind, segments: before };
  const now = ledger.nextStored(position);
  return now?.seq === seq ? now : null;
};

/** Whether the ledger still says what was compared: nobody moved, deleted, marked or stored it anew meanwhile. */
const isUnchanged = (deps: ScrubDeps, item: ScrubItem): boolean => {
  const now = storedNow(deps, item);
  return now?.recordDir === item.recordDir && now.storedStamp === item.storedStamp && now.local === 'present';
};

const isWholeHere = async ({ files, local }: ScrubItem): Promise<boolean> => {
  if (local !== 'present') return false;
  for (const file of files) if ((await fileDamage(file)) !== null) return false;
  return true;
};

/** Has it put again, when that can be done. */
const mend = async (deps: ScrubDeps, item: ScrubItem, bad: readonly Finding[]): Promise<ScrubFault['remedy']> => {
  const { ledger, target, holder, clock, log } = deps;
  const damaged = bad.filter(({ what }) => what === 'damaged');
  if (bad.every(({ what }) => what === 'unreadable')) return 'none';
  if (damaged.length > 0 && target.remove === undefined) return 'none';
  if (!(await isWholeHere(item))) return 'none';
  if (!ledger.lease(item, holder, clock.now() + LEASE_MS)) return 'none';
  try {
    if (!isUnchanged(deps, item)) return 'none';
    for (const { file, got } of damaged) {
      log.warn({ key: file.key, expected: file.sha256, got }, 'damaged object deleted, to be put again');
      await target.remove?.(file.key);
    }
    ledger.markMissing(item);
    return 'put_again';
  } finally {
    ledger.release(item, holder);
  }
};

/** Reads one item and sees to what is wrong with it; answers the bytes that it has. With the last try it never throws. */
const scrubItem = async (deps: ScrubDeps, item: ScrubItem, isLastTry: boolean): Promise<number> => {
  const bad = await findings(deps, item, isLastTry);
  if (bad.length > 0) {
    const remedy = await mend(deps, item, bad).catch((error: unknown) => {
      deps.signal.throwIfAborted();
      if (!isLastTry) throw error;
      deps.log.warn({ err: error, recording: item.recordingId }, 'scrub: could not be mended, for now given up');
      return 'none' as const;
    });
    const { recordingId, stream, recordDir } = item;
    for (const { file, what, got } of bad)
      deps.found({
        ...{ key: file.key, recordingId, stream, recordDir, what, expected: file.sha256, got },
        remedy: what === 'unreadable' ? 'none' : remedy,
      });
  }
  return item.files.reduce((sum, { bytes }) => sum + bytes, 0);
};

const behind = (position: ScrubPosition, item: ScrubItem): ScrubPosition =>
  item.kind === 'init' ? { ...position, inits: item.seq } : { ...position, segments: item.seq };

/** Scrubs until the signal aborts, pass after pass. */
export const scrubForever = async (deps: ScrubDeps): Promise<void> => {
  const { ledger, progress, clock, log, signal, days, bytesPerSecond } = deps;
  const unread = unreadItems();
  let failuresInARow = 0;
  await clock.sleep(PATIENCE_MS, signal);
  for (;;) {
    signal.throwIfAborted();
    if (deps.isResting()) {
      await clock.sleep(PATIENCE_MS, signal);
      continue;
    }
    const { position, startedMs } = progress.current();
    const next = ledger.nextStored(position);
    const again = unread.due(next === null || unread.size >= MAX_UNREAD);
    const item = again === null ? next : storedNow(deps, again.item);
    if (again !== null && item === null) {
      unread.settled(again.item);
      continue;
    }
    if (item === null) {
      // Slices, so that a clock that was set forward ends the wait, and one that was set back does not stretch it.
      const waitMs = Math.min(startedMs + days * DAY_MS - clock.now(), days * DAY_MS);
      if (waitMs > 0) await clock.sleep(Math.min(waitMs, PATIENCE_MS), signal);
      else progress.begin(clock.now());
      continue;
    }
    const beganMs = clock.now();
    let waitMs = 0;
    try {
      const bytes = await scrubItem(deps, item, again?.tries === MAX_TRIES - 1);
      failuresInARow = 0;
      unread.settled(item);
      if (again === null) unread.otherRead();
      waitMs = Math.max(1, (bytes * 1000) / bytesPerSecond - Math.max(0, clock.now() - beganMs));
    } catch (error) {
      signal.throwIfAborted();
      waitMs = Math.min(PATIENCE_MS * 2 ** failuresInARow, LONGEST_PATIENCE_MS);
      failuresInARow += 1;
      const tries = unread.failed(item);
      log.warn({ err: error, recording: item.recordingId, tries }, 'scrub: could not be read now');
    }
    if (again === null) progress.moved(behind(position, item), clock.now());
    await clock.sleep(waitMs, signal);
  }
};
