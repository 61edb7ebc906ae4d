/**
 * Which segment goes next, and that it goes wholly: by the full-disk policy (design: full disk), and by retention.
 *
 * What the index holds goes first, then what the bucket holds, then what nobody else has, each oldest first and as far
 * as is allowed. Retention takes what the index holds and nothing else. A segment is let go under its lease; a crash
 * between its row and its files leaves the lease, by which the next start finds the files.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { encodeKey, type GapCause, type TrackKind } from '@weir/contracts';
import { INDEXED } from './index-cursor.ts';
import { notLeased } from './lease-condition.ts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { LedgerRows } from './ledger-rows.ts';
import type { DeletionReason, SegmentRemover } from './segment-gap.ts';
import type { UploadLedger } from './upload-ledger.ts';

/** What may go: what the index holds; what the bucket holds; what would be lost. Each allows those before it too. */
export type EvictionScope = 'indexed' | 'stored' | 'unsent';

/** A segment that was evicted; `gap` is the cause of the gap that stands when nobody else has it, else null. */
export type Evicted = {
  recordingId: string;
  stream: string;
  recordDir: string;
  number: number;
  startMs: number;
  durationMs: number;
  bytes: number;
  gap: Extract<GapCause, 'evicted' | 'refused'> | null;
};

/** Makes room on the disk. */
export type Evictor = {
  /** Evicts the oldest segment of exactly this kind; null when there is none. */
  evictOldest(kind: EvictionScope): Evicted | null;
  /** Lets the oldest segment that the index holds go by retention, if it ended at `endedMs` or before; else null. */
  expireOldest(endedMs: number): Evicted | null;
  /** Bytes of the segments on the disk, without the open ones. */
  presentBytes(): number;
  /** Removes the files of a segment that a crash left between its row and its files. */
  finishEviction(): void;
};

/** Under which the recorder holds leases: one process of a spool has its lock. */
const HOLDER = 'recorder';
const LEASE_MS = 60_000;

type Candidate = {
  recording_id: string;
  stream: string;
  record_dir: string;
  number: number;
  start_ms: number;
  duration_ms: number;
  remote: 'none' | 'stored' | 'refused';
  bytes: number;
};

const conditions: Record<EvictionScope, string> = {
  // The first comparison says no more than INDEXED does, but from the index alone: with an index that is far behind, all
  // that is stored is looked at once a second.
  indexed: `s.remote = 'stored' and s.stored_stamp <= (select cursor from index_cursor order by told desc limit 1)
    and ${INDEXED}`,
  stored: `s.remote = 'stored'`,
  unsent: `s.remote <> 'stored'`,
};
const order: readonly EvictionScope[] = ['indexed', 'stored', 'unsent'];

/** The kinds that a scope allows, in the order in which they go. */
export const evictionOrder = (scope: EvictionScope): readonly EvictionScope[] =>
  order.slice(0, order.indexOf(scope) + 1);

const gapOf = { none: 'evicted', refused: 'refused', stored: null } as const;

const evictedOf = (row: Candidate): Evicted => ({
  recordingId: row.recording_id,
  stream: row.stream,
  recordDir: row.record_dir,
  number: row.number,
  startMs: row.start_ms,
  durationMs: row.duration_ms,
  bytes: row.bytes,
  gap: gapOf[row.remote],
});

/** Prepares the eviction of segments of the spool at `root`. */
export const evictor = (
  { db, now, transaction }: LedgerDatabase,
  rows: LedgerRows,
  root: string,
  { lease, release }: Pick<UploadLedger, 'lease' | 'release'>,
  { removeSegment }: SegmentRemover,
): Evictor => {
  const find = (scope: EvictionScope) =>
    db.prepare(`select s.recording_id, s.number, s.start_ms, s.duration_ms, s.remote, r.stream, r.record_dir,
      (select coalesce(sum(t.bytes), 0) from segment_tracks t where t.segment = s.seq) as bytes
      from segments s join recordings r using (recording_id)
      where s.local = 'present' and ${conditions[scope]} and ${notLeased(`'segment:' || s.recording_id || ':' || s.number`)}
      order by s.seq limit 1`);
  const candidates = { indexed: find('indexed'), stored: find('stored'), unsent: find('unsent') };
  const unfinished = db.prepare(`select s.seq, s.recording_id, s.number, r.dir from leases l
    join segments s on l.item = 'segment:' || s.recording_id || ':' || s.number
    join recordings r using (recording_id) where l.holder = ? and s.local = 'gone'`);
  const size = db.prepare('select present_bytes from spool_size');
  const forget = db.prepare('delete from leases where holder = ?');

  const still = (kind: EvictionScope) =>
    db.prepare(`select s.remote from segments s where s.recording_id = ? and s.number = ? and ${conditions[kind]}`);
  const checks = { indexed: still('indexed'), stored: still('stored'), unsent: still('unsent') };

  /** Takes the lease, if what the bucket has of it has not changed since it was chosen; whoever changes it has none. */
  const take = (kind: EvictionScope, item: { kind: 'segment'; recordingId: string; number: number }) => {
    const untilMs = now() + LEASE_MS;
    return transaction((): Candidate['remote'] | null => {
      if (!lease(item, HOLDER, untilMs)) return null;
      const row = checks[kind].get(item.recordingId, item.number) as Pick<Candidate, 'remote'> | undefined;
      if (row === undefined) release(item, HOLDER);
      return row?.remote ?? null;
    });
  };

  const oldest = (kind: EvictionScope) => candidates[kind].get({ now: Math.floor(now()) }) as Candidate | undefined;
  const letGo = (kind: EvictionScope, row: Candidate, reason: DeletionReason): Evicted | null => {
    const item = { kind: 'segment', recordingId: row.recording_id, number: row.number } as const;
    const remote = take(kind, item);
    if (remote === null) return null;
    const isGone = removeSegment(row.recording_id, row.number, HOLDER, reason);
    release(item, HOLDER);
    return isGone ? evictedOf({ ...row, remote }) : null;
  };

  return {
    evictOldest: (kind) => {
      const row = oldest(kind);
      return row === undefined ? null : letGo(kind, row, 'disk_full');
    },
    expireOldest: (endedMs) => {
      const row = oldest('indexed');
      if (row === undefined || row.start_ms + row.duration_ms > endedMs) return null;
      return letGo('indexed', row, 'retention');
    },
    presentBytes: () => (size.get() as { present_bytes: number }).present_bytes,
    finishEviction: () => {
      const left = unfinished.all(HOLDER) as { seq: number; recording_id: string; number: number; dir: string }[];
      for (const { seq, number, dir } of left) {
        const tracks: TrackKind[] = rows.tracksOf(seq).map(({ track }) => track);
        for (const track of tracks)
          rmSync(join(root, encodeKey(dir, { kind: 'segment', track, number })), { force: true });
      }
      forget.run(HOLDER);
    },
  };
};
