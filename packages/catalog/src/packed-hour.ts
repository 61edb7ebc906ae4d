/**
 * The segments of one hour of a recording as bytes, some 20 for each: a version, the number of segments, then each as
 * differences to the one before, as if it followed without a hole. Hashes stay in `segments`.
 */
import type { SegmentTrack } from '@weir/contracts';

/** A segment as hours have it: what manifests and timelines are made of. Media times are ticks of the track's timescale. */
export type PackedSegment = {
  number: number;
  period: number;
  start_ms: number;
  duration_ms: number;
  key_frame: boolean;
  /** False for one that the bucket will never take. */
  stored: boolean;
  tracks: Pick<SegmentTrack, 'track' | 'base_time' | 'duration' | 'timescale' | 'bytes'>[];
};

type Track = PackedSegment['tracks'][number];
type Numbers = { take: (about: number) => number; byte: () => number };

const version = 1;
const flag = { keyFrame: 1, stored: 2, two: 4, audioFirst: 8 } as const;
const allFlags = 15;

/** What the next number is counted from: where the one before ends, unless that is beyond exact integers. */
const endOf = (from: number, length: number): number => (Number.isSafeInteger(from + length) ? from + length : 0);

const noSegment = { number: 0, period: 0, start_ms: 0, duration_ms: 0 };
const noTrack = { base_time: 0, duration: 0, timescale: 0, bytes: 0 };

const flagsOf = ({ key_frame, stored, tracks }: PackedSegment): number =>
  (key_frame ? flag.keyFrame : 0) |
  (stored ? flag.stored : 0) |
  (tracks.length === 2 ? flag.two : 0) |
  (tracks[0]?.track === 'audio' ? flag.audioFirst : 0);

/** The numbers of a segment or track in writing order, each with what it is counted from. */
const segmentNumbers = (s: typeof noSegment, before: typeof noSegment): [number, number][] => [
  [s.number, endOf(before.number, 1)],
  [s.period, before.period],
  [s.start_ms, endOf(before.start_ms, before.duration_ms)],
  [s.duration_ms, before.duration_ms],
];
const trackNumbers = (t: typeof noTrack, before: typeof noTrack): [number, number][] => [
  [t.base_time, endOf(before.base_time, before.duration)],
  [t.duration, before.duration],
  [t.timescale, before.timescale],
  [t.bytes, before.bytes],
];

