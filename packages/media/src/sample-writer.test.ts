import { expect, test } from 'vitest';
import { type RawPart, type Sample, sampleWriter } from './sample-writer.ts';

const limits = { ticks: 45_000, bytes: 1_000_000, samples: 512, waitMs: 500, stillMs: 15_000 };
const place = { segment: 1, period: 1, configuration: new Uint8Array() };

const sampleAt = (ticks: number, hint: number | null = null): Sample =>
  ({
    ticks,
    hint,
    duration: 0,
    offset: 0,
    rtp: ticks,
    key: ticks === 0,
    size: 1,
    pieces: [Uint8Array.of(1)],
    firstSequence: 0,
    firstOrdinal: 0,
    arrivalMs: ticks / 90,
  }) as Sample;

test('a sample lasts until the next one begins, not as long as the one before it', () => {
  const parts: RawPart[] = [];
  const writer = sampleWriter(limits, 3000, { end: 0, lastRtp: null }, (part) => parts.push(part));
  // A camera in the dark: 30 frames a second, then 10, then 60.
  const times = [0, 3000, 6000, 15_000, 24_000, 25_500, 27_000];
  for (const ticks of times) writer.add(sampleAt(ticks), place);
  writer.finish(30_000);
  const samples = parts.flatMap((part) => part.samples);
  expect(samples.map(({ ticks }) => ticks)).toEqual(times);
  expect(samples.map(({ duration }) => duration)).toEqual([3000, 3000, 9000, 9000, 1500, 1500, 3000]);
});
