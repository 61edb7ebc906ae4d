import { MAX_LEASE_MS } from './lease-condition.ts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { LedgerRows } from './ledger-rows.ts';
import { segmentGapKeeper } from './segment-gap.ts';
import { unknownRecording } from './spool-error.ts';
import { initsStored, type UploadInit, type UploadSegment, type UploadWork, uploadWork } from './upload-work.ts';

/** A manifest or `record.json` to be put: one lease per recording, so that one PUT is in flight. */
export type DocumentItem = { kind: 'manifest' | 'document'; recordingId: string };

/** Anything that a lease can be taken of. */
export type LeaseItem =
  | Pick<UploadInit, 'kind' | 'recordingId' | 'period' | 'track'>
  | Pick<UploadSegment, 'kind' | 'recordingId' | 'number'>
  | DocumentItem;

/** An object whose fact in the bucket is spoken of. */
export type RemoteItem =
  | Pick<UploadSegment, 'kind' | 'recordingId' | 'number'>
  | Pick<UploadInit, 'kind' | 'recordingId' | 'period' | 'track'>;

/** The uploader's side of the ledger. Every step may be repeated. */
export type UploadLedger = UploadWork & {
  /** How many segments wait, and their bytes. */
  backlog(): { segments: number; bytes: number };
  /** Start of the oldest segment that waits, in wall milliseconds; null when none does. */
  oldestWaitingMs(): number | null;
  /**
   * Takes or renews the lease of an object; false while another holder has it, and of a segment that is gone. A lease
   * that runs for longer than any is taken for was left by a clock that has been set back, and counts for nothing.
   */
  lease(item: LeaseItem, holder: string, untilMs: number): boolean;
  /** Runs several steps in one durable transaction; an error of one rolls all of them back. */
  inOne<T>(steps: () => T): T;
  /** The same for leases alone, which a power cut may take back: nobody is left to hold them then. */
  leasesInOne<T>(steps: () => T): T;
  /** Renews every lease that the holder still has. */
  renewAll(holder: string, untilMs: number): void;
  release(item: LeaseItem, holder: string): void;
  /** Gives up every lease of a holder: what its process held when it was killed. */
  releaseAll(holder: string): void;
  /** The bucket confirmed bytes and hash of an init file. */
  markInitStored(init: Pick<UploadInit, 'recordingId' | 'period' | 'track'>): void;
  /** The bucket confirmed every file of a segment; false while an init file of it is not stored. Withdraws its gap. */
  markSegmentStored(recordingId: string, number: number): boolean;
  /** The bucket never will take it. */
  markRefused(item: RemoteItem, reason: string): void;
  /** A scrub found the object missing or damaged: it is to be put again. */
  markMissing(item: RemoteItem): void;
  /** Gives a recording whose directory another spool has the next free one in bucket and index; the spool's stays. */
  moveRecordDir(recordingId: string): { record: number; record_dir: string };
};

const itemKey = (item: LeaseItem): string => {
  switch (item.kind) {
    case 'init':
      return `init:${item.recordingId}:${item.track}:${item.period}`;
    case 'segment':
      return `segment:${item.recordingId}:${item.number}`;
    case 'manifest':
    case 'document':
      return `${item.kind}:${item.recordingId}`;
  }
};

const leaseKeeper = ({ db, now, unsynced }: LedgerDatabase) => {
  const take = db.prepare(`insert into leases (item, holder, until_ms) values (:item, :holder, :until)
    on conflict (item) do update set holder = excluded.holder, until_ms = excluded.until_ms
    where leases.holder = excluded.holder or leases.until_ms <= :now or leases.until_ms > :now + ${MAX_LEASE_MS}`);
  const renew = db.prepare('update leases set until_ms = ? where holder = ?');
  const present = db.prepare(`select 1 from segments where recording_id = ? and number = ? and local = 'present'`);
  // It may have been deleted since it was offered; whoever puts it would take it for damaged.
  const isGone = (item: LeaseItem): boolean =>
    item.kind === 'segment' && present.get(item.recordingId, item.number) === undefined;
  const drop = db.prepare('delete from leases where item = ? and holder = ?');
  const dropAll = db.prepare('delete from leases where holder = ?');
  return {
    lease: (item: LeaseItem, holder: string, untilMs: number): boolean =>
      unsynced(
        () =>
          !isGone(item) &&
          take.run({ item: itemKey(item), holder, until: Math.floor(untilMs), now: Math.floor(now()) }).changes > 0,
      ),
    renewAll: (holder: string, untilMs: number): void => unsynced(() => void renew.run(Math.floor(untilMs), holder)),
    release: (item: LeaseItem, holder: string): void => unsynced(() => void drop.run(itemKey(item), holder)),
    releaseAll: (holder: string): void => unsynced(() => void dropAll.run(holder)),
  };
};

