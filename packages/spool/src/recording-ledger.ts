import { join } from 'node:path';
import type {
  GapCause,
  InitRow,
  RecordingRow,
  RecordingStarted,
  RecordingSummary,
  RecordOrder,
  SegmentTrack,
} from '@weir/contracts';
import type { ResumePoint } from '@weir/media';
import type { LedgerDatabase } from './ledger-database.ts';
import type { LedgerRows, RecordingRecord } from './ledger-rows.ts';
import { listOpenSegmentFiles, type OpenSegmentFile } from './recording-directory.ts';
import type { RecordingStart } from './recording-start.ts';
import { recordingTurns } from './recording-turns.ts';
import { SpoolError, unknownRecording } from './spool-error.ts';

/** An init file that is written and synced. */
export type NewInit = Omit<
  InitRow,
  'kind' | 'stamp' | 'recording_id' | 'local' | 'remote' | 'stored_stamp' | 'refused_reason'
>;

/** A segment whose files are final and synced; `resume` is where the recording goes on after it. */
export type ClosedSegment = {
  number: number;
  period: number;
  start_ms: number;
  duration_ms: number;
  key_frame: boolean;
  tracks: readonly SegmentTrack[];
  resume: readonly ResumePoint[];
};

/** A stretch without media. */
export type NewGap = { from_ms: number; to_ms: number; cause: GapCause };

/** A recording that is not ended, as a recorder finds it after a restart. */
export type OpenRecording = {
  recording: RecordingRecord;
  /** Absolute path of its directory. */
  path: string;
  inits: InitRow[];
  /** Highest number with a row; 0 when none has. */
  lastNumber: number;
  /** Where the last segment with a row left each track. */
  resume: ResumePoint[];
  /** Of the recording that a rotation gave a stream: where the one before it left each track; else empty. */
  handedOver: ResumePoint[];
  /** End of the last segment with a row, in wall milliseconds; the start when there is none. */
  lastEndMs: number;
  /** Files that have no row yet, ascending; the highest of each track is the one to reopen. */
  files: OpenSegmentFile[];
};

/** The recorder's side of the ledger; a recorder alone writes here. */
export type RecordingLedger = {
  /** Gives a stream a recording, makes its directory. Throws SpoolError `base_dir_taken`, `invalid_path`, `already_recording`. */
  startRecording(start: RecordingStart): RecordingStarted;
  /** Names the claim under which a recording is written. */
  noteClaim(recordingId: string, epoch: string, generation: number): void;
  /** Adds an init file that is synced; the same again changes nothing. */
  addInit(recordingId: string, init: NewInit): void;
  /** Adds a segment whose files are synced, its row and the recording's start in one transaction; the same again changes nothing. */
  closeSegment(recordingId: string, segment: ClosedSegment): void;
  /** Adds a gap, or prolongs the one of the same cause that begins there; returns its `from_ms`, which is its key. */
  noteGap(recordingId: string, gap: NewGap): number;
  /** Withdraws a gap: its media turned up after all. */
  withdrawGap(recordingId: string, fromMs: number): void;
  /** Ends a recording and gives its stream the next one, in one transaction: at no instant is it without an order. */
  rotateRecording(recordingId: string, endMs: number): RecordingStarted;
  /** Ends a recording; ending it again changes nothing. */
  endRecording(recordingId: string, cause: NonNullable<RecordingRow['end_cause']>, endMs: number): void;
  /** What is ordered and not ended, for the hello to the tap. */
  orders(): RecordOrder[];
  /** The recording that a stream has ordered. */
  recordingOf(stream: string): RecordingRecord | undefined;
  summaryOf(recordingId: string): RecordingSummary;
  /** What a recorder has to go on with after a restart. */
  openRecordings(): OpenRecording[];
  /** One of them. */
  openRecording(recordingId: string): OpenRecording;
};

const sameTracks = (a: readonly SegmentTrack[], b: readonly SegmentTrack[]): boolean =>
  a.length === b.length && a.every((track) => b.some((other) => other.sha256 === track.sha256));

