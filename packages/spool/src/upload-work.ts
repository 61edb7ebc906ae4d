/**
 * What waits to be put, read so that a look costs the same however much waits: names by their place in the ledger, a
 * page at a time, and one object when its turn has come. In which order is the uploader's policy.
 */
import { join } from 'node:path';
import { encodeKey, type ObjectName } from '@weir/contracts';
import { notLeased } from './lease-condition.ts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { InitRecord, LedgerRows, RecordingRecord, SegmentRecord, TrackFile } from './ledger-rows.ts';

/** An init file to be put; put before any segment of its period. */
export type UploadInit = {
  kind: 'init';
  recordingId: string;
  stream: string;
  recordDir: string;
  period: number;
} & TrackFile;

/** A segment to be put: all its files. */
export type UploadSegment = {
  kind: 'segment';
  recordingId: string;
  stream: string;
  recordDir: string;
  number: number;
  files: TrackFile[];
};

export type UploadItem = UploadInit | UploadSegment;

/** A segment that waits; `seq` is its place in the ledger, which only grows. */
export type WaitingSegment = { seq: number } & Pick<UploadSegment, 'recordingId' | 'number'>;
/** An init file that waits. */
export type WaitingInit = { seq: number } & Pick<UploadInit, 'recordingId' | 'track' | 'period'>;

/**
 * What a segment's turn comes to. `held`: somebody has the lease of it or of what it needs. `refused`: an init file of
 * it never will be stored, so it will not either. `gone`: it waits no more.
 */
export type SegmentTurn =
  | { kind: 'put'; items: UploadItem[] }
  | { kind: 'held' | 'gone' }
  | { kind: 'refused'; item: UploadSegment; reason: string };

/** What can be put. */
export type UploadWork = {
  /** Init files that wait behind a place in the ledger, oldest first. */
  initsAfter(seq: number, limit: number): WaitingInit[];
  /** Segments that wait behind a place in the ledger, oldest first. */
  segmentsAfter(seq: number, limit: number): WaitingSegment[];
  /** The place of the newest segment, waiting or not; 0 while there is none. */
  lastSegment(): number;
  /** The last segment of each running recording, oldest first, where that waits; of the latest `limit` recordings. */
  liveSegments(limit: number): WaitingSegment[];
  /** An init file that waits and that nobody has leased, else null. */
  initToPut(init: Pick<UploadInit, 'recordingId' | 'track' | 'period'>): UploadInit | null;
  /** What is to be put next of a segment: its init files that are not stored, else itself. */
  segmentToPut(segment: Pick<UploadSegment, 'recordingId' | 'number'>): SegmentTurn;
};

/** True of a segment `s` when all its init files are stored. */
export const initsStored = `not exists (select 1 from segment_tracks t
  left join inits i on i.recording_id = s.recording_id and i.period = s.period and i.track = t.track
  where t.segment = s.seq and i.remote is not 'stored')`;

type Owned<T> = T & Pick<RecordingRecord, 'stream' | 'record_dir' | 'dir'>;
type NeededInit = Owned<InitRecord> & { is_free: number };
type SegmentCandidate = Owned<SegmentRecord> & { is_free: number; is_ready: number };

const ownerColumns = 'r.stream, r.record_dir, r.dir';
const isFreeInit = notLeased(`'init:' || i.recording_id || ':' || i.track || ':' || i.period`);
const isFreeSegment = notLeased(`'segment:' || s.recording_id || ':' || s.number`);

const fileOf = (root: string, row: Pick<Owned<object>, 'record_dir' | 'dir'>, name: ObjectName) => ({
  key: encodeKey(row.record_dir, name),
  path: join(root, encodeKey(row.dir, name)),
});

