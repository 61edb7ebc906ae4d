import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePackedHour, decodeStoredSummary, encodePackedHour, type PackedSegment } from './packed-hour.ts';

const number = fc.oneof(fc.nat(), fc.maxSafeNat());
const track = <K extends 'video' | 'audio'>(kind: K) =>
  fc.record({
    track: fc.constant(kind as 'video' | 'audio'),
    base_time: number,
    duration: number,
    timescale: number,
    bytes: number,
  });
const tracks = fc.oneof(
  fc.tuple(track('video')),
  fc.tuple(track('audio')),
  fc.tuple(track('video'), track('audio')),
  fc.tuple(track('audio'), track('video')),
);
const segment: fc.Arbitrary<PackedSegment> = fc.record({
  number,
  period: number,
  start_ms: number,
  duration_ms: number,
  key_frame: fc.boolean(),
  stored: fc.boolean(),
  tracks,
});

test('whatever segments are packed, the same come out', () => {
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 20 }), (segments) => {
      const bytes = encodePackedHour(segments);
      expect(decodePackedHour(bytes)).toEqual(segments);
      const numbers = segments.filter(({ stored }) => stored).map((each) => each.number);
      expect(decodeStoredSummary(bytes)).toEqual({
        first: Math.min(...numbers, Number.POSITIVE_INFINITY),
        last: Math.max(...numbers, 0),
        count: numbers.length,
      });
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('bytes that are cut, longer, or of another version are refused', () => {
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (segments) => {
      const bytes = encodePackedHour(segments);
      for (let length = 0; length < bytes.length; length += 1)
        for (const decode of [decodePackedHour, decodeStoredSummary])
          expect(decode(bytes.subarray(0, length))).toBeNull();
      expect(decodePackedHour(Uint8Array.of(...bytes, 0))).toBeNull();
      expect(decodePackedHour(Uint8Array.of(2, ...bytes.subarray(1)))).toBeNull();
    }),
    { seed: 2, numRuns: 100 },
  );
});

test('an hour of four-second segments without a hole takes 20 bytes for each', () => {
  const hour = Array.from(
    { length: 900 },
    (_, index): PackedSegment => ({
      number: 5000 + index,
      period: 1,
      start_ms: 1_762_842_203_000 + index * 4000,
      duration_ms: 4000,
      key_frame: true,
      stored: true,
      tracks: [
        {
          track: 'video',
          base_time: index * 360_000,
          duration: 360_000,
          timescale: 90_000,
          bytes: 1_000_000 + (index % 7) * 9000,
        },
        {
          track: 'audio',
          base_time: index * 192_000,
          duration: 192_000,
          timescale: 48_000,
          bytes: 32_000 + (index % 5) * 50,
        },
      ],
    }),
  );
  expect(encodePackedHour(hour).length / hour.length).toBeLessThan(20);
});
