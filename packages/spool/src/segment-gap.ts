import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { encodeKey, type GapCause } from '@weir/contracts';
import { INDEXED } from './index-cursor.ts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { SegmentRecord } from './ledger-rows.ts';
import { SpoolError } from './spool-error.ts';

/**
 * Brings the gap of a segment in line with its two facts, inside the transaction that changed them: it stands exactly
 * when `local` is gone and `remote` is none or refused.
 */
export const segmentGapKeeper = ({ db, nextStamp, now }: LedgerDatabase) => {
  const segment = db.prepare('select * from segments where recording_id = ? and number = ?');
  const gap = db.prepare('select seq, withdrawn from gaps where recording_id = ? and segment = ?');
  const set = db.prepare('update gaps set withdrawn = ?, stamp = ? where seq = ?');
  const taken = db.prepare('select 1 from gaps where recording_id = ? and from_ms = ?');
  const insert = db.prepare(`insert into gaps (recording_id, from_ms, to_ms, cause, segment, noted_ms, stamp)
    values (?, ?, ?, ?, ?, ?, ?)`);
  return (recordingId: string, number: number, cause: GapCause): void => {
    const row = segment.get(recordingId, number) as SegmentRecord | undefined;
    if (row === undefined) return;
    const isLost = row.local === 'gone' && row.remote !== 'stored';
    const there = gap.get(recordingId, number);
    if (there !== undefined) {
      if ((there.withdrawn === 0) !== isLost) set.run(isLost ? 0 : 1, nextStamp(), Number(there.seq));
      return;
    }
    if (!isLost) return;
    let from = row.start_ms;
    while (taken.get(recordingId, from) !== undefined) from += 1;
    const to = Math.max(from, row.start_ms + row.duration_ms);
    insert.run(recordingId, from, to, cause, number, Math.floor(now()), nextStamp());
  };
};

/** Why a segment's files are deleted: `retention` only what is indexed, the full-disk policy anything. */
export type DeletionReason = 'retention' | 'disk_full';

/** Deletes a segment's files from the spool, its facts first. */
export type SegmentRemover = {
  /**
   * Lets go of a segment whose upload lease `holder` has; false when it is gone already. Throws SpoolError
   * `not_indexed` for retention of what is not, `conflict` without the lease.
   */
  removeSegment(recordingId: string, number: number, holder: string, reason: DeletionReason): boolean;
};

/** Prepares the deletion of segments of the spool at `root`. */
export const segmentRemover = (ledger: LedgerDatabase, root: string): SegmentRemover => {
  const { db, nextStamp, transaction, now } = ledger;
  const find = db.prepare(`select s.*, r.dir, ${INDEXED} as indexed, (select group_concat(track) from segment_tracks t
    where t.segment = s.seq) as tracks from segments s join recordings r using (recording_id)
    where s.recording_id = ? and s.number = ?`);
  const lease = db.prepare('select 1 from leases where item = ? and holder = ? and until_ms > ?');
  const letGo = db.prepare(`update segments set local = 'gone', stamp = ? where seq = ?`);
  const keepGap = segmentGapKeeper(ledger);
  const markGone = (recordingId: string, number: number, holder: string, reason: DeletionReason): string[] =>
    transaction(() => {
      const row = find.get(recordingId, number) as
        | (SegmentRecord & { dir: string; indexed: number; tracks: string })
        | undefined;
      if (row === undefined || row.local !== 'present') return [];
      const item = `segment:${recordingId}:${number}`;
      if (lease.get(item, holder, Math.floor(now())) === undefined) {
        throw new SpoolError(
          'conflict',
          `${holder} has no lease of segment ${number} of ${recordingId}: take it first`,
        );
      }
      if (reason === 'retention' && row.indexed !== 1) {
        throw new SpoolError('not_indexed', `segment ${number} of ${recordingId} is not indexed: it stays on the disk`);
      }
      letGo.run(nextStamp(), row.seq);
      keepGap(recordingId, number, row.remote === 'refused' ? 'refused' : 'evicted');
      return row.tracks
        .split(',')
        .map((track) =>
          join(root, encodeKey(row.dir, { kind: 'segment', number, track: track === 'video' ? 'video' : 'audio' })),
        );
    });
  return {
    // The row first: no row may name bytes that are not there.
    removeSegment: (recordingId, number, holder, reason) => {
      const paths = markGone(recordingId, number, holder, reason);
      for (const path of paths) rmSync(path, { force: true });
      return paths.length > 0;
    },
  };
};
