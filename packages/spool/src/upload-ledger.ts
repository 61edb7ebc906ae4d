import { join } from 'node:path';
import { encodeKey, type ObjectName } from '@weir/contracts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { InitRecord, LedgerRows, RecordingRecord, SegmentRecord, TrackFile } from './ledger-rows.ts';
import { segmentGapKeeper } from './segment-gap.ts';
import { unknownRecording } from './spool-error.ts';

/** An init file to be put; put before any segment of its period is offered. */
export type UploadInit = {
  kind: 'init';
  recordingId: string;
  stream: string;
  recordDir: string;
  period: number;
} & TrackFile;

/** A segment to be put: all its files. `live` is the newest of a recording that is going on. */
export type UploadSegment = {
  kind: 'segment';
  recordingId: string;
  stream: string;
  recordDir: string;
  number: number;
  live: boolean;
  files: TrackFile[];
};

/** A manifest or `record.json` to be put: one lease per recording, so that one PUT is in flight. */
export type DocumentItem = { kind: 'manifest' | 'document'; recordingId: string };

export type UploadItem = UploadInit | UploadSegment;
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
export type UploadLedger = {
  /**
   * What can be put now and nobody has leased: init files and the newest segment of each running recording, then the
   * backlog, oldest first. A segment is offered once all its init files are stored.
   */
  uploadWork(limit: number): UploadItem[];
  /** How many segments wait, and their bytes. */
  backlog(): { segments: number; bytes: number };
  /** Start of the oldest segment that waits, in wall milliseconds; null when none does. */
  oldestWaitingMs(): number | null;
  /**
   * Takes or renews the lease of an object; false while another holder has it, and of a segment that is gone. A lease
   * that runs for longer than any is taken for was left by a clock that has been set back, and counts for nothing.
   */
  lease(item: LeaseItem, holder: string, untilMs: number): boolean;
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

type Owned<T> = T & Pick<RecordingRecord, 'stream' | 'record_dir' | 'dir' | 'status'>;

const ownerColumns = 'r.stream, r.record_dir, r.dir, r.status';
/** Longer than any lease is taken for. */
const MAX_LEASE_MS = 600_000;
/** True of a row `l` of the leases that holds others off now. */
export const isLeaseHeld = `l.until_ms > :now and l.until_ms <= :now + ${MAX_LEASE_MS}`;
const notLeased = (item: string) => `not exists (select 1 from leases l where l.item = ${item} and ${isLeaseHeld})`;
const initsStored = `not exists (select 1 from segment_tracks t
  left join inits i on i.recording_id = s.recording_id and i.period = s.period and i.track = t.track
  where t.segment = s.seq and i.remote is not 'stored')`;

const fileOf = (root: string, row: Pick<Owned<object>, 'record_dir' | 'dir'>, name: ObjectName) => ({
  key: encodeKey(row.record_dir, name),
  path: join(root, encodeKey(row.dir, name)),
});

const workReader = ({ db, now }: LedgerDatabase, rows: LedgerRows, root: string) => {
  const inits = db.prepare(`select i.*, ${ownerColumns} from inits i join recordings r using (recording_id)
    where i.remote = 'none' and i.local = 'present' and r.status = :status
    and ${notLeased(`'init:' || i.recording_id || ':' || i.track || ':' || i.period`)} order by i.seq limit :limit`);
  const free = `s.remote = 'none' and s.local = 'present' and ${initsStored}
    and ${notLeased(`'segment:' || s.recording_id || ':' || s.number`)}`;
  const running = db.prepare(`select recording_id from recordings where status = 'recording' order by seq desc`);
  const newest = db.prepare(`select s.*, ${ownerColumns} from segments s join recordings r using (recording_id)
    where s.recording_id = :id and ${free} order by s.number desc limit 1`);
  const backlog = db.prepare(`select s.*, ${ownerColumns} from segments s join recordings r using (recording_id)
    where ${free} order by s.seq limit :limit`);
  const initItem = (row: Owned<InitRecord>): UploadInit => ({
    kind: 'init',
    recordingId: row.recording_id,
    stream: row.stream,
    recordDir: row.record_dir,
    period: row.period,
    track: row.track,
    bytes: row.bytes,
    sha256: row.sha256,
    ...fileOf(root, row, { kind: 'init', track: row.track, period: row.period }),
  });
  const segmentItem = (row: Owned<SegmentRecord>, live: boolean): UploadSegment => ({
    kind: 'segment',
    recordingId: row.recording_id,
    stream: row.stream,
    recordDir: row.record_dir,
    number: row.number,
    live,
    files: rows.tracksOf(row.seq).map(({ track, bytes, sha256 }) => ({
      track,
      bytes,
      sha256,
      ...fileOf(root, row, { kind: 'segment', track, number: row.number }),
    })),
  });
  const initsOf = (status: RecordingRecord['status'], at: number, limit: number) =>
    (inits.all({ status, now: at, limit }) as Owned<InitRecord>[]).map(initItem);
  return (limit: number): UploadItem[] => {
    const at = Math.floor(now());
    const items: UploadItem[] = initsOf('recording', at, limit);
    const taken = new Set<string>();
    for (const { recording_id: id } of running.all() as { recording_id: string }[]) {
      if (items.length >= limit) return items;
      const row = newest.get({ id, now: at }) as Owned<SegmentRecord> | undefined;
      if (row === undefined) continue;
      taken.add(`${id}:${row.number}`);
      items.push(segmentItem(row, true));
    }
    items.push(...initsOf('ended', at, Math.max(0, limit - items.length)));
    const rest = backlog.all({ now: at, limit }) as Owned<SegmentRecord>[];
    items.push(...rest.filter((r) => !taken.has(`${r.recording_id}:${r.number}`)).map((r) => segmentItem(r, false)));
    return items.slice(0, limit);
  };
};

const leaseKeeper = ({ db, now, transaction }: LedgerDatabase) => {
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
      transaction(
        () =>
          !isGone(item) &&
          take.run({ item: itemKey(item), holder, until: Math.floor(untilMs), now: Math.floor(now()) }).changes > 0,
      ),
    renewAll: (holder: string, untilMs: number): void => void renew.run(Math.floor(untilMs), holder),
    release: (item: LeaseItem, holder: string): void => void drop.run(itemKey(item), holder),
    releaseAll: (holder: string): void => void dropAll.run(holder),
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
  const isReady = db.prepare(`select 1 from segments s where ${segmentWhere} and ${initsStored}`);
  const keepGap = segmentGapKeeper(ledger);
  const touch = db.prepare('update recordings set stamp = ? where recording_id = ?');
  const keyOf = (item: RemoteItem) =>
    item.kind === 'init'
      ? { id: item.recordingId, track: item.track, period: item.period }
      : { id: item.recordingId, number: item.number };
  return {
    markInitStored: ({ recordingId: id, track, period }) =>
      transaction(() => void on.init.stored.run({ id, track, period, stamp: nextStamp() })),
    markSegmentStored: (id, number) =>
      transaction(() => {
        if (isReady.get({ id, number }) === undefined) return false;
        on.segment.stored.run({ id, number, stamp: nextStamp() });
        keepGap(id, number, 'evicted');
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
    uploadWork: workReader(ledger, rows, root),
    backlog: () => ({ ...waiting.get() }) as { segments: number; bytes: number },
    oldestWaitingMs: () => (oldest.get() as { start_ms: number } | undefined)?.start_ms ?? null,
    ...leaseKeeper(ledger),
    ...remoteWriter(ledger),
    moveRecordDir: recordMover(ledger, rows),
  };
};
