import { expect, test } from 'vitest';
import { decodeDOps, encodeDOps, opusDuration } from './opus.ts';

test.each([
  ['SILK 10 ms', [0x00], 480],
  ['SILK 60 ms', [0x18], 2880],
  ['hybrid 20 ms', [0x68], 960],
  ['CELT 2.5 ms', [0x80], 120],
  ['CELT 20 ms, as browsers send', [0xfc - 4], 960],
  ['two frames', [0xf9], 1920],
  ['three frames of 20 ms', [0xfb, 3], 2880],
  ['more than 120 ms', [0xfb, 7], null],
  ['no frame', [0xfb, 0], null],
  ['nothing', [], null],
])('%s', (_, bytes, ticks) => {
  expect(opusDuration(Uint8Array.from(bytes))).toBe(ticks);
});

test('dOps is written and read', () => {
  const record = encodeDOps(2);
  expect(Buffer.from(record).toString('hex')).toBe('000200000000bb80000000');
  expect(decodeDOps(record)).toEqual({ channels: 2 });
  expect(decodeDOps(record.subarray(0, 5))).toBeNull();
});
