import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRtp, parseRtp, type RtpFields } from './rtp.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

const packets: [string, RtpFields, string][] = [
  [
    'a marked packet at the wrap',
    {
      payloadType: 102,
      marker: true,
      sequence: 0xffff,
      timestamp: 0xffff_ffff,
      ssrc: 0x8000_0001,
      payload: bytes('65 88'),
    },
    '80e6 ffff ffffffff 80000001 6588',
  ],
  [
    'an empty payload',
    { payloadType: 0, marker: false, sequence: 0, timestamp: 0, ssrc: 0, payload: bytes('') },
    '8000 0000 00000000 00000000',
  ],
];

test.each(packets)('%s is written and read', (_, fields, hex) => {
  expect(encodeRtp(fields)).toEqual(bytes(hex));
  expect(parseRtp(bytes(hex))).toEqual({ ...fields, headerLength: 12 });
});

test.each([
  ['CSRCs', '8200 0001 00000002 00000003 0000000a 0000000b aabb', 20],
  ['a header extension', '9000 0001 00000002 00000003 bede0001 10ff0000 aabb', 20],
  ['padding', 'a000 0001 00000002 00000003 aabb 000003', 12],
])('%s is not payload', (_, hex, headerLength) => {
  const packet = parseRtp(bytes(hex));
  expect(packet?.payload).toEqual(bytes('aabb'));
  expect(packet?.headerLength).toBe(headerLength);
});

test.each([
  ['nothing', ''],
  ['a header cut short', '8000 0001 00000002 000000'],
  ['version 1', '4000 0001 00000002 00000003'],
  ['CSRCs beyond the end', '8f00 0001 00000002 00000003 0000000a'],
  ['an extension beyond the end', '9000 0001 00000002 00000003 bede0005 00000000'],
  ['padding longer than the payload', 'a000 0001 00000002 00000003 aa05'],
  ['padding of length zero', 'a000 0001 00000002 00000003 aa00'],
])('%s is refused', (_, hex) => {
  expect(parseRtp(bytes(hex))).toBeNull();
});

test('any bytes are read without throwing and stay as they were', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
      const before = input.slice();
      parseRtp(input);
      expect(input).toEqual(before);
    }),
  );
});
