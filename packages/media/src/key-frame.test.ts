import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyFrameTest } from './key-frame.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

const cases: Record<string, [string, Uint8Array, boolean][]> = {
  H264: [
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
  ],
  H265: [
    ['a VPS', bytes(0x40, 0x01, 0x0c), true],
    ['an SPS', bytes(0x42, 0x01, 0x01), true],
    ['a PPS', bytes(0x44, 0x01, 0xc1), false],
    ['an IDR slice without leading pictures', bytes(0x28, 0x01, 0xaf), true],
    ['a clean random access slice', bytes(0x2a, 0x01, 0xaf), true],
    ['a trailing slice', bytes(0x02, 0x01, 0xd0), false],
    ['an aggregate of VPS and SPS', bytes(0x60, 1, 0, 3, 0x40, 1, 12, 0, 3, 0x42, 1, 1), true],
    ['an aggregate of PPS and IDR', bytes(0x60, 1, 0, 3, 0x44, 1, 12, 0, 3, 0x28, 1, 1), true],
    ['an aggregate of two trailing slices', bytes(0x60, 1, 0, 3, 0x02, 1, 12, 0, 3, 0x02, 1, 1), false],
    ['the first fragment of an IDR slice', bytes(0x62, 0x01, 0x94, 0xaf), true],
    ['a later fragment of an IDR slice', bytes(0x62, 0x01, 0x14, 0xaf), false],
    ['the first fragment of a trailing slice', bytes(0x62, 0x01, 0x81, 0xd0), false],
    ['an empty payload', bytes(), false],
  ],
  VP8: [
    ['the start of a key frame', bytes(0x10, 0x50, 0x01), true],
    ['the start of another frame', bytes(0x10, 0x51, 0x01), false],
    ['a later packet of a key frame', bytes(0x00, 0x50, 0x01), false],
    ['the start of a further partition', bytes(0x11, 0x50, 0x01), false],
    ['a key frame behind a long picture id', bytes(0x90, 0x80, 0x81, 0x23, 0x50), true],
    ['another frame behind a short picture id', bytes(0x90, 0x80, 0x22, 0x51), false],
    ['a key frame behind all extensions', bytes(0x90, 0xe0, 0x81, 0x22, 0x07, 0x20, 0x50), true],
    ['a descriptor alone', bytes(0x90, 0x80, 0x81, 0x23), false],
    ['an empty payload', bytes(), false],
  ],
  VP9: [
    ['the start of a key frame', bytes(0x08, 0x82), true],
    ['behind a long picture id', bytes(0x88, 0x81, 0x23, 0x82), true],
    ['a later packet of a key frame', bytes(0x80, 0x22, 0x82), false],
    ['a frame that refers to others', bytes(0xc8, 0x22, 0x86), false],
    ['an intra-only frame', bytes(0x88, 0x22, 0x86), false],
    ['behind the index of the lowest layers', bytes(0xa8, 0x22, 0x00, 0x07, 0x82), true],
    ['the same in flexible mode', bytes(0xb8, 0x22, 0x00, 0x82), true],
    ['a frame of a higher spatial layer', bytes(0xa8, 0x22, 0x02, 0x07, 0x82), false],
    ['behind a scalability structure', bytes(0x8a, 0x22, 0x18, 5, 0, 2, 208, 2, 0x04, 1, 0x08, 1, 2, 0x82), true],
    ['of profile 3', bytes(0x08, 0xb0), true],
    ['of profile 3, a frame that is no key frame', bytes(0x08, 0xb2), false],
    ['a scalability structure cut short', bytes(0x0a, 0xf8, 1), false],
    ['an empty payload', bytes(), false],
  ],
  AV1: [
    ['the first packet of a coded video sequence', bytes(0x18, 0x0a, 0x0b), true],
    ['a packet of another frame', bytes(0x10, 0x30, 0x20), false],
    ['a sequence header alone, not announced', bytes(0x10, 0x08, 0x00), true],
    ['a sequence header and a key frame, not announced', bytes(0x20, 2, 0x08, 0x00, 0x30, 0x10), true],
    ['a sequence header repeated before another frame', bytes(0x20, 2, 0x08, 0x00, 0x30, 0x20), false],
    ['the same with lengths on all', bytes(0x00, 2, 0x08, 0x00, 2, 0x30, 0x20), false],
    ['a sequence header with size and extension', bytes(0x20, 4, 0x0e, 0x00, 1, 0, 0x36, 0x00, 1, 0x10), true],
    ['a packet that goes on with an OBU', bytes(0x98, 0x0a, 0x0b), false],
    ['an aggregation header alone', bytes(0x18), false],
    ['an empty payload', bytes(), false],
  ],
};

describe.each(Object.entries(cases))('%s', (codec, rows) => {
  test.each(rows)('%s', (_, payload, expected) => {
    expect(keyFrameTest(codec.toLowerCase())?.(payload)).toBe(expected);
  });

  test('any bytes are judged, and left as they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (payload) => {
        const before = payload.slice();
        expect(typeof keyFrameTest(codec)?.(payload)).toBe('boolean');
        expect(payload).toEqual(before);
      }),
    );
  });
});

test('a codec whose key frames cannot be told has no test', () => {
  expect(keyFrameTest('H266')).toBeNull();
  expect(keyFrameTest('constructor')).toBeNull();
});