const remoteWriter = (
  ledger: LedgerDatabase,
): Pick<UploadLedger, 'markInitStored' | 'markSegmentStored' | 'markRefused' | 'markMissing'> => {
  const { db, nextStamp, transaction } = ledger;
  const initWhere = 'recording_id = :id and track = :track and period = :period';
  const segmentWhere = 'recording_id = :id and number = :number';
  const storedSet = `set remote = 'stored', stored_stamp = :stamp, refused_reason = null, stamp = :stamp`;
  const refusedSet = `set remote = 'refused', stored_stamp = null, refused_reason = :reason, stamp = :stamp`;
  const missingSet = `set remote = 'none', stored_stamp = null, refused_reason = null, stamp = :stamp`;
  const statement = (table: string, set: string, where: string, from: string) =>
    db.prepare(`update ${table} ${set} where ${where} and ${from}`);
  const on = {
    init: {
      stored: statement('inits', storedSet, initWhere, `remote <> 'stored'`),
      refused: statement('inits', refusedSet, initWhere, `remote = 'none'`),
      missing: statement('inits', missingSet, initWhere, `remote <> 'none'`),
    },
    segment: {
      stored: statement('segments', storedSet, segmentWhere, `remote <> 'stored'`),
      refused: statement('segments', refusedSet, segmentWhere, `remote = 'none'`),
      missing: statement('segments', missingSet, segmentWhere, `remote <> 'none'`),
    },
  };
  // No uploader has anything to do with what is stored: its lease goes in the same commit. Whoever deletes it keeps his.
  const unlease = db.prepare(`delete from leases where item = ? and holder <> 'recorder'`);
  const isReady = db.prepare(`select 1 from segments s where ${segmentWhere} and ${initsStored}`);
  const keepGap = segmentGapKeeper(ledger);
  const touch = db.prepare('update recordings set stamp = ? where recording_id = ?');
  const keyOf = (item: RemoteItem) =>
    item.kind === 'init'
      ? { id: item.recordingId, track: item.track, period: item.period }
      : { id: item.recordingId, number: item.number };
  return {
    markInitStored: ({ recordingId: id, track, period }) =>
      transaction(() => {
        on.init.stored.run({ id, track, period, stamp: nextStamp() });
        unlease.run(itemKey({ kind: 'init', recordingId: id, track, period }));
      }),
    markSegmentStored: (id, number) =>
      transaction(() => {
        if (isReady.get({ id, number }) === undefined) return false;
        on.segment.stored.run({ id, number, stamp: nextStamp() });
        keepGap(id, number, 'evicted');
        unlease.run(itemKey({ kind: 'segment', recordingId: id, number }));
        return true;
      }),
    markRefused: (item, reason) =>
      transaction(
        () => void on[item.kind].refused.run({ ...keyOf(item), reason: reason.slice(0, 500), stamp: nextStamp() }),
      ),
    markMissing: (item) =>
      transaction(() => {
        // The manifest in the bucket names it: a touched recording makes the next one due.
        if (on[item.kind].missing.run({ ...keyOf(item), stamp: nextStamp() }).changes > 0) {
          touch.run(nextStamp(), item.recordingId);
          if (item.kind === 'segment') keepGap(item.recordingId, item.number, 'evicted');
        }
      }),
  };
};

const recordMover = (ledger: LedgerDatabase, rows: LedgerRows) => {
  const { db, nextStamp, transaction } = ledger;
  const last = db.prepare('select max(record) as last from recordings where stream = ?');
  const taken = db.prepare('select 1 from recordings where record_dir = ? or dir = ?');
  const move = db.prepare('update recordings set record = ?, record_dir = ?, stamp = ? where recording_id = ?');
  return (recordingId: string) =>
    transaction(() => {
      const row = rows.recording(recordingId);
      if (row === undefined) throw unknownRecording(recordingId);
      const dirOf = (record: number) => `${row.base_dir ?? row.stream}/${record}`;
      let record = Math.max(row.record, Number(last.get(row.stream)?.last ?? 0)) + 1;
      while (taken.get(dirOf(record), dirOf(record)) !== undefined) record += 1;
      move.run(record, dirOf(record), nextStamp(), recordingId);
      return { record, record_dir: dirOf(record) };
    });
};

/** Prepares the uploader's side of the ledger of the spool at `root`. */
export const uploadLedger = (ledger: LedgerDatabase, rows: LedgerRows, root: string): UploadLedger => {
  const waiting = ledger.db.prepare(`select count(distinct s.seq) as segments, coalesce(sum(t.bytes), 0) as bytes
    from segments s join segment_tracks t on t.segment = s.seq where s.remote = 'none' and s.local = 'present'`);
  const oldest = ledger.db.prepare(`select start_ms from segments where remote = 'none' and local = 'present'
    order by seq limit 1`);
  return {
    ...uploadWork(ledger, rows, root),
    backlog: () => ({ ...waiting.get() }) as { segments: number; bytes: number },
    oldestWaitingMs: () => (oldest.get() as { start_ms: number } | undefined)?.start_ms ?? null,
    inOne: ledger.transaction,
    leasesInOne: ledger.unsynced,
    ...leaseKeeper(ledger),
    ...remoteWriter(ledger),
    moveRecordDir: recordMover(ledger, rows),
  };
};
