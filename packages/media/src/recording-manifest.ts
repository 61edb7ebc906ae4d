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

/** One recording in a manifest; `offsetMs` is where its timeline begins in the presentation, `media` the URL template of each track. */
export type ManifestRecording = {
  id: string;
  offsetMs: number;
  segments: readonly ManifestSegment[];
  inits: readonly ManifestInit[];
  media: Readonly<Record<TrackKind, string>>;
};

/**
 * Groups segments, in order of their numbers, that can share one DASH period: a new one begins at each codec period,
 * at each missing number, and where a track comes back. One that begins late or ends early does so within the period:
 * players that find no picture in one period show none in any.
 */
export const groupSegments = (segments: readonly ManifestSegment[]): ManifestSegment[][] => {
  const groups: ManifestSegment[][] = [];
  const gone = new Set<TrackKind>();
  let last: ManifestSegment | undefined;
  for (const segment of segments) {
    const kinds = kindsOf(segment);
    const follows = segment.number === (last?.number ?? 0) + 1 && segment.period === last?.period;
    if (last !== undefined && follows && !kinds.some((kind) => gone.has(kind))) {
      groups.at(-1)?.push(segment);
      for (const kind of kindsOf(last)) if (!kinds.includes(kind)) gone.add(kind);
    } else {
      groups.push([segment]);
      gone.clear();
    }
    last = segment;
  }
  return groups;
};

/** The periods of one recording; segments of tracks without an init segment are left out. */
export const recordingPeriods = (recording: ManifestRecording): MpdPeriod[] =>
  groupSegments(recording.segments)
    .map((group) => periodOf(recording, group))
    .filter((period) => period.tracks.length > 0);

/** Where the last of these periods ends in the presentation, ms; 0 without one. */
export const endOfPeriods = (periods: readonly MpdPeriod[]): number =>
  Math.max(
    0,
    ...periods.flatMap(({ startMs, tracks }) =>
      tracks.map(({ segments, presentationTimeOffset, timescale }) => {
        const last = segments[segments.length - 1];
        return last === undefined ? 0 : startMs + ((last.t + last.d - presentationTimeOffset) * 1000) / timescale;
      }),
    ),
  );

const kindsOf = (segment: ManifestSegment): TrackKind[] => segment.tracks.map(({ track }) => track);

const periodOf = (recording: ManifestRecording, group: readonly ManifestSegment[]): MpdPeriod => {
  const first = group[0];
  const number = first?.number ?? 0;
  const kinds = new Set(group.flatMap(kindsOf));
  const inits = recording.inits
    .filter((init) => init.period === first?.period && kinds.has(init.track))
    // Video first: it leads the period, and players take the first set as the main one.
    .sort((a, b) => (a.track === b.track ? 0 : a.track === 'video' ? -1 : 1));
  const lead = inits.find(({ track }) => first?.tracks.some((share) => share.track === track));
  const leadTicks = first?.tracks.find(({ track }) => track === lead?.track)?.baseDecodeTime ?? 0;
  const mediaMs = lead === undefined ? 0 : (leadTicks * 1000) / lead.timescale;
  const tracks = inits.map((init) => trackOf(recording, group, init, mediaMs));
  return { id: `${recording.id}-${number}`, startMs: recording.offsetMs + mediaMs, tracks };
};

const trackOf = (
  recording: ManifestRecording,
  group: readonly ManifestSegment[],
  init: ManifestInit,
  mediaMs: number,
): MpdTrack => {
  const { period: _, ...description } = init;
  const shares = group.flatMap((segment) => segment.tracks.filter(({ track }) => track === init.track));
  const bytes = shares.reduce((sum, share) => sum + share.bytes, 0);
  const ticks = shares.reduce((sum, share) => sum + share.duration, 0);
  return {
    ...description,
    bandwidthBps: ticks === 0 ? 1 : (bytes * 8 * init.timescale) / ticks,
    media: recording.media[init.track],
    startNumber: group.find((segment) => kindsOf(segment).includes(init.track))?.number ?? 1,
    startsWithKeyFrames: init.track === 'audio' || group.every(({ startsWithKeyFrame }) => startsWithKeyFrame),
    presentationTimeOffset: Math.round((mediaMs * init.timescale) / 1000),
    segments: shares.map(({ baseDecodeTime, duration }) => ({ t: baseDecodeTime, d: duration })),
  };
};
