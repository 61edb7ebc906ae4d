import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes } from './boxes.ts';
import { type Chain, decodeChainBox, encodeChainBox } from './chain-box.ts';
import { codecs } from './codecs.ts';
import { decodeInitSegment, encodeInitSegment } from './init-segment.ts';
import { encodeDOps } from './opus.ts';
import { decodePart, encodePart } from './part.ts';
import { scanSegment } from './part-scan.ts';
import { decodeResumePoints, encodeResumePoints, type ResumePoint } from './resume-point.ts';

const point: ResumePoint = {
  track: 'video',
  epoch: 'a"b\\ü',
  publishedAtMs: 1_762_842_203_000,
  ordinal: 12_345_678_901,
  sequence: 65_535,
  rtpTimestamp: 0xffff_ffff,
  decodeTime: 2 ** 40,
  part: 8,
  segment: 3,
  period: 1,
  clock: { rtp: 0, wallMs: 1_762_842_203_000.5, ntpMs: null },
};

const sample = (size: number, key: boolean) => ({
  duration: 3000,
  key,
  size,
  offset: 0,
  pieces: [new Uint8Array(size - 1).fill(7), new Uint8Array([9])],
});

const part = encodePart({
  track: 'video',
  sequenceNumber: 7,
  baseDecodeTime: 2 ** 40 + 5,
  samples: [sample(10, true), sample(20, false)],
  resume: [point, { ...point, track: 'audio', clock: null, rtpTimestamp: null }],
});

const chain: Chain = {
  recordingId: 'r-1',
  track: 'audio',
  number: 2,
  previous: { number: 1, sha256: 'ab'.repeat(32) },
  gaps: [{ cause: 'packet_loss', fromMs: 1, toMs: 2 }],
};

test('a part is written and read', () => {
  expect(decodePart(part)).toEqual({
    offset: 0,
    length: part.length,
    resume: [point, { ...point, track: 'audio', clock: null, rtpTimestamp: null }],
    baseDecodeTime: 2 ** 40 + 5,
    duration: 6000,
    sampleCount: 2,
    keyFrame: true,
  });
  expect(part.subarray(-30)).toEqual(concatBytes([...sample(10, true).pieces, ...sample(20, true).pieces]));
});

test.each([
  ['the first of a recording', { ...chain, previous: null, gaps: [] }],
  ['a later one', chain],
])('the chain box of %s is written and read', (_, value) => {
  const bytes = encodeChainBox(value);
  expect(decodeChainBox(bytes)).toEqual({ chain: value, length: bytes.length });
});

test.each([
  ['of a track with a place', point],
  ['of a track without', { ...point, clock: null, rtpTimestamp: null, segment: 0 }],
])('a resume point %s is written and read', (_, value) => {
  expect(decodeResumePoints(encodeResumePoints([value]))).toEqual([value]);
});

test('resume points that are none are refused', () => {
  const broken = [{ ...point, ordinal: -1 }, { ...point, clock: {} }, { ...point, track: 'text' }, 3, null];
  for (const value of broken) expect(decodeResumePoints(encodeResumePoints([value as ResumePoint]))).toBeNull();
});

test('an init segment is written and read, and no two recordings have the same', () => {
  const configuration = encodeDOps(2);
  const description = codecs.OPUS!.describe(configuration)!;
  const bytes = encodeInitSegment('audio', description, { spoolId: 's', recordingId: 'r' });
  const { sampleEntry: _, ...said } = description;
  const identity = { spoolId: 's', recordingId: 'r' };
  expect(decodeInitSegment(bytes)).toEqual({ ...said, track: 'audio', configuration, identity });
  expect(encodeInitSegment('audio', description, { ...identity, recordingId: 'q' })).not.toEqual(bytes);
});

describe('bytes of any kind', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.nat(part.length - 1), fc.nat(255)).map(([at, value]) => {
      const damaged = part.slice();
      damaged[at] = value;
      return damaged;
    }),
  );

  test('are read without throwing, and stay as they were', () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        const before = bytes.slice();
        decodePart(bytes);
        decodeInitSegment(bytes);
        decodeChainBox(bytes);
        decodeResumePoints(bytes);
        scanSegment(concatBytes([encodeChainBox(chain), bytes]));
        expect(bytes).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });
});
