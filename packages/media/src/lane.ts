import type { AccessUnit } from './access-unit.ts';
import type { Codec, PublishedTrack, TrackKind } from './codecs.ts';
import { type DecodeTimes, decodeTimes, type PictureOrder } from './decode-times.ts';
import type { Lateness } from './lateness.ts';
import type { Publication } from './recording-messages.ts';
import type { ReorderLimits } from './reorder.ts';
import type { ResumePoint } from './resume-point.ts';
import { type PartLimits, type RawPart, type Sample, type SampleWriter, sampleWriter } from './sample-writer.ts';
import { type Steering, soundSteering } from './steering.ts';
import { type TrackTimeline, trackTimeline } from './timing.ts';
import { type TrackReceiver, trackReceiver } from './track-receiver.ts';

/**
 * One track of the current publication, from packets to parts. `inbox` holds the units that are neither written nor
 * dropped, oldest first; `segment` is the number of the segment its samples go to (0: none in this run);
 * `dropBelow` is the lowest ordinal awaited of the track;
 * `awaitsKey` is where the first unit stands that is not written because something it may refer to was lost;
 * `before` is a wire timestamp and its time on the timeline of the recording that was rotated into this one;
 * `undurable` are the parts given out and not known to be synced, each with the resume point before it.
 */
export type Lane = {
  kind: TrackKind;
  codec: Codec;
  published: PublishedTrack;
  publication: Publication;
  receiver: TrackReceiver;
  timeline: TrackTimeline;
  steering: Steering;
  decodeTimes: DecodeTimes;
  writer: SampleWriter;
  inbox: AccessUnit[];
  segment: number;
  dropBelow: number;
  awaitsKey: { firstSequence: number; firstOrdinal: number } | null;
  before: { rtp: number; timeMs: number } | null;
  files: LaneFiles;
  wallMs: (steadyMs: number) => number;
};

/** What outlives a publication: the configuration and numbers of the files, and what is not durable yet. */
export type LaneFiles = {
  configuration: Uint8Array | null;
  initPeriod: number;
  parts: number;
  last: { segment: number; period: number };
  undurable: { id: number; before: ResumePoint }[];
  /** Where the track's timeline stood when its last lane was closed, ms, and in which order its pictures came. */
  endMs: number;
  order: PictureOrder | null;
};

/** Bounds of a lane, and where its parts go. */
export type LaneNeeds = {
  reorder: ReorderLimits;
  parts: Omit<PartLimits, 'ticks'> & { ms: number };
  emit: (lane: Lane, part: RawPart) => void;
  lateness: Lateness;
  /** The wall time of a time of the lane's timeline's clock. */
  wallMs: (steadyMs: number) => number;
};

/**
 * Where a lane goes on: after a restart at `resumed`; the first of its recording after a rotation at `before`, where the
 * recording before has left the track.
 */
export type LaneStart = {
  resumed: { point: ResumePoint; configuration: Uint8Array | null } | null;
  before: ResumePoint | null;
};

const mostUndurable = 256;

/** Files of a track nothing of which was written. */
export const newLaneFiles = (): LaneFiles => ({
  configuration: null,
  initPeriod: 0,
  parts: 0,
  last: { segment: 0, period: 0 },
  undurable: [],
  endMs: 0,
  order: null,
});

/** Opens the lane of a published track. */
export const openLane = (
  publication: Publication,
  published: PublishedTrack,
  codec: Codec,
  files: LaneFiles,
  { resumed, before }: LaneStart,
  needs: LaneNeeds,
): Lane => {
  const point = resumed?.point ?? null;
  const clock = point?.clock ?? null;
  const begun = point ?? before;
  const end = point?.decodeTime ?? Math.ceil((files.endMs * codec.clockRate) / 1000);
  const ticks = Math.round((needs.parts.ms * codec.clockRate) / 1000);
  const lane: Lane = {
    kind: published.kind,
    codec,
    published,
    publication,
    receiver: trackReceiver(
      codec,
      published,
      needs.reorder,
      begun === null ? null : { configuration: resumed?.configuration ?? null, sequence: begun.sequence },
    ),
    timeline: trackTimeline(
      codec.clockRate,
      clock === null || point === null ? null : { ...clock, ticks: point.decodeTime },
      published.kind,
      needs.lateness,
    ),
    writer: sampleWriter(
      { ...needs.parts, ticks },
      codec.sampleDuration,
      { end, lastRtp: point?.rtpTimestamp ?? null },
      (part) => needs.emit(lane, part),
    ),
    steering: soundSteering(),
    decodeTimes: decodeTimes(begun?.order ?? files.order),
    wallMs: needs.wallMs,
    inbox: [],
    segment: 0,
    dropBelow: begun?.ordinal ?? 0,
    awaitsKey: null,
    before: before?.clock ? { rtp: before.clock.rtp, timeMs: (before.decodeTime * 1000) / codec.clockRate } : null,
    files,
  };
  return lane;
};

