/**
 * What a recording left on the disk, made sound again (design: after a crash).
 *
 * Per track only the highest-numbered file is reopened, cut behind its last whole part; lower ones are final and are
 * hashed as they are: each was synced before the next one's name was made, the names are synced here. A segment all of whose files are final gets its row. A file without a whole part is removed, and
 * so is an init file without a row: nothing counts that names it. Nothing here asks the clock.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { encodeObjectName, type TrackKind } from '@weir/contracts';
import {
  decodeInitSegment,
  isLater,
  type PartSummary,
  type RecordingResume,
  type ResumedTrack,
  type ResumePoint,
  resumedEndMs,
  scanSegment,
} from '@weir/media';
import {
  type ClosedSegment,
  listRecordingFiles,
  type OpenRecording,
  type OpenSegmentFile,
  type Spool,
} from '@weir/spool';
import type { SegmentFacts, WriterStart } from './media-writer.ts';
import { type Disk, reopenSegmentFile } from './segment-file.ts';
import type { RecoveryReader } from './unreadable-file.ts';

/** A segment file as it was found: its whole parts, and the bytes they are in. */
type FoundFile = OpenSegmentFile & { parts: PartSummary[]; content: Uint8Array; whole: Uint8Array };

/** A recording ready to go on. */
export type Recovered = {
  recording: OpenRecording;
  /** For the core; null when nothing was written yet. */
  resume: RecordingResume | null;
  /** For the writer. */
  start: WriterStart;
  /** Wall time at the end of what is durable, in ms; null when nothing is. */
  lastMediaMs: number | null;
  /** What was cut off or removed, in bytes. */
  tornBytes: number;
};

/**
 * Where each track goes on. `own` are the points at the end of its files, in order; `told` those of it that other
 * tracks' parts tell: with nothing in hand a track may be further on than its own file, but one that claims parts
 * which are not there is not believed.
 */
const furthestPoints = (own: readonly ResumePoint[], told: readonly ResumePoint[]): Map<TrackKind, ResumePoint> => {
  const furthest = new Map<TrackKind, ResumePoint>();
  for (const point of own) furthest.set(point.track, point);
  for (const point of told) {
    const known = furthest.get(point.track);
    if (known === undefined || (point.part === known.part && isLater(point, known))) furthest.set(point.track, point);
  }
  return furthest;
};

/** The point of its own track at the end of a file. */
const ownPoint = ({ parts, track }: FoundFile): ResumePoint[] =>
  parts.at(-1)?.resume.filter((point) => point.track === track) ?? [];

const wallMsAt = (point: ResumePoint, ticks: number, timescale: number): number =>
  point.clock === null ? 0 : point.clock.wallMs - ((point.decodeTime - ticks) * 1000) / timescale;

const readFound = async (reader: RecoveryReader, file: OpenSegmentFile): Promise<FoundFile> => {
  const content = await reader.segment(file.path);
  const { parts, validLength } = scanSegment(content);
  return { ...file, parts, content, whole: content.subarray(0, validLength) };
};

const factsOf = ({ parts, track }: FoundFile, timescale: number) => {
  const [first] = parts;
  const last = parts.at(-1);
  const base = first?.baseDecodeTime ?? 0;
  return {
    track,
    timescale,
    base_time: base,
    duration: (last?.baseDecodeTime ?? 0) + (last?.duration ?? 0) - base,
    samples: parts.reduce((sum, { sampleCount }) => sum + sampleCount, 0),
  };
};

const timescaleOf = ({ inits }: OpenRecording, track: TrackKind): number =>
  inits.findLast((init) => init.track === track)?.timescale ?? (track === 'video' ? 90_000 : 48_000);

/** What the row of a segment says, as far as these files of it tell. */
const segmentFacts = (recording: OpenRecording, number: number, files: readonly FoundFile[]): SegmentFacts => {
  const tracks = files.map((file) => factsOf(file, timescaleOf(recording, file.track)));
  const lead = files[0];
  const facts = tracks[0];
  const own = lead?.parts[0]?.resume.find(({ track }) => track === lead.track);
  const isTimed = own !== undefined && facts !== undefined;
  return {
    number,
    period: own?.period ?? 1,
    start_ms: Math.round(isTimed ? wallMsAt(own, facts.base_time, facts.timescale) : recording.lastEndMs),
    duration_ms: Math.round(((facts?.duration ?? 0) * 1000) / (facts?.timescale ?? 1)),
    key_frame: lead?.parts[0]?.keyFrame ?? false,
    tracks,
    resume: files.flatMap(ownPoint),
  };
};

