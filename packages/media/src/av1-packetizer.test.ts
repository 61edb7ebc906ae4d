import { expect, test } from 'vitest';
import { packetizeAv1 } from './av1-packetizer.ts';

test('a Buffer, whose slices are views, is left as it is', () => {
  // A temporal delimiter, a sequence header and a frame, each with a size field.
  const unit = Buffer.from([0x12, 0, 0x0a, 2, 1, 2, 0x32, 3, 0x10, 4, 5]);
  const before = Buffer.from(unit);
  const first = packetizeAv1(unit, 1100);
  expect(unit).toEqual(before);
  expect(first).toEqual([{ payload: Uint8Array.of(0x28, 3, 0x08, 1, 2, 0x30, 0x10, 4, 5), marker: true }]);
  expect(packetizeAv1(unit, 1100)).toEqual(first);
});