const segmentWriter = (ledger: LedgerDatabase, rows: LedgerRows) => {
  const { db, nextStamp, transaction } = ledger;
  const find = db.prepare('select seq from segments where recording_id = ? and number = ?');
  const isFirst = db.prepare(`select 1 from recordings r where recording_id = ? and start_ms <> ?
    and not exists (select 1 from segments s where s.recording_id = r.recording_id)`);
  const begin = db.prepare('update recordings set start_ms = ?, stamp = ? where recording_id = ?');
  const insert = db.prepare(`insert into segments (recording_id, number, period, start_ms, duration_ms, key_frame,
    resume, local, stamp) values (?, ?, ?, ?, ?, ?, ?, 'present', ?) returning seq`);
  const insertTrack = db.prepare(`insert into segment_tracks
    (segment, track, base_time, duration, timescale, samples, bytes, sha256) values (?, ?, ?, ?, ?, ?, ?, ?)`);
  return (recordingId: string, s: ClosedSegment): void =>
    transaction(() => {
      const there = find.get(recordingId, s.number);
      if (there !== undefined) {
        if (sameTracks(rows.tracksOf(Number(there.seq)), s.tracks)) return;
        throw new SpoolError('conflict', `segment ${s.number} of ${recordingId} has a row with other files`);
      }
      if (isFirst.get(recordingId, s.start_ms) !== undefined) begin.run(s.start_ms, nextStamp(), recordingId);
      const values = [recordingId, s.number, s.period, s.start_ms, s.duration_ms, s.key_frame ? 1 : 0] as const;
      const row = insert.get(...values, JSON.stringify(s.resume), nextStamp());
      for (const t of s.tracks) {
        const seq = Number(row?.seq);
        insertTrack.run(seq, t.track, t.base_time, t.duration, t.timescale, t.samples, t.bytes, t.sha256);
      }
    });
};

const gapWriter = (ledger: LedgerDatabase) => {
  const { db, nextStamp, transaction, now } = ledger;
  const at = db.prepare(
    'select seq, to_ms, cause, segment, withdrawn from gaps where recording_id = ? and from_ms = ?',
  );
  const prolong = db.prepare('update gaps set to_ms = ?, withdrawn = 0, stamp = ? where seq = ?');
  const insert = db.prepare(`insert into gaps (recording_id, from_ms, to_ms, cause, noted_ms, stamp)
    values (?, ?, ?, ?, ?, ?)`);
  const withdraw = db.prepare('update gaps set withdrawn = 1, stamp = ? where seq = ? and withdrawn = 0');
  return {
    noteGap: (recordingId: string, gap: NewGap): number =>
      transaction(() => {
        // Where a gap begins is its key in the index, so two causes at one millisecond are set one apart.
        for (let from = Math.floor(gap.from_ms); ; from += 1) {
          const to = Math.max(from, Math.floor(gap.to_ms));
          const row = at.get(recordingId, from);
          if (row === undefined) {
            insert.run(recordingId, from, to, gap.cause, Math.floor(now()), nextStamp());
            return from;
          }
          if (row.cause === gap.cause && row.segment === null) {
            const end = Math.max(to, Number(row.to_ms));
            if (end > Number(row.to_ms) || row.withdrawn === 1) prolong.run(end, nextStamp(), Number(row.seq));
            return from;
          }
        }
      }),
    withdrawGap: (recordingId: string, fromMs: number): void =>
      transaction(() => {
        const row = at.get(recordingId, fromMs);
        if (row !== undefined) withdraw.run(nextStamp(), Number(row.seq));
      }),
  };
};

const initWriter = ({ db, nextStamp, transaction }: LedgerDatabase) => {
  const find = db.prepare('select sha256 from inits where recording_id = ? and track = ? and period = ?');
  const insert = db.prepare(`insert into inits (recording_id, track, period, codec, timescale, width, height,
    sample_rate, channels, bytes, sha256, local, stamp) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'present', ?)`);
  return (recordingId: string, i: NewInit): void =>
    transaction(() => {
      const there = find.get(recordingId, i.track, i.period);
      if (there?.sha256 === i.sha256) return;
      if (there !== undefined) {
        throw new SpoolError('conflict', `${i.track} init ${i.period} of ${recordingId} has a row with another file`);
      }
      const numbers = [i.timescale, i.width, i.height, i.sample_rate, i.channels, i.bytes];
      insert.run(recordingId, i.track, i.period, i.codec, ...numbers, i.sha256, nextStamp());
    });
};

