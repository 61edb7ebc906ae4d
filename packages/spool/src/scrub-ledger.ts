import { join } from 'node:path';
import { encodeKey, type LocalState, type ObjectName } from '@weir/contracts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { InitRecord, LedgerRows, RecordingRecord, SegmentRecord, TrackFile } from './ledger-rows.ts';
import type { UploadInit, UploadSegment } from './upload-work.ts';

/** How far a pass over everything stored has come: the last init file and the last segment, by their order in the ledger. */
export type ScrubPosition = { inits: number; segments: number };

/**
 * What the bucket is to have: an init file, or a segment with its files; `local` says whether the spool still has them,
 * `storedStamp` is another when it was stored anew.
 */
export type ScrubItem = (
  | Pick<UploadInit, 'kind' | 'recordingId' | 'stream' | 'recordDir' | 'period' | 'track'>
  | Pick<UploadSegment, 'kind' | 'recordingId' | 'stream' | 'recordDir' | 'number'>
) & { seq: number; storedStamp: number; local: LocalState; files: TrackFile[] };

/** What a scrub reads of the ledger. */
export type ScrubLedger = {
  /** The next stored object behind a position, init files first; null at the end. */
  nextStored(position: ScrubPosition): ScrubItem | null;
};

type Owned<T> = T & Pick<RecordingRecord, 'stream' | 'record_dir' | 'dir'>;

/** Prepares the scrub's side of the ledger of the spool at `root`. */
export const scrubLedger = ({ db }: LedgerDatabase, rows: LedgerRows, root: string): ScrubLedger => {
  const next = (table: string) =>
    db.prepare(`select t.*, r.stream, r.record_dir, r.dir from ${table} t join recordings r using (recording_id)
      where t.seq > ? and t.remote = 'stored' order by t.seq limit 1`);
  const [inits, segments] = [next('inits'), next('segments')];
  const fileOf = (row: Owned<object>, name: ObjectName) => ({
    key: encodeKey(row.record_dir, name),
    path: join(root, encodeKey(row.dir, name)),
  });
  const shared = (row: Owned<InitRecord> | Owned<SegmentRecord>) => ({
    seq: row.seq,
    recordingId: row.recording_id,
    stream: row.stream,
    recordDir: row.record_dir,
    local: row.local,
    // The schema has one on every stored row.
    storedStamp: row.stored_stamp ?? 0,
  });
  return {
    nextStored: (position) => {
      const init = inits.get(position.inits) as Owned<InitRecord> | undefined;
      if (init !== undefined) {
        const { track, period, bytes, sha256 } = init;
        const file = { track, bytes, sha256, ...fileOf(init, { kind: 'init', track, period }) };
        return { kind: 'init', ...shared(init), track, period, files: [file] };
      }
      const segment = segments.get(position.segments) as Owned<SegmentRecord> | undefined;
      if (segment === undefined) return null;
      const { number } = segment;
      const files = rows.tracksOf(segment.seq).map(({ track, bytes, sha256 }) => ({
        track,
        bytes,
        sha256,
        ...fileOf(segment, { kind: 'segment', track, number }),
      }));
      return { kind: 'segment', ...shared(segment), number, files };
    },
  };
};
