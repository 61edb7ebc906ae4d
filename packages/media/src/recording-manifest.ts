import type { TrackKind } from './codecs.ts';
import type { MpdPeriod, MpdTrack } from './mpd.ts';

/** A segment as a manifest needs it: its codec period, per track times in ticks and bytes, and how its video begins. */
export type ManifestSegment = {
  number: number;
  period: number;
  startsWithKeyFrame: boolean;
  tracks: readonly { track: TrackKind; baseDecodeTime: number; duration: number; bytes: number }[];
};

/** What the init segment of a track and codec period says, and where it is. */
export type ManifestInit = Pick<
  MpdTrack,
  'codec' | 'timescale' | 'initialization' | 'width' | 'height' | 'frameRate' | 'sampleRate' | 'channels'
> & { track: TrackKind; period: number };

/** One recording in a manifest; `offsetMs` is where its timeline begins in the presentation, `segments` are in order of their numbers, `media` is the URL template of each track. */
export type ManifestRecording = {
  id: string;
  offsetMs: number;
  segments: Iterable<ManifestSegment>;
  inits: readonly ManifestInit[];
  media: Readonly<Record<TrackKind, string>>;
};

/**
 * Tells of segments, in order of their numbers, which begin a DASH period: the first, and one at each codec period, at
 * each missing number, and where a track comes back. One that begins late or ends early does so within the period:
 * players that find no picture in one period show none in any.
 */
export const periodBreaks = (): ((segment: ManifestSegment) => boolean) => {
  const gone = new Set<TrackKind>();
  let last: ManifestSegment | undefined;
  return (segment) => {
    const follows = segment.number === (last?.number ?? 0) + 1 && segment.period === last?.period;
    const isBreak = last === undefined || !follows || segment.tracks.some(({ track }) => gone.has(track));
    if (isBreak) gone.clear();
    else if (last !== undefined)
      for (const { track } of last.tracks) if (shareOf(segment, track) === undefined) gone.add(track);
    last = segment;
    return isBreak;
  };
};

/** The periods of one recording; segments of tracks without an init segment are left out. Goes over the segments once. */
export const recordingPeriods = (recording: ManifestRecording): MpdPeriod[] => {
  const isBreak = periodBreaks();
  const sums: PeriodSum[] = [];
  for (const segment of recording.segments) {
    if (isBreak(segment)) sums.push({ first: segment, tracks: new Map(), startsWithKeyFrames: true });
    addSegment(sums[sums.length - 1] as PeriodSum, segment);
  }
  return sums.map((sum) => periodOf(recording, sum)).filter((period) => period.tracks.length > 0);
};

/** Where the last of these periods ends in the presentation, ms; 0 without one. */
export const endOfPeriods = (periods: readonly MpdPeriod[]): number =>
  Math.max(
    0,
    ...periods.flatMap(({ startMs, tracks }) =>
      tracks.map(({ segments, presentationTimeOffset, timescale }) => {
        const last = segments[segments.length - 1];
        return last === undefined
          ? 0
          : startMs + ((last.t + last.d * (1 + (last.r ?? 0)) - presentationTimeOffset) * 1000) / timescale;
      }),
    ),
  );

type TrackSum = { startNumber: number; bytes: number; ticks: number; runs: { t: number; d: number; r: number }[] };

/** What the segments of a period come to; those of equal length without a hole between make one run. */
type PeriodSum = { first: ManifestSegment; tracks: Map<TrackKind, TrackSum>; startsWithKeyFrames: boolean };

const shareOf = ({ tracks }: ManifestSegment, kind: TrackKind) => tracks.find(({ track }) => track === kind);

const addSegment = (sum: PeriodSum, { number, startsWithKeyFrame, tracks }: ManifestSegment): void => {
  if (!startsWithKeyFrame) sum.startsWithKeyFrames = false;
  for (const { track, baseDecodeTime, duration, bytes } of tracks) {
    let of = sum.tracks.get(track);
    if (of === undefined) {
      of = { startNumber: number, bytes: 0, ticks: 0, runs: [] };
      sum.tracks.set(track, of);
    }
    of.bytes += bytes;
    of.ticks += duration;
    const run = of.runs[of.runs.length - 1];
    if (run !== undefined && run.d === duration && run.t + run.d * (run.r + 1) === baseDecodeTime) run.r += 1;
    else of.runs.push({ t: baseDecodeTime, d: duration, r: 0 });
  }
};

const periodOf = (recording: ManifestRecording, sum: PeriodSum): MpdPeriod => {
  const { first } = sum;
  const inits = recording.inits
    .filter((init) => init.period === first.period && sum.tracks.has(init.track))
    // Video first: it leads the period, and players take the first set as the main one.
    .sort((a, b) => (a.track === b.track ? 0 : a.track === 'video' ? -1 : 1));
  const lead = inits.find(({ track }) => shareOf(first, track) !== undefined);
  const leadTicks = lead === undefined ? 0 : (shareOf(first, lead.track)?.baseDecodeTime ?? 0);
  const mediaMs = lead === undefined ? 0 : (leadTicks * 1000) / lead.timescale;
  const tracks = inits.flatMap((init) => {
    const of = sum.tracks.get(init.track);
    return of === undefined ? [] : [trackOf(recording, sum, of, init, mediaMs)];
  });
  return { id: `${recording.id}-${first.number}`, startMs: recording.offsetMs + mediaMs, tracks };
};

const trackOf = (
  recording: ManifestRecording,
  { startsWithKeyFrames }: PeriodSum,
  { startNumber, bytes, ticks, runs }: TrackSum,
  init: ManifestInit,
  mediaMs: number,
): MpdTrack => {
  const { period: _, ...description } = init;
  return {
    ...description,
    bandwidthBps: ticks === 0 ? 1 : (bytes * 8 * init.timescale) / ticks,
    media: recording.media[init.track],
    startNumber,
    startsWithKeyFrames: init.track === 'audio' || startsWithKeyFrames,
    presentationTimeOffset: Math.round((mediaMs * init.timescale) / 1000),
    segments: runs,
  };
};
