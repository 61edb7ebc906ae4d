import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  encodeJsonFrame,
  encodePacketFrame,
  lineReader,
  MAX_TAP_FRAME_BYTES,
  type TapFrame,
  tapFrameDecoder,
} from './tap-frames.ts';

const cases: [string, Uint8Array, TapFrame][] = [
  ['json', encodeJsonFrame({ kind: 'key_frame' }), { kind: 'json', value: { kind: 'key_frame' } }],
  [
    'packet',
    encodePacketFrame('audio', 2 ** 40 + 7, 1_762_842_203_123.25, Uint8Array.of(1, 2, 3)),
    {
      kind: 'packet',
      track: 'audio',
      ordinal: 2 ** 40 + 7,
      arrivalMs: 1_762_842_203_123.25,
      bytes: Uint8Array.of(1, 2, 3),
    },
  ],
  [
    'empty packet',
    encodePacketFrame('video', 0, 0, new Uint8Array(0)),
    { kind: 'packet', track: 'video', ordinal: 0, arrivalMs: 0, bytes: new Uint8Array(0) },
  ],
];

test.each(cases)('%s frame', (_name, bytes, frame) => {
  expect(tapFrameDecoder()(bytes)).toEqual([frame]);
});

test('frames come out whole however the stream is cut', () => {
  const stream = new Uint8Array(Buffer.concat(cases.map(([, bytes]) => bytes)));
  fc.assert(
    fc.property(fc.array(fc.nat({ max: stream.length }), { maxLength: 12 }), (cuts) => {
      const decode = tapFrameDecoder();
      const points = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const frames = points.slice(1).flatMap((to, i) => decode(stream.subarray(points[i], to)) ?? [null]);
      expect(frames).toEqual(cases.map(([, , frame]) => frame));
    }),
  );
});

test.each([
  ['no length', Uint8Array.of(0, 0, 0, 0)],
  ['too long', Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
  ['unknown type', Uint8Array.of(0, 0, 0, 1, 9)],
  ['short packet', Uint8Array.of(0, 0, 0, 2, 2, 0)],
  ['no JSON', Uint8Array.of(0, 0, 0, 2, 1, 0x7b)],
])('a stream with %s is broken', (_name, bytes) => {
  expect(tapFrameDecoder()(bytes)).toBeNull();
});

test('any bytes decode or break, never throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void tapFrameDecoder()(bytes)));
});

test('a frame over the bound is not made', () => {
  expect(() => encodeJsonFrame('x'.repeat(MAX_TAP_FRAME_BYTES))).toThrow(/at most/);
});

test('the hello line is taken off the stream, and bounded', () => {
  const push = lineReader(16);
  expect(push(Buffer.from('{"a":'))).toBeNull();
  expect(push(Buffer.from('1}\nrest'))).toEqual({ line: '{"a":1}', rest: Buffer.from('rest') });
  expect(lineReader(4)(Buffer.from('12345'))).toBe('too-long');
  expect(lineReader(4)(Buffer.from('1234\n'))).toMatchObject({ line: '1234' });
});

test('a hello line that comes byte by byte is the same line', () => {
  const push = lineReader(1000);
  const line = 'a hello with ümlauts';
  const said = [...Buffer.from(`${line}\n`)].map((byte) => push(Uint8Array.of(byte)));
  expect(said.pop()).toEqual({ line, rest: new Uint8Array(0) });
  expect(new Set(said)).toEqual(new Set([null]));
  const slow = lineReader(3);
  expect([...'1234'].map((digit) => slow(Buffer.from(digit)))).toEqual([null, null, null, 'too-long']);
});
