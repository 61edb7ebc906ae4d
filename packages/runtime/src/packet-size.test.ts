import { expect, test } from 'vitest';
import { packetSizeGuard } from './packet-size.ts';

const packet = (bytes: number): Buffer => {
  const length: number[] = [];
  for (let rest = bytes; ; rest = Math.floor(rest / 128)) {
    length.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([0x30, ...length]), Buffer.alloc(bytes, 0xff)]);
};

test.each([1, 2, 3, 7, 1_000])('lets packets up to the bound pass, in pieces of %i bytes', (piece) => {
  const guard = packetSizeGuard(300);
  const stream = Buffer.concat([packet(0), packet(127), packet(128), packet(300), packet(0)]);
  for (let at = 0; at < stream.length; at += piece) expect(guard(stream.subarray(at, at + piece))).toBe(true);
});

test('stops at the header of a packet that is too long, before its body', () => {
  const guard = packetSizeGuard(300);
  expect(guard(packet(300))).toBe(true);
  expect(guard(packet(301).subarray(0, 3))).toBe(false);
});

test('stops at a length of five bytes', () => {
  expect(packetSizeGuard(2 ** 40)(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x80]))).toBe(false);
});
