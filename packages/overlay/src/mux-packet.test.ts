import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodePacket,
  encodePacket,
  framePiece,
  HEADER_BYTES,
  MAX_PACKET_BYTES,
  MAX_REASON_BYTES,
  type MuxFrame,
  type MuxHeader,
  resetCodes,
} from './mux-packet.ts';

const header: MuxHeader = {
  isFirstContact: true,
  isUnknown: false,
  from: '0011223344556677',
  to: '8899aabbccddeeff',
  generation: 3,
  sequence: 2 ** 40 + 5,
  acknowledged: 2 ** 33 + 1,
  selective: 0xf000_0001,
  latest: 2 ** 33 + 34,
};
const frames: MuxFrame[] = [
  { kind: 'open', stream: 1, target: '127.0.0.1:7777', token: 'token' },
  { kind: 'open', stream: 7, target: 'api', token: '' },
  { kind: 'data', stream: 1, bytes: new Uint8Array([1, 2, 3]) },
  { kind: 'finish', stream: 1 },
  { kind: 'reset', stream: 2 ** 32 - 1, code: 'forbidden', reason: 'not in the allow-list' },
  { kind: 'credit', stream: 1, upTo: 2 ** 40 },
];

const write = (head: MuxHeader, all: MuxFrame[]) => encodePacket(head, all.map(framePiece));

test.each(frames)('$kind is read as it was written', (frame) => {
  expect(decodePacket(write(header, [frame]))).toEqual({ ...header, frames: [frame] });
});

test('a message of many frames, and one of none', () => {
  expect(decodePacket(write(header, frames))).toEqual({ ...header, frames });
  expect(decodePacket(write({ ...header, sequence: 0 }, []))).toEqual({ ...header, sequence: 0, frames: [] });
});

test.each(Object.keys(resetCodes) as (keyof typeof resetCodes)[])('the reason %s', (code) => {
  const frame: MuxFrame = { kind: 'reset', stream: 1, code, reason: '' };
  expect(decodePacket(write(header, [frame]))?.frames).toEqual([frame]);
});

test('a reason that is too long is cut at a character', () => {
  const read = decodePacket(write(header, [{ kind: 'reset', stream: 1, code: 'refused', reason: 'é'.repeat(300) }]));
  expect(read?.frames).toEqual([
    { kind: 'reset', stream: 1, code: 'refused', reason: 'é'.repeat(MAX_REASON_BYTES / 2) },
  ]);
});

describe('what is refused', () => {
  const good = write(header, frames);
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };

  test.each([
    ['nothing', new Uint8Array(0)],
    ['a header that is cut', good.subarray(0, HEADER_BYTES - 1)],
    ['another version', changed(0, 2)],
    ['flags that are not known', changed(1, 4)],
    ['a frame type that is not known', changed(HEADER_BYTES, 99)],
    ['a frame that is longer than the message', changed(HEADER_BYTES + 5, 1)],
    ['a stream 0', changed(HEADER_BYTES + 4, 0)],
    ['a message that is too long', new Uint8Array(MAX_PACKET_BYTES + 1)],
    ['frames of a message that asks for no acknowledgement', write({ ...header, sequence: 0 }, frames)],
  ])('%s', (_, bytes) => {
    expect(decodePacket(bytes)).toBeNull();
  });

  test('every message that is cut', () => {
    for (let length = HEADER_BYTES + 1; length < good.length; length++) {
      const read = decodePacket(good.subarray(0, length));
      expect(read === null || read.frames.length < frames.length).toBe(true);
    }
  });

  test('any bytes are read or refused, never thrown at, and never changed', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) => changed(at, value)),
    );
    fc.assert(
      fc.property(hostile, (bytes) => {
        const before = bytes.slice();
        decodePacket(bytes);
        expect(bytes).toEqual(before);
      }),
    );
  });
});
