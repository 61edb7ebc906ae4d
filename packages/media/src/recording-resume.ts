import { type RtpMoment, stepMs } from './arrival-clock.ts';
import { type TrackKind, videoClockRate } from './codecs.ts';
import { decodeInitSegment } from './init-segment.ts';
import { type LaneFiles, newLaneFiles } from './lane.ts';
import type { OpenSegment } from './open-segments.ts';
import { opusClockRate } from './opus.ts';
import type { SegmentScan } from './part-scan.ts';
import type { RecordingResume, ResumedTrack, SegmentTrack } from './recording-messages.ts';
import { latestPoint, pointsOfNewest, type ResumePoint } from './resume-point.ts';

/**
 * The highest-numbered file of a track after a restart, cut to its whole parts: its scan, the init segment of its
 * period, and whether it is final (its segment has its row already).
 */
export type TrackFile = { track: TrackKind; segment: number; scan: SegmentScan; init: Uint8Array; final: boolean };

/** The clocks of the tracks, Hz: those of all codecs that are recorded. */
const clockRates: Readonly<Record<TrackKind, number>> = { video: videoClockRate, audio: opusClockRate };

/**
 * What a restart needs, from the tracks' last files. `lastSegment` is the highest number used by any file or row,
 * `period` the highest period. Null when no file has a whole part.
 */
export const resumeFromFiles = (
  files: readonly TrackFile[],
  lastSegment: number,
  period: number,
): RecordingResume | null => {
  const points = files.flatMap((file) => file.scan.parts[file.scan.parts.length - 1]?.resume ?? []);
  const tracks = (['video', 'audio'] as const).map((track) => {
    const point = latestPoint(points.filter((each) => each.track === track));
    const file = files.find((each) => each.track === track);
    return point === null ? null : resumedTrack(point, file ?? null);
  });
  const found = tracks.filter((track) => track !== null);
  return found.length === 0 ? null : { tracks: found, lastSegment, period };
};

const resumedTrack = (point: ResumePoint, file: TrackFile | null): ResumedTrack => {
  const [first] = file?.scan.parts ?? [];
  const last = file?.scan.parts[file.scan.parts.length - 1];
  if (file === null || first === undefined || last === undefined) return { point, configuration: null, open: null };
  const configuration = decodeInitSegment(file.init)?.configuration ?? null;
  if (file.final) return { point, configuration, open: null };
  const open = {
    segment: file.segment,
    baseDecodeTime: first.baseDecodeTime,
    duration: last.baseDecodeTime + last.duration - first.baseDecodeTime,
    samples: file.scan.parts.reduce((sum, part) => sum + part.sampleCount, 0),
    bytes: file.scan.parts.reduce((sum, part) => sum + part.length, 0),
    startsWithKeyFrame: first.keyFrame,
  };
  return { point, configuration, open };
};

/**
 * The tracks of the publication in which the recording stood. One that an earlier publication had and this one has not
 * given yet keeps its files, but has no place in the ring to go on from.
 */
export const standingTracks = (resume: RecordingResume | null): ResumedTrack[] => {
  const tracks = resume?.tracks ?? [];
  const standing = new Set(pointsOfNewest(tracks.map(({ point }) => point)));
  return tracks.filter(({ point }) => standing.has(point));
};

/** The segments that were open at the restart. */
export const resumedSegments = (resume: RecordingResume | null): OpenSegment[] => {
  const segments = new Map<number, OpenSegment>();
  for (const track of resume?.tracks ?? []) addTrack(segments, track);
  return [...segments.values()];
};

const addTrack = (segments: Map<number, OpenSegment>, { point, open, configuration: _ }: ResumedTrack): void => {
  if (open === null) return;
  const timescale = clockRates[point.track];
  const { segment: number, baseDecodeTime, duration, samples, bytes } = open;
  const startMs = (baseDecodeTime * 1000) / timescale;
  const wallMs = (point.clock?.wallMs ?? 0) - ((point.decodeTime - baseDecodeTime) * 1000) / timescale;
  const share: SegmentTrack = { track: point.track, timescale, baseDecodeTime, duration, samples, bytes };
  const known = segments.get(number);
  const isVideo = point.track === 'video';
  const fresh = { number, period: point.period, startMs, wallMs, begunAtMs: null };
  const segment: OpenSegment = known ?? { ...fresh, hasVideo: false, startsWithKeyFrame: true, tracks: {}, resume: {} };
  if (isVideo) {
    Object.assign(segment, { startMs, wallMs, hasVideo: true, startsWithKeyFrame: open.startsWithKeyFrame });
  }
  segment.tracks[point.track] = share;
  segment.resume[point.track] = point;
  segments.set(number, segment);
};

/** The latest point of the timeline written before the restart, null when no track had a place. */
export const resumedOrigin = (resume: RecordingResume | null): { timeMs: number; wallMs: number } | null => {
  let origin: { timeMs: number; wallMs: number } | null = null;
  for (const { point } of resume?.tracks ?? []) {
    const timeMs = (point.decodeTime * 1000) / clockRates[point.track];
    if (point.clock === null || (origin !== null && origin.timeMs >= timeMs)) continue;
    origin = { timeMs, wallMs: point.clock.wallMs };
  }
  return origin;
};

/**
 * What the files of a recording say, on one wall clock. The node's may have been set between the last parts of two
 * tracks: then the newest place tells the wall times of the others, for all lie on one timeline.
 */
export const onOneClock = (resume: RecordingResume | null): RecordingResume | null => {
  const newest = resumedOrigin(resume);
  if (resume === null || newest === null) return resume;
  const tracks = resume.tracks.map((track) => {
    const { point } = track;
    const { clock } = point;
    if (clock === null) return track;
    const wallMs = newest.wallMs + (point.decodeTime * 1000) / clockRates[point.track] - newest.timeMs;
    if (Math.abs(wallMs - clock.wallMs) < stepMs) return track;
    return { ...track, point: { ...point, clock: { ...clock, wallMs } } };
  });
  return { ...resume, tracks };
};

/** Wall time at the end of what the files have, in ms, by the clock of the newest part; null when no track has a place. */
export const resumedEndMs = (resume: RecordingResume | null): number | null => {
  const walls =
    onOneClock(resume)?.tracks.flatMap(({ point: { clock } }) => (clock === null ? [] : [clock.wallMs])) ?? [];
  return walls.length === 0 ? null : Math.max(...walls);
};

/** Where the RTP clocks of the tracks stood before the restart. */
export const resumedMoments = (resume: RecordingResume | null): { rtp: RtpMoment; arrivalMs: number }[] =>
  standingTracks(resume).flatMap(({ point: { track, clock } }) => {
    const perMs = clockRates[track] / 1000;
    return clock === null ? [] : [{ rtp: { track, ssrc: null, timestamp: clock.rtp, perMs }, arrivalMs: clock.wallMs }];
  });

/** What the files of a track were at the restart. */
export const resumedLaneFiles = (track: ResumedTrack | undefined): LaneFiles => {
  if (track === undefined) return newLaneFiles();
  const { point, configuration } = track;
  const timescale = clockRates[point.track];
  return {
    configuration,
    initPeriod: point.period,
    parts: point.part - 1,
    last: { segment: point.segment, period: point.period },
    undurable: [],
    endMs: (point.decodeTime * 1000) / timescale,
    order: point.order ?? null,
  };
};
