import type { TrackKind } from './codecs.ts';
import { encodeInitSegment } from './init-segment.ts';
import { type Lane, livePoint, noteUndurable, pointBefore, writtenPoint } from './lane.ts';
import type { OpenSegment, OpenSegments } from './open-segments.ts';
import { type Checksum, encodePart, type Memory } from './part.ts';
import type { InitOutput, RecordingOutput } from './recording-messages.ts';
import type { ResumePoint } from './resume-point.ts';
import type { RawPart } from './sample-writer.ts';

/** The state that the file side of a recording shares with its decisions. */
export type FilesNeeds = {
  ids: { recordingId: string; spoolId: string };
  lanes: Partial<Record<TrackKind, Lane>>;
  segments: OpenSegments;
  newestOrdinal: () => number;
  checksum: Checksum;
  memory: Memory | undefined;
  say: (output: RecordingOutput) => void;
};

/** The file side of a recording: parts, init segments, and the closing of segments. */
export type RecordingFiles = {
  part: (lane: Lane, part: RawPart) => void;
  close: (segment: OpenSegment, opensAnew: boolean) => void;
  parts: () => number;
};

/** Makes the file side. */
export const recordingFiles = (needs: FilesNeeds): RecordingFiles => {
  let parts = 0;

  const pointsOfOthers = (track: TrackKind | null): ResumePoint[] =>
    Object.values(needs.lanes)
      .filter((lane) => lane.kind !== track)
      .map((lane) => writtenPoint(lane, needs.newestOrdinal()))
      .filter((point) => point !== null);

  const part = (lane: Lane, raw: RawPart): void => {
    const { files, kind } = lane;
    const { segment, period, configuration } = raw.place;
    if (files.initPeriod !== period) {
      files.initPeriod = period;
      const init = initOutput(lane, period, configuration, needs.ids);
      if (init !== null) needs.say(init);
    }
    const live = livePoint(lane, needs.newestOrdinal());
    const before = live === null ? null : pointBefore(live, lane, raw);
    files.parts++;
    files.last = { segment, period };
    parts++;
    const own = live === null ? null : { ...live, part: files.parts + 1, segment, period };
    const resume = own === null ? pointsOfOthers(kind) : [own, ...pointsOfOthers(kind)];
    const { baseDecodeTime, samples } = raw;
    const fields = { track: kind, sequenceNumber: files.parts, baseDecodeTime, samples, resume };
    const bytes = encodePart(fields, needs.checksum, needs.memory);
    if (before !== null) noteUndurable(files, parts, before);
    noteInSegment(needs.segments.get(segment), lane, raw, bytes.length, own);
    needs.say({
      kind: 'part',
      id: parts,
      track: kind,
      segment,
      period,
      bytes,
      samples: raw.samples.length,
      baseDecodeTime,
      duration: raw.duration,
      keyFrame: raw.samples[0]?.key ?? false,
      resume,
    });
  };

  const close = (segment: OpenSegment, opensAnew: boolean): void => {
    needs.segments.remove(segment);
    const tracks = [segment.tracks.video, segment.tracks.audio].filter((track) => track !== undefined);
    if (tracks.length === 0) return;
    const own = [segment.resume.video, segment.resume.audio].filter((point) => point !== undefined);
    const others = pointsOfOthers(null).filter((point) => !own.some((known) => known.track === point.track));
    needs.say({
      kind: 'segment-closed',
      segment: segment.number,
      period: segment.period,
      wallMs: Math.round(segment.wallMs),
      startsWithKeyFrame: segment.startsWithKeyFrame,
      opensAnew,
      tracks,
      resume: [...own, ...others],
    });
  };

  return { part, close, parts: () => parts };
};

const initOutput = (
  lane: Lane,
  period: number,
  configuration: Uint8Array,
  ids: FilesNeeds['ids'],
): InitOutput | null => {
  const description = lane.codec.describe(configuration);
  if (description === null) return null;
  const { sampleEntry: _, ...rest } = description;
  return { kind: 'init', track: lane.kind, period, ...rest, bytes: encodeInitSegment(lane.kind, description, ids) };
};

const noteInSegment = (
  segment: OpenSegment | null,
  lane: Lane,
  part: RawPart,
  bytes: number,
  own: ResumePoint | null,
): void => {
  if (segment === null) return;
  if (own !== null) segment.resume[lane.kind] = own;
  const track = segment.tracks[lane.kind];
  const end = part.baseDecodeTime + part.duration;
  if (track === undefined) {
    const { baseDecodeTime, duration, samples } = part;
    const timescale = lane.codec.clockRate;
    segment.tracks[lane.kind] = {
      track: lane.kind,
      timescale,
      baseDecodeTime,
      duration,
      samples: samples.length,
      bytes,
    };
    return;
  }
  track.duration = end - track.baseDecodeTime;
  track.samples += part.samples.length;
  track.bytes += bytes;
};