const summaryReader = ({ db }: LedgerDatabase, rows: LedgerRows) => {
  const totals = db.prepare(`select count(distinct s.seq) as segments, coalesce(sum(t.bytes), 0) as bytes,
    coalesce(max(s.start_ms + s.duration_ms), 0) as end_ms
    from segments s join segment_tracks t on t.segment = s.seq where s.recording_id = ?`);
  const media = db.prepare('select coalesce(sum(duration_ms), 0) as ms from segments where recording_id = ?');
  return (recordingId: string): RecordingSummary => {
    const row = rows.recording(recordingId);
    if (row === undefined) throw unknownRecording(recordingId);
    const total = totals.get(recordingId) as { segments: number; bytes: number; end_ms: number };
    const { recording_id, record, record_dir, start_ms } = row;
    const end_ms = row.end_ms ?? Math.max(start_ms, total.end_ms);
    const { ms: duration_ms } = media.get(recordingId) as { ms: number };
    return {
      recording_id,
      record,
      record_dir,
      start_ms,
      end_ms,
      segments: total.segments,
      bytes: total.bytes,
      duration_ms,
    };
  };
};

const openReader = ({ db }: LedgerDatabase, rows: LedgerRows, root: string) => {
  const last = db.prepare(`select number, resume, start_ms + duration_ms as end_ms from segments
    where recording_id = ? order by number desc limit 1`);
  const before = db.prepare(`select recording_id from recordings
    where stream = ? and record < ? and end_cause = 'rotated' order by record desc limit 1`);
  const handedOver = ({ cause, stream, record }: RecordingRecord): ResumePoint[] => {
    const rotated = cause === 'rotation' ? before.get(stream, record) : undefined;
    const segment = rotated === undefined ? undefined : last.get(rotated.recording_id as string);
    return segment === undefined ? [] : (JSON.parse(segment.resume as string) as ResumePoint[]);
  };
  return (recordingId: string): OpenRecording => {
    const recording = rows.recording(recordingId);
    if (recording === undefined) throw unknownRecording(recordingId);
    const path = join(root, recording.dir);
    const segment = last.get(recordingId) as { number: number; resume: string; end_ms: number } | undefined;
    const lastNumber = segment?.number ?? 0;
    return {
      recording,
      path,
      inits: rows.inits(recordingId),
      lastNumber,
      resume: segment === undefined ? [] : (JSON.parse(segment.resume) as ResumePoint[]),
      handedOver: handedOver(recording),
      lastEndMs: segment?.end_ms ?? recording.start_ms,
      files: listOpenSegmentFiles(path, lastNumber),
    };
  };
};

/** Prepares the recorder's side of the ledger of the spool at `root`. */
export const recordingLedger = (ledger: LedgerDatabase, rows: LedgerRows, root: string): RecordingLedger => {
  const { db } = ledger;
  const open = db.prepare(`select * from recordings where status = 'recording' order by seq`);
  const ofStream = db.prepare(`select * from recordings where stream = ? and status = 'recording'`);
  const claim = db.prepare('update recordings set epoch = ?, generation = ? where recording_id = ?');
  const openRecording = openReader(ledger, rows, root);
  const openRows = () => open.all() as RecordingRecord[];
  return {
    noteClaim: (recordingId, epoch, generation) => void claim.run(epoch, generation, recordingId),
    addInit: initWriter(ledger),
    closeSegment: segmentWriter(ledger, rows),
    ...gapWriter(ledger),
    ...recordingTurns(ledger, rows, root),
    orders: () =>
      openRows().map(({ stream, recording_id, record, record_dir, ordered_ms }) => ({
        stream,
        recording_id,
        record,
        record_dir,
        ordered_ms,
      })),
    recordingOf: (stream) => ofStream.get(stream) as RecordingRecord | undefined,
    summaryOf: summaryReader(ledger, rows),
    openRecordings: () => openRows().map(({ recording_id }) => openRecording(recording_id)),
    openRecording,
  };
};
