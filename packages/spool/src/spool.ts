/**
 * The spool: the disk between recorder and uploader. A directory with the recordings and `ledger.db`, which says what
 * is durable, what is stored, and what the index holds.
 *
 * Invariants, each held by the schema or by the one function that writes the fact, and tested:
 *
 * 1. Never the row before the bytes: an init or segment row is written after its files and their names are synced.
 * 2. Every change of a row takes a new stamp inside its transaction, max(now in µs, last + 1); no two rows share one.
 * 3. A segment becomes stored only when all its files and its init files are; `stored_stamp` is set exactly while
 *    `remote` is stored. *Indexed* is never written, but computed from `stored_stamp` and the cursor told.
 * 4. A file is deleted only when indexed and by retention, or by the full-disk policy, by the holder of its lease.
 * 5. A segment's gap stands exactly when `local` is gone and `remote` is none or refused; becoming stored withdraws
 *    it in the same transaction.
 * 6. One recorder process per spool, by a lock that dies with it. A stream has at most one recording that is not ended.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Evictor, evictor } from './eviction.ts';
import { type IndexCursor, indexCursor } from './index-cursor.ts';
import { type LedgerDatabase, openLedgerDatabase, type SpoolNeeds } from './ledger-database.ts';
import { type LedgerRows, ledgerRows } from './ledger-rows.ts';
import { type ManifestLedger, manifestLedger } from './manifest-facts.ts';
import { createDirectory, syncDirectory } from './recording-directory.ts';
import { type RecordingLedger, recordingLedger } from './recording-ledger.ts';
import { type RefusalLedger, refusalLedger } from './refusals.ts';
import { type ScrubLedger, scrubLedger } from './scrub-ledger.ts';
import { type SegmentRemover, segmentRemover } from './segment-gap.ts';
import { SpoolError } from './spool-error.ts';
import { takeSpoolLock } from './spool-lock.ts';
import { type SyncSessions, syncSessions } from './sync-sessions.ts';
import { type UploadLedger, uploadLedger } from './upload-ledger.ts';

/** What recorder and uploader both read. */
export type LedgerReader = Pick<LedgerRows, 'rowsAfter' | 'recording' | 'inits' | 'segments' | 'gaps'> &
  IndexCursor &
  Pick<ManifestLedger, 'manifestOf'> &
  Disposable & {
    /** The spool's directory. */
    dir: string;
    spoolId: string;
    /** The newest stamp. */
    lastStamp(): number;
  };

/** The ledger as the uploader has it. */
export type Ledger = LedgerReader & ManifestLedger & UploadLedger & RefusalLedger & ScrubLedger & SegmentRemover;

/** The spool as its one recorder has it. */
export type Spool = LedgerReader & RecordingLedger & Pick<ManifestLedger, 'recordingsPresent'> & Evictor & SyncSessions;

const reader = (ledger: LedgerDatabase, rows: LedgerRows, dir: string) => ({
  dir,
  spoolId: ledger.spoolId,
  lastStamp: ledger.lastStamp,
  rowsAfter: rows.rowsAfter,
  recording: rows.recording,
  inits: rows.inits,
  segments: rows.segments,
  gaps: rows.gaps,
  ...indexCursor(ledger),
});

const whole = (needs: Partial<SpoolNeeds>): SpoolNeeds => ({
  now: Date.now,
  newId: randomUUID,
  syncDirectory,
  ...needs,
});

/**
 * Opens the spool at `dir` for its recorder; a directory without a ledger becomes a new spool. Throws SpoolError
 * `spool_held` while another recorder process has it; the lock ends with the process or the spool's disposal.
 */
export const openSpool = (dir: string, needs: Partial<SpoolNeeds> = {}): Spool => {
  createDirectory(dir, '.', syncDirectory);
  const lock = takeSpoolLock(dir);
  try {
    const ledger = openLedgerDatabase(join(dir, 'ledger.db'), whole(needs), true);
    syncDirectory(dir);
    const rows = ledgerRows(ledger);
    const manifests = manifestLedger(ledger, rows);
    return {
      ...reader(ledger, rows, dir),
      manifestOf: manifests.manifestOf,
      recordingsPresent: manifests.recordingsPresent,
      ...recordingLedger(ledger, rows, dir),
      ...evictor(ledger, rows, dir, uploadLedger(ledger, rows, dir), segmentRemover(ledger, dir)),
      ...syncSessions(ledger),
      [Symbol.dispose]: () => {
        ledger.close();
        lock[Symbol.dispose]();
      },
    };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
};

/** Opens the ledger of the spool at `dir` without the lock. Throws SpoolError `spool_missing` where there is none yet. */
export const openLedger = (dir: string, needs: Partial<SpoolNeeds> = {}): Ledger => {
  const path = join(dir, 'ledger.db');
  // Empty is the ledger that its recorder is just making: whoever opened it now could keep WAL mode from being set.
  if (!existsSync(path) || statSync(path).size === 0) {
    throw new SpoolError('spool_missing', `${dir} has no ledger: the recorder makes it when it starts`);
  }
  const ledger = openLedgerDatabase(path, whole(needs), false);
  const rows = ledgerRows(ledger);
  return {
    ...reader(ledger, rows, dir),
    ...manifestLedger(ledger, rows),
    ...uploadLedger(ledger, rows, dir),
    ...refusalLedger(ledger),
    ...scrubLedger(ledger, rows, dir),
    ...segmentRemover(ledger, dir),
    [Symbol.dispose]: () => ledger.close(),
  };
};
