import type { TrackKind } from './codecs.ts';
import { element } from './xml.ts';

/** One track of a period. Times in ticks of `timescale`; `initialization` and `media` are URLs (`$Number%04d$` allowed in the latter). */
export type MpdTrack = {
  track: TrackKind;
  codec: string;
  timescale: number;
  bandwidthBps: number;
  initialization: string;
  media: string;
  startNumber: number;
  presentationTimeOffset: number;
  /** One after the other, in ticks; `r` more of the same length follow without a hole. */
  segments: readonly { t: number; d: number; r?: number }[];
  /** False where a segment begins without a key frame. */
  startsWithKeyFrames: boolean;
  width?: number;
  height?: number;
  /** Frames per second, as `30` or `30000/1001`. */
  frameRate?: string;
  sampleRate?: number;
  channels?: number;
};

/** A period, placed at `startMs` of the presentation; its length is that of its media unless `durationMs` says otherwise. */
export type MpdPeriod = { id: string; startMs: number; durationMs?: number; tracks: readonly MpdTrack[] };

/** A whole manifest; times in ms, instants in Unix ms. */
export type Mpd = {
  type: 'static' | 'dynamic';
  availabilityStartTimeMs?: number;
  publishTimeMs?: number;
  minimumUpdatePeriodMs?: number;
  timeShiftBufferDepthMs?: number;
  mediaPresentationDurationMs?: number;
  maxSegmentDurationMs?: number;
  minBufferTimeMs: number;
  utcTiming?: { schemeIdUri: string; value: string };
  periods: readonly MpdPeriod[];
};

/** Writes a manifest of profile isoff-live (ISO/IEC 23009-1 §5.3, §8.4). */
export const encodeMpd = (mpd: Mpd): string => {
  const { utcTiming } = mpd;
  const root = element(
    'MPD',
    {
      xmlns: 'urn:mpeg:dash:schema:mpd:2011',
      profiles: 'urn:mpeg:dash:profile:isoff-live:2011',
      type: mpd.type,
      availabilityStartTime: instant(mpd.availabilityStartTimeMs),
      publishTime: instant(mpd.publishTimeMs),
      minimumUpdatePeriod: duration(mpd.minimumUpdatePeriodMs),
      timeShiftBufferDepth: duration(mpd.timeShiftBufferDepthMs),
      mediaPresentationDuration: duration(mpd.mediaPresentationDurationMs),
      maxSegmentDuration: duration(mpd.maxSegmentDurationMs),
      minBufferTime: duration(mpd.minBufferTimeMs),
    },
    ...mpd.periods.map(period),
    ...(utcTiming === undefined ? [] : [element('UTCTiming', utcTiming)]),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}\n`;
};

const period = ({ id, startMs, durationMs, tracks }: MpdPeriod): string =>
  element('Period', { id, start: duration(startMs), duration: duration(durationMs) }, ...tracks.map(adaptationSet));

const adaptationSet = (track: MpdTrack, id: number): string => {
  const { width, height } = track;
  const isVideo = track.track === 'video';
  const size = isVideo ? { maxWidth: width, maxHeight: height, par: aspect(width, height) } : {};
  return element(
    'AdaptationSet',
    {
      id,
      contentType: track.track,
      startWithSAP: track.startsWithKeyFrames ? 1 : undefined,
      segmentAlignment: true,
      bitstreamSwitching: true,
      frameRate: track.frameRate,
      ...size,
    },
    representation(track, id),
  );
};

const representation = (track: MpdTrack, id: number): string => {
  const isVideo = track.track === 'video';
  const channels = track.channels === undefined ? [] : [channelConfiguration(track.channels)];
  return element(
    'Representation',
    {
      id,
      mimeType: isVideo ? 'video/mp4' : 'audio/mp4',
      codecs: track.codec,
      bandwidth: Math.max(1, Math.round(track.bandwidthBps)),
      width: isVideo ? track.width : undefined,
      height: isVideo ? track.height : undefined,
      sar: isVideo ? '1:1' : undefined,
      audioSamplingRate: isVideo ? undefined : track.sampleRate,
    },
    ...(isVideo ? [] : channels),
    segmentTemplate(track),
  );
};

/** Channel count, not layout (ISO/IEC 23009-1 §5.8.5.4). */
const channelConfiguration = (channels: number): string =>
  element('AudioChannelConfiguration', {
    schemeIdUri: 'urn:mpeg:dash:23003:3:audio_channel_configuration:2011',
    value: channels,
  });

const segmentTemplate = (track: MpdTrack): string =>
  element(
    'SegmentTemplate',
    {
      timescale: track.timescale,
      presentationTimeOffset: track.presentationTimeOffset === 0 ? undefined : track.presentationTimeOffset,
      initialization: track.initialization,
      media: track.media,
      startNumber: track.startNumber,
    },
    element('SegmentTimeline', {}, ...timeline(track.segments)),
  );

/** S elements; equal durations without a hole between share one (ISO/IEC 23009-1 §5.3.9.6). */
const timeline = (segments: MpdTrack['segments']): string[] => {
  const rows: { t: number | undefined; d: number; r: number }[] = [];
  let end: number | null = null;
  for (const { t, d, r = 0 } of segments) {
    const last = rows[rows.length - 1];
    if (last !== undefined && last.d === d && t === end) last.r += 1 + r;
    else rows.push({ t: t === end ? undefined : t, d, r });
    end = t + d * (1 + r);
  }
  return rows.map(({ t, d, r }) => element('S', { t, d, r: r === 0 ? undefined : r }));
};

/** xs:duration, exact to a microsecond. */
const duration = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : `PT${Number((Math.max(ms, 0) / 1000).toFixed(6))}S`;

/** xs:dateTime in UTC. */
const instant = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

const aspect = (width = 0, height = 0): string | undefined => {
  if (width <= 0 || height <= 0) return undefined;
  let [a, b] = [width, height];
  while (b > 0) [a, b] = [b, a % b];
  return `${width / a}:${height / a}`;
};
