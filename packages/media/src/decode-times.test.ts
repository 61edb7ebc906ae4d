import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTimes } from './decode-times.ts';

const timesOf = (shown: number[]): number[] => {
  const times = decodeTimes();
  return shown.map((each) => times.next(each, 0));
};

test('pictures in the order of presentation are decoded when they are shown', () => {
  expect(timesOf([0, 3000, 6000, 9000])).toEqual([0, 3000, 6000, 9000]);
});

/** Two B-frames between each two P-frames, of which `count` are shown a frame of 3000 ticks apart. */
const withBFrames = (count: number): number[] =>
  Array.from({ length: count }, (_, index) => {
    const place = index === 0 ? 0 : index + (index % 3 === 1 ? 2 : -1);
    return place * 3000;
  });

test('where pictures go back, soon all are decoded before they are shown, and evenly enough', () => {
  const shown = withBFrames(301);
  const times = timesOf(shown);
  const tooEarly = times.map((time, index) => time > (shown[index] ?? 0));
  expect(tooEarly.lastIndexOf(true)).toBeLessThan(12);
  expect(Math.max(...times.map((time, index) => (shown[index] ?? 0) - time))).toBeLessThanOrEqual(5 * 3000);
  for (const [index, time] of times.slice(1).entries()) expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(1500);
});

test('whatever comes, decode times grow', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 60 }), (shown) => {
      const times = timesOf(shown);
      for (const [index, time] of times.slice(1).entries()) expect(time).toBeGreaterThan(times[index] ?? 0);
    }),
  );
});
