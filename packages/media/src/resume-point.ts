import type { TrackKind } from './codecs.ts';
import type { PictureOrder } from './decode-times.ts';
import { decodeJson, encodeJson, isCount, isJsonObject, type JsonObject } from './json-bytes.ts';

/**
 * Where a track can go on without losing or repeating anything.
 *
 * - `epoch`, `publishedAtMs`: the ring's life and the publication the rest belongs to.
 * - `ordinal`: everything of this track below it is durable or given up.
 * - `sequence`: wire sequence number up to which the same holds; `rtpTimestamp` the wire timestamp of the last sample
 *   written (null: none yet).
 * - `decodeTime`: the next decode time in ticks; `part`: the number the next part will have (moof sequence number).
 * - `segment`, `period`: where the last part went (segment 0: none yet).
 * - `clock`: the wire RTP timestamp that stands at `decodeTime`, with the wall time and, where a sender report told
 *   it, the sender's time there; null while the track has no place on the timeline.
 * - `order`: how far pictures come in another order than shown, absent where they do not.
 */
export type ResumePoint = {
  track: TrackKind;
  epoch: string;
  publishedAtMs: number;
  ordinal: number;
  sequence: number;
  rtpTimestamp: number | null;
  decodeTime: number;
  part: number;
  segment: number;
  period: number;
  clock: { rtp: number; wallMs: number; ntpMs: number | null } | null;
  order?: PictureOrder;
};

/** Whether a point lies behind another: by the ring's order, whatever the node's clock was set to; between rings by time. */
export const isLater = (a: ResumePoint, b: ResumePoint): boolean =>
  a.epoch === b.epoch || a.publishedAtMs === b.publishedAtMs
    ? a.ordinal > b.ordinal
    : a.publishedAtMs > b.publishedAtMs;

/** The one behind all others; a track's place may be further on by what another's part tells than by its own file. */
export const latestPoint = (points: readonly ResumePoint[]): ResumePoint | null =>
  points.reduce<ResumePoint | null>((best, point) => (best === null || isLater(point, best) ? point : best), null);

/** The points of the newest publication; of a track that ended with an earlier one nothing is left in the ring. */
export const pointsOfNewest = (points: readonly ResumePoint[]): ResumePoint[] => {
  const newest = latestPoint(points);
  return points.filter(({ epoch, publishedAtMs }) => epoch === newest?.epoch && publishedAtMs === newest.publishedAtMs);
};

/** Resume points as JSON in UTF-8. */
export const encodeResumePoints = (points: readonly ResumePoint[]): Uint8Array => encodeJson(points);

/** Reads resume points back; null when the bytes are not resume points of at most 8 tracks. */
export const decodeResumePoints = (bytes: Uint8Array): ResumePoint[] | null => {
  const value = decodeJson(bytes);
  return Array.isArray(value) && value.length <= 8 && value.every(isResumePoint) ? value : null;
};

/** Whether a JSON value is a resume point. */
export const isResumePoint = (value: unknown): value is ResumePoint =>
  isJsonObject(value) &&
  (value.track === 'video' || value.track === 'audio') &&
  typeof value.epoch === 'string' &&
  typeof value.publishedAtMs === 'number' &&
  counts.every((key) => isCount(value[key])) &&
  (value.rtpTimestamp === null || isCount(value.rtpTimestamp)) &&
  (value.clock === null || (isJsonObject(value.clock) && isClock(value.clock))) &&
  (value.order === undefined || (isJsonObject(value.order) && isOrder(value.order)));

const counts = ['ordinal', 'sequence', 'decodeTime', 'part', 'segment', 'period'] as const;

const isClock = (clock: JsonObject): boolean =>
  isCount(clock.rtp) && typeof clock.wallMs === 'number' && (clock.ntpMs === null || typeof clock.ntpMs === 'number');

const isOrder = ({ ahead, distance }: JsonObject): boolean => isCount(ahead) && isCount(distance);
