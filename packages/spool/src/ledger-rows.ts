/** The ledger's tables as SQLite returns them, and the rows of the wire made of them. */
import type {
  GapCause,
  GapRow,
  InitRow,
  LedgerRow,
  LocalState,
  RecordingRow,
  RemoteState,
  SegmentRow,
  SegmentTrack,
  TrackKind,
} from '@weir/contracts';
import type { LedgerDatabase } from './ledger-database.ts';

/** A row of `recordings`. */
export type RecordingRecord = Omit<RecordingRow, 'kind'> & {
  seq: number;
  dir: string;
  base_dir: string | null;
  cause: 'auto' | 'api' | 'rotation';
  ordered_ms: number;
  epoch: string | null;
  generation: number;
  content_version: number;
  manifest_version: number;
  document_version: number;
};

type StateColumns = {
  local: LocalState;
  remote: RemoteState;
  stored_stamp: number | null;
  refused_reason: string | null;
  stamp: number;
};

/** A row of `inits`. */
export type InitRecord = StateColumns & Omit<InitRow, 'kind' | keyof StateColumns> & { seq: number };

/** A row of `segments`. */
export type SegmentRecord = StateColumns &
  Omit<SegmentRow, 'kind' | 'tracks' | 'key_frame' | keyof StateColumns> & {
    seq: number;
    key_frame: number;
    resume: string;
  };

/** A row of `gaps`. */
export type GapRecord = Omit<GapRow, 'kind' | 'withdrawn' | 'cause'> & {
  seq: number;
  cause: GapCause;
  withdrawn: number;
};

const recordingRowOf = (row: RecordingRecord): RecordingRow => ({
  kind: 'recording',
  stamp: row.stamp,
  recording_id: row.recording_id,
  node_id: row.node_id,
  node_alias: row.node_alias,
  stream: row.stream,
  record: row.record,
  record_dir: row.record_dir,
  status: row.status,
  start_ms: row.start_ms,
  end_ms: row.end_ms,
  end_cause: row.end_cause,
});

const initRowOf = ({ seq: _, ...row }: InitRecord): InitRow => ({ kind: 'init', ...row });

// Column by column: a day's recording has tens of thousands, and to spread them costs more than to read them.
const segmentRowOf = (row: SegmentRecord, tracks: SegmentTrack[]): SegmentRow => ({
  kind: 'segment',
  stamp: row.stamp,
  recording_id: row.recording_id,
  number: row.number,
  period: row.period,
  start_ms: row.start_ms,
  duration_ms: row.duration_ms,
  key_frame: row.key_frame === 1,
  tracks,
  local: row.local,
  remote: row.remote,
  stored_stamp: row.stored_stamp,
  refused_reason: row.refused_reason,
});

const trackOf = (row: SegmentTrack): SegmentTrack => ({
  track: row.track,
  base_time: row.base_time,
  duration: row.duration,
  timescale: row.timescale,
  samples: row.samples,
  bytes: row.bytes,
  sha256: row.sha256,
});

const gapRowOf = ({ seq: _, withdrawn, ...row }: GapRecord): GapRow => ({
  kind: 'gap',
  ...row,
  withdrawn: withdrawn === 1,
});

const joinTracks = (rows: (SegmentRecord & SegmentTrack)[]): SegmentRow[] => {
  const segments: SegmentRow[] = [];
  for (const row of rows) {
    const last = segments.at(-1);
    if (last?.number === row.number) last.tracks.push(trackOf(row));
    else segments.push(segmentRowOf(row, [trackOf(row)]));
  }
  return segments;
};

/** Reads rows of the wire: by stamp over all kinds, and by recording. */
export type LedgerRows = {
  /** Rows with a stamp above `stamp`, in stamp order, at most `limit`. */
  rowsAfter(stamp: number, limit: number): LedgerRow[];
  recording(recordingId: string): RecordingRecord | undefined;
  inits(recordingId: string): InitRow[];
  segments(recordingId: string): SegmentRow[];
  gaps(recordingId: string): GapRow[];
  tracksOf(segmentSeq: number): SegmentTrack[];
};

/** Prepares the reading of rows. */
export const ledgerRows = ({ db, snapshot }: Pick<LedgerDatabase, 'db' | 'snapshot'>): LedgerRows => {
  const after = (table: string) =>
    db.prepare(`select * from ${table} where stamp > ? order by stamp limit ?`) as { all(...v: number[]): unknown };
  const [recordings, inits, segments, gaps] = ['recordings', 'inits', 'segments', 'gaps'].map(after);
  const of = (table: string, order: string) =>
    db.prepare(`select * from ${table} where recording_id = ? order by ${order}`);
  const recording = of('recordings', 'seq');
  const initsOf = of('inits', 'period, track desc');
  const segmentsOf = db.prepare(`select s.*, t.track, t.base_time, t.duration, t.timescale, t.samples, t.bytes, t.sha256
    from segments s join segment_tracks t on t.segment = s.seq where s.recording_id = ? order by s.number, t.track desc`);
  const gapsOf = of('gaps', 'from_ms');
  // 'video' before 'audio'
  const tracks = db.prepare(`select track, base_time, duration, timescale, samples, bytes, sha256
    from segment_tracks where segment = ? order by track desc`);
  const tracksOf = (seq: number) => (tracks.all(seq) as SegmentTrack[]).map(trackOf);
  const segmentRow = (row: SegmentRecord) => segmentRowOf(row, tracksOf(row.seq));
  const all = <R>(statement: { all(...v: number[]): unknown } | undefined, ...values: number[]) =>
    (statement?.all(...values) ?? []) as R[];
  return {
    // Of one moment: a row committed between two of these reads would be below the last stamp and never travel.
    rowsAfter: (stamp, limit) =>
      snapshot(() =>
        [
          ...all<RecordingRecord>(recordings, stamp, limit).map(recordingRowOf),
          ...all<InitRecord>(inits, stamp, limit).map(initRowOf),
          ...all<SegmentRecord>(segments, stamp, limit).map(segmentRow),
          ...all<GapRecord>(gaps, stamp, limit).map(gapRowOf),
        ]
          .sort((a, b) => a.stamp - b.stamp)
          .slice(0, limit),
      ),
    recording: (id) => recording.get(id) as RecordingRecord | undefined,
    inits: (id) => (initsOf.all(id) as InitRecord[]).map(initRowOf),
    segments: (id) => joinTracks(segmentsOf.all(id) as (SegmentRecord & SegmentTrack)[]),
    gaps: (id) => (gapsOf.all(id) as GapRecord[]).map(gapRowOf),
    tracksOf,
  };
};

/** The object of a recording that work and leases speak of. */
export type TrackFile = { track: TrackKind; key: string; path: string; bytes: number; sha256: string };
