import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Catalog, Day, DaySegment, IndexedInit, RecordingOfDay } from '@weir/catalog';
import { encodeObjectName, type TrackKind } from '@weir/contracts';
import {
  encodeMpd,
  endOfPeriods,
  type ManifestInit,
  type ManifestSegment,
  type MpdPeriod,
  recordingPeriods,
} from '@weir/media';
import { WeirError } from '@weir/runtime';
import { matchesTag } from './byte-range.ts';
import type { ObjectAnswer } from './object-delivery.ts';

/** The route below which objects are read; a manifest's path is relative to it. */
const objectRoute = '/api/record/object/';

// Encoding also hides `$`, which has a meaning of its own in a template (ISO/IEC 23009-1 §5.3.9.4.4).
const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Where a recording's files are, seen from `<stream>/day-….mpd`. */
const baseOf = (stream: string, recordDir: string): string =>
  recordDir.startsWith(`${stream}/`)
    ? `${encodePath(recordDir.slice(stream.length + 1))}/`
    : `${objectRoute}${encodePath(recordDir)}/`;

const initOf = (base: string, init: IndexedInit): ManifestInit => {
  const { track, period, codec, timescale, width, height, sample_rate, channels } = init;
  return {
    track,
    period,
    codec,
    timescale,
    initialization: `${base}${encodeObjectName({ kind: 'init', track, period })}`,
    ...(width === null || height === null ? {} : { width, height }),
    ...(sample_rate === null ? {} : { sampleRate: sample_rate }),
    ...(channels === null ? {} : { channels }),
  };
};

const segmentOf = ({ number, period, key_frame, tracks }: DaySegment): ManifestSegment => ({
  number,
  period,
  startsWithKeyFrame: key_frame,
  tracks: tracks.map(({ track, base_time, duration, bytes }) => ({
    track,
    baseDecodeTime: base_time,
    duration,
    bytes,
  })),
});

const mediaOf = (base: string, track: TrackKind): string =>
  `${base}${track === 'video' ? 'v' : 'a'}_seg_$Number%04d$.m4s`;

type Timeline = { periods: MpdPeriod[]; longestMs: number };

/** The periods of one recording by themselves; its segments are gone over once. */
const timelineOf = (stream: string, { recording, inits, segments }: RecordingOfDay): Timeline => {
  const base = baseOf(stream, recording.record_dir);
  let longestMs = 0;
  const told = function* () {
    for (const segment of segments) {
      longestMs = Math.max(longestMs, segment.duration_ms);
      yield segmentOf(segment);
    }
  };
  const periods = recordingPeriods({
    id: recording.recording_id,
    offsetMs: 0,
    inits: inits.map((init) => initOf(base, init)),
    segments: told(),
    media: { video: mediaOf(base, 'video'), audio: mediaOf(base, 'audio') },
  });
  return { periods, longestMs };
};

/**
 * The manifest of a stream's day: all its recordings one after the other, without the hours between them, each at the
 * place where the one before ends. A recording that began the day before starts here with this day's first segment.
 * It is a snapshot also of a recording that goes on.
 */
export const encodeDayManifest = (stream: string, recordings: readonly RecordingOfDay[]): string => {
  const all: MpdPeriod[] = [];
  let maxSegmentDurationMs = 0;
  for (const recording of recordings) {
    const { periods, longestMs } = timelineOf(stream, recording);
    const offsetMs = endOfPeriods(all) - (periods[0]?.startMs ?? 0);
    for (const period of periods) all.push({ ...period, startMs: offsetMs + period.startMs });
    maxSegmentDurationMs = Math.max(maxSegmentDurationMs, longestMs);
  }
  return encodeMpd({
    type: 'static',
    mediaPresentationDurationMs: endOfPeriods(all),
    maxSegmentDurationMs,
    minBufferTimeMs: 2_000,
    periods: all,
  });
};

/** Answers a request for a day's manifest, made on read from the index and never stored. */
export const dayManifest = async (
  catalog: Pick<Catalog, 'recordingsOfDay'>,
  { stream, year, month, day }: Day & { stream: string },
  method: 'GET' | 'HEAD',
  ifNoneMatch: string | undefined,
): Promise<ObjectAnswer> => {
  const recordings = await catalog.recordingsOfDay(stream, year, month, day);
  if (recordings.every(({ segments }) => segments.isEmpty))
    throw new WeirError('object_not_found', `the index has no recording of ${stream} on ${year}-${month}-${day}`);
  const bytes = Buffer.from(encodeDayManifest(stream, recordings));
  const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`;
  const headers = { 'content-type': 'application/dash+xml', 'cache-control': 'private, no-cache', etag };
  if (matchesTag(ifNoneMatch, etag)) return { status: 304, headers, body: null };
  const sized = { ...headers, 'content-length': String(bytes.length) };
  return { status: 200, headers: sized, body: method === 'HEAD' ? null : Readable.from([bytes]) };
};