/** The row of a segment whose files are final, whatever became of their bytes. */
const closedSegment = (recording: OpenRecording, number: number, files: readonly FoundFile[]): ClosedSegment => {
  const { tracks, ...facts } = segmentFacts(recording, number, files);
  return {
    ...facts,
    tracks: tracks.map((track, index) => {
      const content = files[index]?.content ?? new Uint8Array(0);
      return { ...track, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
    }),
  };
};

/** Removes files that nothing counts on: without a whole part, or init files without a row. */
const removeStrays = async (disk: Disk, recording: OpenRecording, found: readonly FoundFile[]): Promise<void> => {
  const empty = found.filter(({ parts }) => parts.length === 0);
  const hasRow = (track: TrackKind, period: number) =>
    recording.inits.some((init) => init.track === track && init.period === period);
  const inits = listRecordingFiles(recording.path).filter(
    ({ name }) => name.kind === 'init' && !hasRow(name.track, name.period),
  );
  for (const { path } of [...empty, ...inits]) await disk.remove(path);
};

const configurationOf = async (
  reader: RecoveryReader,
  { path }: OpenRecording,
  track: TrackKind,
  period: number,
): Promise<Uint8Array | null> => {
  const bytes = await reader.init(join(path, encodeObjectName({ kind: 'init', track, period })));
  return decodeInitSegment(bytes)?.configuration ?? null;
};

const resumedTrack = async (
  reader: RecoveryReader,
  recording: OpenRecording,
  point: ResumePoint,
  file: FoundFile | undefined,
): Promise<ResumedTrack> => {
  // Of a track that has no file yet, what others tell of it is the place of its first packet.
  const configuration = point.period === 0 ? null : await configurationOf(reader, recording, point.track, point.period);
  if (file === undefined) return { point, configuration, open: null };
  const { base_time: baseDecodeTime, duration, samples } = factsOf(file, timescaleOf(recording, point.track));
  const bytes = file.parts.reduce((sum, { length }) => sum + length, 0);
  const startsWithKeyFrame = file.parts[0]?.keyFrame ?? false;
  const open = { segment: file.number, baseDecodeTime, duration, samples, bytes, startsWithKeyFrame };
  return { point, configuration, open };
};

const chainOf = (spool: Spool, recordingId: string): WriterStart['chain'] => {
  const chain: WriterStart['chain'] = new Map();
  for (const { number, tracks } of spool.segments(recordingId)) {
    for (const { track, sha256 } of tracks) chain.set(track, { number, sha256 });
  }
  return chain;
};

/** Gives every segment that is final its row; returns the files of those that are not. */
const closeFinal = (spool: Spool, recording: OpenRecording, found: readonly FoundFile[]): FoundFile[] => {
  const highest = new Map<TrackKind, number>();
  for (const { track, number } of found) highest.set(track, Math.max(number, highest.get(track) ?? 0));
  const isReopened = ({ track, number }: FoundFile) => highest.get(track) === number;
  const numbers = [...new Set(found.map(({ number }) => number))].sort((a, b) => a - b);
  for (const number of numbers) {
    const files = found.filter((file) => file.number === number);
    // A track that left this segment for the next one leaves the other track's file as the only one that may grow.
    if (files.some(isReopened)) break;
    spool.closeSegment(recording.recording.recording_id, closedSegment(recording, number, files));
  }
  const { lastNumber } = spool.openRecording(recording.recording.recording_id);
  return found.filter(({ number }) => number > lastNumber);
};

/** Opens what goes on, all of it or nothing; cut is only a track's highest file. */
const reopen = async (
  disk: Disk,
  recording: OpenRecording,
  files: readonly FoundFile[],
): Promise<WriterStart['open']> => {
  const opened: WriterStart['open'] = [];
  try {
    for (const each of files) {
      const { track, number, path } = each;
      const isHighest = files.findLast((other) => other.track === track) === each;
      const found = segmentFacts(recording, number, [each]);
      const file = await reopenSegmentFile(disk, path, isHighest ? each.whole : each.content);
      opened.push({ track, number, found, file });
    }
    return opened;
  } catch (error) {
    await Promise.all(opened.map(({ file }) => file.close().catch(() => undefined)));
    throw error;
  }
};

/** Makes the files of an open recording sound and tells where it goes on. */
export const recoverRecording = async (
  spool: Spool,
  disk: Disk,
  recordingId: string,
  reader: RecoveryReader,
): Promise<Recovered> => {
  const recording = spool.openRecording(recordingId);
  const read = await Promise.all(recording.files.map((file) => readFound(reader, file)));
  const tornBytes = read.reduce((sum, { content, whole }) => sum + content.length - whole.length, 0);
  await removeStrays(disk, recording, read);
  const found = read.filter(({ parts }) => parts.length > 0);
  // Whoever died may have died before; a row must not outlive the name of its file.
  if (found.length > 0) await disk.syncDirectory(recording.path);
  const open = closeFinal(spool, recording, found);
  const points = furthestPoints(
    [...recording.resume, ...found.flatMap(ownPoint)],
    found.flatMap(({ parts }) => parts.flatMap(({ resume }) => resume)),
  );
  const chain = chainOf(spool, recordingId);
  const tracks = await Promise.all(
    [...points.values()].map((point) =>
      resumedTrack(
        reader,
        recording,
        point,
        open.findLast(({ track }) => track === point.track),
      ),
    ),
  );
  const lastSegment = Math.max(recording.lastNumber, 0, ...found.map(({ number }) => number));
  const period = Math.max(0, ...recording.inits.map((init) => init.period));
  // An init file that has its row keeps its name: with nothing behind it, what comes begins the next period.
  const resume = period === 0 && tracks.length === 0 ? null : { tracks, lastSegment, period };
  const start: WriterStart = { chain, open: await reopen(disk, recording, open) };
  return {
    recording: spool.openRecording(recordingId),
    resume,
    start,
    lastMediaMs: resumedEndMs(resume),
    tornBytes,
  };
};
