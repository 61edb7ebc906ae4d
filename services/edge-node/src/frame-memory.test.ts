import { expect, test } from 'vitest';
import { createFrameMemory, joinFrames } from './frame-memory.ts';

test('frames have the bytes they ask for, and none touches another', () => {
  const memory = createFrameMemory();
  const frames = Array.from({ length: 300 }, (_, index) => memory(1 + ((index * 37) % 1300)).fill(index));
  expect(frames.map(({ length }) => length)).toEqual(frames.map((_, index) => 1 + ((index * 37) % 1300)));
  for (const [index, frame] of frames.entries()) expect(new Set(frame)).toEqual(new Set([index & 0xff]));
  expect(memory(1_000_000).length).toBe(1_000_000);
});

test('what follows in memory is joined, over slabs and around others, without a byte lost or moved', () => {
  const memory = createFrameMemory();
  const other = Uint8Array.of(7, 7);
  const frames = Array.from({ length: 200 }, (_, index) => memory(1000).fill(index));
  const all = [...frames.slice(0, 90), other, ...frames.slice(90)];
  const joined = joinFrames(all);
  expect(Buffer.concat(joined)).toEqual(Buffer.concat(all));
  expect(joined.length).toBeLessThan(8);
  expect(joinFrames([frames[1] as Uint8Array, frames[0] as Uint8Array])).toHaveLength(2);
  expect(joinFrames([])).toEqual([]);
});
