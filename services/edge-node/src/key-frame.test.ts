import { expect, test } from 'vitest';
import { keyFrameTest } from './key-frame.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test.each([
  ['a single IDR slice', bytes(0x65, 0x88), true],
  ['a single SPS', bytes(0x67, 0x42), true],
  ['a single PPS', bytes(0x68, 0xce), false],
  ['a single slice of another picture', bytes(0x41, 0x9a), false],
  ['STAP-A of SPS and PPS', bytes(0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce), true],
  ['STAP-A of PPS and IDR', bytes(0x78, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88), true],
  ['STAP-A of two slices', bytes(0x78, 0, 2, 0x41, 0x9a, 0, 2, 0x41, 0x9a), false],
  ['STAP-A cut short', bytes(0x78, 0, 9), false],
  ['the first fragment of an IDR slice', bytes(0x7c, 0x85, 0x88), true],
  ['a later fragment of an IDR slice', bytes(0x7c, 0x05, 0x88), false],
  ['the first fragment of another slice', bytes(0x5c, 0x81, 0x9a), false],
  ['an empty payload', bytes(), false],
])('H264: %s', (_, payload, expected) => {
  expect(keyFrameTest('h264')?.(payload)).toBe(expected);
});

test('a codec whose key frames cannot be told has no test', () => {
  expect(keyFrameTest('VP8')).toBeNull();
});