const initItem = (root: string, row: Owned<InitRecord>): UploadInit => ({
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

const segmentItem = (root: string, rows: LedgerRows, row: Owned<SegmentRecord>): UploadSegment => ({
  kind: 'segment',
  recordingId: row.recording_id,
  stream: row.stream,
  recordDir: row.record_dir,
  number: row.number,
  files: rows.tracksOf(row.seq).map(({ track, bytes, sha256 }) => ({
    track,
    bytes,
    sha256,
    ...fileOf(root, row, { kind: 'segment', track, number: row.number }),
  })),
});

const segmentName = (row: Pick<SegmentRecord, 'seq' | 'recording_id' | 'number'>): WaitingSegment => ({
  seq: row.seq,
  recordingId: row.recording_id,
  number: row.number,
});

const initName = ({ seq, recording_id, track, period }: InitRecord): WaitingInit => ({
  seq,
  recordingId: recording_id,
  track,
  period,
});

/** Prepares the reading of what waits in the spool at `root`. */
export const uploadWork = ({ db, now }: LedgerDatabase, rows: LedgerRows, root: string): UploadWork => {
  const waits = `remote = 'none' and local = 'present'`;
  const inits = db.prepare(`select seq, recording_id, track, period from inits
    where ${waits} and seq > ? order by seq limit ?`);
  const segments = db.prepare(`select seq, recording_id, number from segments
    where ${waits} and seq > ? order by seq limit ?`);
  const last = db.prepare('select coalesce(max(seq), 0) as seq from segments');
  const live = db.prepare(`select s.seq, s.recording_id, s.number from recordings r
    join segments s on s.recording_id = r.recording_id
      and s.number = (select max(number) from segments l where l.recording_id = r.recording_id)
    where r.status = 'recording' and s.remote = 'none' and s.local = 'present' order by s.seq desc limit ?`);
  const init = db.prepare(`select i.*, ${ownerColumns} from inits i join recordings r using (recording_id)
    where i.recording_id = :id and i.track = :track and i.period = :period
    and i.remote = 'none' and i.local = 'present' and ${isFreeInit}`);
  const segment = db.prepare(`select s.*, ${ownerColumns}, ${isFreeSegment} as is_free, ${initsStored} as is_ready
    from segments s join recordings r using (recording_id)
    where s.recording_id = :id and s.number = :number and s.remote = 'none' and s.local = 'present'`);
  const initsOf = db.prepare(`select i.*, ${ownerColumns}, ${isFreeInit} as is_free from segment_tracks t
    join inits i on i.recording_id = :id and i.track = t.track and i.period = :period
    join recordings r on r.recording_id = i.recording_id
    where t.segment = :seq and i.remote <> 'stored' and i.local = 'present' order by i.seq`);
  const at = () => Math.floor(now());
  return {
    initsAfter: (seq, limit) => (inits.all(seq, limit) as InitRecord[]).map(initName),
    segmentsAfter: (seq, limit) => (segments.all(seq, limit) as SegmentRecord[]).map(segmentName),
    lastSegment: () => (last.get() as { seq: number }).seq,
    liveSegments: (limit) => (live.all(limit) as SegmentRecord[]).map(segmentName).reverse(),
    initToPut: ({ recordingId: id, track, period }) => {
      const row = init.get({ id, track, period, now: at() }) as Owned<InitRecord> | undefined;
      return row === undefined ? null : initItem(root, row);
    },
    segmentToPut: ({ recordingId: id, number }) => {
      const row = segment.get({ id, number, now: at() }) as SegmentCandidate | undefined;
      if (row === undefined) return { kind: 'gone' };
      if (row.is_free === 0) return { kind: 'held' };
      if (row.is_ready === 1) return { kind: 'put', items: [segmentItem(root, rows, row)] };
      const needed = initsOf.all({ id, period: row.period, seq: row.seq, now: at() }) as NeededInit[];
      const refused = needed.find(({ remote }) => remote === 'refused');
      if (refused !== undefined) {
        const reason = `its ${refused.track} init file of period ${refused.period} is refused: ${refused.refused_reason}`;
        return { kind: 'refused', item: segmentItem(root, rows, row), reason };
      }
      const items = needed.filter((init) => init.is_free === 1).map((init) => initItem(root, init));
      return items.length === 0 ? { kind: 'held' } : { kind: 'put', items };
    },
  };
};