/** Sign in bit 0 of the first byte, magnitude above it, bit 7 of every byte: more follows. Exact up to 2^53. */
const pushNumber = (bytes: number[], value: number): void => {
  const magnitude = Math.abs(value);
  let rest = Math.floor(magnitude / 64);
  bytes.push((value < 0 ? 1 : 0) + (magnitude % 64) * 2 + (rest > 0 ? 128 : 0));
  for (; rest > 0; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
};

/** Packs segments in the order given, which the decoder keeps. All numbers are integers from 0 to 2^53 - 1. */
export const encodePackedHour = (segments: readonly PackedSegment[]): Uint8Array => {
  const bytes = [version];
  pushNumber(bytes, segments.length);
  let before = noSegment;
  const tracksBefore = new Map<string, typeof noTrack>();
  for (const segment of segments) {
    bytes.push(flagsOf(segment));
    for (const [value, about] of segmentNumbers(segment, before)) pushNumber(bytes, value - about);
    for (const track of segment.tracks) {
      for (const [value, about] of trackNumbers(track, tracksBefore.get(track.track) ?? noTrack))
        pushNumber(bytes, value - about);
      tracksBefore.set(track.track, track);
    }
    before = segment;
  }
  return Uint8Array.from(bytes);
};

/** Reads on from `at`; what is no number from 0 to 2^53 - 1, or beyond the end, reads as NaN, and so does all after it. */
const numbersOf = (bytes: Uint8Array): Numbers & { isAtEnd: () => boolean } => {
  let at = 0;
  const byte = (): number => bytes[at++] ?? Number.NaN;
  const take = (about: number): number => {
    const first = byte();
    // Most numbers are the expected one, or near it.
    if (first < 2) return about;
    let magnitude = (first & 127) >> 1;
    let more = first >= 128;
    for (let unit = 64; more; unit *= 128) {
      const next = byte();
      magnitude += (next & 127) * unit;
      more = next >= 128;
    }
    const value = about + ((first & 1) === 1 ? -magnitude : magnitude);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    at = Number.POSITIVE_INFINITY;
    return Number.NaN;
  };
  return { byte, take, isAtEnd: () => at === bytes.length };
};

/** The segment that a walk has come to; one object for all of them, and `audio` is the last one's where there is none. */
type Place = typeof noSegment & { flags: number; video: typeof noTrack; audio: typeof noTrack };

const takeTrack = (numbers: Numbers, track: typeof noTrack): void => {
  track.base_time = numbers.take(endOf(track.base_time, track.duration));
  track.duration = numbers.take(track.duration);
  track.timescale = numbers.take(track.timescale);
  track.bytes = numbers.take(track.bytes);
};

/** Goes over the segments in their order; false for bytes that {@link encodePackedHour} did not write. */
const walk = (bytes: Uint8Array, visit: (place: Place) => void): boolean => {
  const numbers = numbersOf(bytes);
  if (numbers.byte() !== version) return false;
  const count = numbers.take(0);
  // A segment has a byte at least for its flags and for each of its eight numbers.
  if (!(count * 9 <= bytes.length)) return false;
  const place: Place = { ...noSegment, flags: 0, video: { ...noTrack }, audio: { ...noTrack } };
  for (let segment = 0; segment < count; segment += 1) {
    const flags = numbers.byte();
    if (!(flags <= allFlags)) return false;
    place.flags = flags;
    place.number = numbers.take(endOf(place.number, 1));
    place.period = numbers.take(place.period);
    place.start_ms = numbers.take(endOf(place.start_ms, place.duration_ms));
    place.duration_ms = numbers.take(place.duration_ms);
    const isAudioFirst = (flags & flag.audioFirst) !== 0;
    takeTrack(numbers, isAudioFirst ? place.audio : place.video);
    if ((flags & flag.two) !== 0) takeTrack(numbers, isAudioFirst ? place.video : place.audio);
    visit(place);
  }
  return numbers.isAtEnd();
};

const trackOf = (track: Track['track'], { base_time, duration, timescale, bytes }: typeof noTrack): Track => ({
  track,
  base_time,
  duration,
  timescale,
  bytes,
});

const segmentOf = ({ flags, number, period, start_ms, duration_ms, video, audio }: Place): PackedSegment => {
  const isAudioFirst = (flags & flag.audioFirst) !== 0;
  const first = isAudioFirst ? trackOf('audio', audio) : trackOf('video', video);
  const second = isAudioFirst ? 'video' : 'audio';
  return {
    number,
    period,
    start_ms,
    duration_ms,
    key_frame: (flags & flag.keyFrame) !== 0,
    stored: (flags & flag.stored) !== 0,
    tracks: (flags & flag.two) === 0 ? [first] : [first, trackOf(second, second === 'video' ? video : audio)],
  };
};

/** Reverses {@link encodePackedHour}; null for bytes that it did not write. */
export const decodePackedHour = (bytes: Uint8Array): PackedSegment[] | null => {
  const segments: PackedSegment[] = [];
  return walk(bytes, (place) => segments.push(segmentOf(place))) ? segments : null;
};

/** The lowest and highest numbers of an hour's stored segments, and how many there are. */
export type StoredSummary = { first: number; last: number; count: number };

/** What is stored in a packed hour, without an object for each segment; null as {@link decodePackedHour}. */
export const decodeStoredSummary = (bytes: Uint8Array): StoredSummary | null => {
  const summary = { first: Number.POSITIVE_INFINITY, last: 0, count: 0 };
  const isWhole = walk(bytes, ({ flags, number }) => {
    if ((flags & flag.stored) === 0) return;
    summary.count += 1;
    summary.first = Math.min(summary.first, number);
    summary.last = Math.max(summary.last, number);
  });
  return isWhole ? summary : null;
};