/**
 * The resume point of a lane as things stand: everything given out counts as held. `newestOrdinal` is the newest one
 * received of any track. Null when nothing of the track came yet.
 */
export const livePoint = (lane: Lane, newestOrdinal: number): ResumePoint | null => {
  const received = lane.receiver.inHand();
  const held = lane.writer.inHand();
  const first = held[0] ?? lane.awaitsKey ?? lane.inbox[0];
  const nextSequence = first?.firstSequence ?? received.nextSequence;
  if (nextSequence === null) return null;
  let ordinal = received.firstOrdinal ?? Math.max(newestOrdinal + 1, lane.dropBelow);
  for (const sample of held) ordinal = Math.min(ordinal, sample.firstOrdinal);
  if (lane.awaitsKey !== null) ordinal = Math.min(ordinal, lane.awaitsKey.firstOrdinal);
  for (const unit of lane.inbox) ordinal = Math.min(ordinal, unit.firstOrdinal);
  const decodeTime = held[0]?.ticks ?? lane.writer.end();
  const order = lane.decodeTimes.known();
  return {
    track: lane.kind,
    epoch: lane.publication.epoch,
    publishedAtMs: lane.publication.startedAtMs,
    ordinal,
    sequence: (nextSequence - 1) & 0xffff,
    rtpTimestamp: lane.writer.lastRtp(),
    decodeTime,
    part: lane.files.parts + 1,
    segment: lane.files.last.segment,
    period: lane.files.last.period,
    clock: clockAt(lane, held[0] ?? null, decodeTime),
    ...(order === null ? {} : { order }),
  };
};

/** The resume point with these samples of the lane not counted as held. */
export const pointBefore = (point: ResumePoint, lane: Lane, part: RawPart): ResumePoint => {
  const first = part.samples[0];
  if (first === undefined) return point;
  return {
    ...point,
    ordinal: part.samples.reduce((least, sample) => Math.min(least, sample.firstOrdinal), point.ordinal),
    sequence: (first.firstSequence - 1) & 0xffff,
    decodeTime: part.baseDecodeTime,
    clock: clockAt(lane, first, part.baseDecodeTime),
  };
};

/**
 * The clocks at a decode time. The sample there knows best which wire timestamp that is: the track may have been steered
 * since it was written.
 */
const clockAt = (lane: Lane, sample: Sample | null, ticks: number): ResumePoint['clock'] => {
  const clock = lane.timeline.clockAt(ticks);
  if (clock === null) return null;
  return {
    ...clock,
    rtp: sample === null ? clock.rtp : (sample.rtp - sample.offset) >>> 0,
    wallMs: lane.wallMs(clock.wallMs),
  };
};

/**
 * The resume point that holds once what was given out before is synced, and of the rest only what is known to be. What
 * an earlier publication left need not be known: everything of it is on the disk before the first part of this one.
 */
export const writtenPoint = (lane: Lane, newestOrdinal: number): ResumePoint | null => {
  const { startedAtMs } = lane.publication;
  const first = lane.files.undurable.find(({ before }) => before.publishedAtMs === startedAtMs);
  return first?.before ?? livePoint(lane, newestOrdinal);
};

/** Takes note of a part given out. */
export const noteUndurable = (files: LaneFiles, id: number, before: ResumePoint): void => {
  const last = files.undurable.at(-1);
  const isFull = files.undurable.length >= mostUndurable && last?.before.publishedAtMs === before.publishedAtMs;
  // Where nobody tells of syncs the last entry stands for all behind it.
  if (last !== undefined && isFull) last.id = id;
  else files.undurable.push({ id, before });
};

/** Takes note that all parts up to this id are synced. */
export const noteDurable = (files: LaneFiles, id: number): void => {
  const kept = files.undurable.findIndex((entry) => entry.id > id);
  files.undurable.splice(0, kept < 0 ? files.undurable.length : kept);
};

/** Where the lane's next sample may stand at the earliest, in ms of the recording's timeline. */
export const endMsOf = (lane: Lane): number => (lane.writer.end() * 1000) / lane.codec.clockRate;
