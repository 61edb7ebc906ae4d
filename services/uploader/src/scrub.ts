/**
 * The scrub: everything stored is read again, slowly, and compared with the hash in the ledger. What is missing or
 * damaged in the bucket and still whole in the spool is put again: a damaged object is deleted first, under the lease
 * of its upload and told in the log, then the ledger forgets that it is stored, and the ordinary uploads do the rest.
 * What the spool has not any more is told, and left as it is.
 */
import type { Clock, Log } from '@weir/runtime';
import type { Ledger, ScrubItem, ScrubPosition, TrackFile } from '@weir/spool';
import { fileDamage } from './local-file.ts';
import type { ScrubProgress } from './scrub-progress.ts';
import type { Target } from './target.ts';

/** What was found of an object that is not as it was stored, and what was done about it. */
export type ScrubFault = {
  key: string;
  recordingId: string;
  stream: string;
  recordDir: string;
  what: 'missing' | 'damaged';
  remedy: 'put_again' | 'none';
  expected: string;
  /** Its hash; null when it is missing. */
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

type Finding = { file: TrackFile; got: { bytes: number; sha256: string } | null };

const findings = async ({ ledger, target, read, signal }: ScrubDeps, item: ScrubItem): Promise<Finding[]> => {
  const bad: Finding[] = [];
  for (const file of item.files) {
    const got = await target.digest(
      { key: file.key, spool: ledger.spoolId },
      AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)]),
    );
    read(got?.bytes ?? 0);
    if (got === null || got.bytes !== file.bytes || got.sha256 !== file.sha256) bad.push({ file, got });
  }
  return bad;
};

/** Whether the ledger still says what was compared: nobody moved, deleted or marked it meanwhile. */
const isUnchanged = ({ ledger }: ScrubDeps, item: ScrubItem): boolean => {
  const before = item.seq - 1;
  const behind = Number.MAX_SAFE_INTEGER;
  const position = item.kind === 'init' ? { inits: before, segments: behind } : { inits: behind, segments: before };
  const now = ledger.nextStored(position);
  return now?.seq === item.seq && now.recordDir === item.recordDir && now.local === 'present';
};

const isWholeHere = async ({ files, local }: ScrubItem): Promise<boolean> => {
  if (local !== 'present') return false;
  for (const file of files) if ((await fileDamage(file)) !== null) return false;
  return true;
};

/** Has it put again, when that can be done. */
const mend = async (deps: ScrubDeps, item: ScrubItem, bad: readonly Finding[]): Promise<ScrubFault['remedy']> => {
  const { ledger, target, holder, clock, log } = deps;
  const damaged = bad.filter(({ got }) => got !== null);
  if (damaged.length > 0 && target.remove === undefined) return 'none';
  if (!(await isWholeHere(item))) return 'none';
  if (!ledger.lease(item, holder, clock.now() + LEASE_MS)) return 'none';
  try {
    if (!isUnchanged(deps, item)) return 'none';
    for (const { file, got } of damaged) {
      log.warn({ key: file.key, expected: file.sha256, got: got?.sha256 }, 'damaged object deleted, to be put again');
      await target.remove?.(file.key);
    }
    ledger.markMissing(item);
    return 'put_again';
  } finally {
    ledger.release(item, holder);
  }
};

/** Reads one item and sees to what is wrong with it; answers the bytes that were read. */
const scrubItem = async (deps: ScrubDeps, item: ScrubItem): Promise<number> => {
  const bad = await findings(deps, item);
  if (bad.length > 0) {
    const remedy = await mend(deps, item, bad);
    const { recordingId, stream, recordDir } = item;
    for (const { file, got } of bad)
      deps.found({
        key: file.key,
        recordingId,
        stream,
        recordDir,
        what: got === null ? 'missing' : 'damaged',
        remedy,
        expected: file.sha256,
        got: got?.sha256 ?? null,
      });
  }
  return item.files.reduce((sum, { bytes }) => sum + bytes, 0);
};

const behind = (position: ScrubPosition, item: ScrubItem): ScrubPosition =>
  item.kind === 'init' ? { ...position, inits: item.seq } : { ...position, segments: item.seq };

/** Scrubs until the signal aborts, pass after pass; what cannot be read now is tried again a minute later. */
export const scrubForever = async (deps: ScrubDeps): Promise<void> => {
  const { ledger, progress, clock, log, signal, days, bytesPerSecond } = deps;
  await clock.sleep(PATIENCE_MS, signal);
  for (;;) {
    const { position, startedMs } = progress.current();
    const item = ledger.nextStored(position);
    if (item === null) {
      // Slices, so that a clock that was set forward ends the wait, and one that was set back does not stretch it.
      const waitMs = Math.min(startedMs + days * DAY_MS - clock.now(), days * DAY_MS);
      if (waitMs > 0) await clock.sleep(Math.min(waitMs, PATIENCE_MS), signal);
      else progress.begin(clock.now());
      continue;
    }
    if (deps.isResting()) {
      await clock.sleep(PATIENCE_MS, signal);
      continue;
    }
    const beganMs = clock.now();
    try {
      const bytes = await scrubItem(deps, item);
      progress.moved(behind(position, item), clock.now());
      const paceMs = (bytes * 1000) / bytesPerSecond - Math.max(0, clock.now() - beganMs);
      await clock.sleep(Math.max(1, paceMs), signal);
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ err: error, recording: item.recordingId }, 'scrub: could not be read now');
      await clock.sleep(PATIENCE_MS, signal);
    }
  }
};
