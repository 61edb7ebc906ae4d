import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DriftingSource, fps, offsetsOf, recordSource } from './drifting-source.fixture.ts';
import { type Frame, makeVideo, removeFiles } from './recording.fixture.ts';

let frames: Frame[] = [];
beforeAll(() => {
  // A key frame and what follows it, cut short: only times are looked at here.
  frames = makeVideo('320x240')
    .slice(0, fps)
    .map(({ nals, key }) => ({ key, nals: nals.map((nal) => nal.subarray(0, 200)) }));
});
afterAll(removeFiles);

const hour = 3600;
const always = { fromMs: 0, errorMs: 3 };
const late = { ...always, fromMs: 10_000 };

const expectInStep = (source: DriftingSource, fromSecond = 0, restartEveryMs?: number): void => {
  const recorded = recordSource(source, frames, restartEveryMs);
  const { samples, gaps, segments, counters } = recorded;
  expect(counters).toMatchObject({ lost: 0, late: 0, movedUnits: 0 });
  expect(gaps).toEqual([]);
  expect(new Set(segments.map(({ period }) => period))).toEqual(new Set([1]));
  const offsets = offsetsOf(source, recorded).slice(fromSecond);
  expect(Math.max(...offsets)).toBeLessThanOrEqual(20);
  expect(Math.min(...offsets)).toBeGreaterThanOrEqual(-20);
  // No hole, no overlap, no sample that a player would notice.
  for (const [index, { ticks, duration }] of samples.audio.entries()) {
    const next = samples.audio[index + 1];
    if (next !== undefined && ticks + duration !== next.ticks) expect.fail(`a hole behind sample ${index}`);
    if (Math.abs(duration - 960) > 48) expect.fail(`sample ${index} lasts ${duration}`);
  }
};

describe('the beep is at most 20 ms from the flash', () => {
  test.each<[string, DriftingSource['ppm'], DriftingSource['reports']]>([
    ['with reports throughout', { video: 100, audio: -100, sender: 50, us: -100 }, always],
    ['without reports in the first ten seconds', { video: -100, audio: 100, sender: -100, us: 100 }, late],
    ['without any report', { video: 100, audio: -100, sender: 0, us: 100 }, null],
  ])('over an hour of drift, %s', (_, ppm, reports) => {
    expectInStep({ seconds: hour, ppm, jitterMs: 15, reports, seed: 1 });
  });

  const drift = { video: 100, audio: -100, sender: 50, us: -50 };

  test('from ten seconds after the first reports, when they show that the sound was 200 ms longer on its way', () => {
    const source = { seconds: 60, ppm: drift, jitterMs: 15, soundDelayMs: 200, reports: late, seed: 2 };
    expectInStep(source, 20);
    expect(offsetsOf(source, recordSource(source, frames))[5]).toBeGreaterThan(150);
  });

  test('also of a source whose SSRCs are known by its packets alone', () => {
    expectInStep(
      { seconds: 60, ppm: drift, jitterMs: 15, soundDelayMs: 200, reports: late, isUnnamed: true, seed: 8 },
      20,
    );
  });

  test('and no restart of the recorder is to be seen, while the sound is being steered', () => {
    const source = { seconds: 60, ppm: drift, jitterMs: 15, soundDelayMs: 200, reports: late, seed: 7 };
    expectInStep(source, 20, 1300);
  });

  test('when the sender sets its clock by 400 ms', () => {
    const wrongMs = (_: string, trueMs: number) => (trueMs > 60_000 ? 400 : 0);
    expectInStep({ seconds: 180, ppm: drift, jitterMs: 15, reports: { ...always, wrongMs }, seed: 3 });
  });

  test('when the sender sets its clock by an hour', () => {
    const wrongMs = (_: string, trueMs: number) => (trueMs > 60_000 ? -3_600_000 : 0);
    expectInStep({ seconds: 180, ppm: drift, jitterMs: 15, reports: { ...always, wrongMs }, seed: 4 });
  });

  test('when every tenth report of the picture is wrong by a second', () => {
    let count = 0;
    const wrongMs = (track: string) => (track === 'video' && count++ % 10 === 4 ? 1000 : 0);
    expectInStep({ seconds: 180, ppm: drift, jitterMs: 15, reports: { ...always, wrongMs }, seed: 5 });
  });

  test('when the reports of one track are wrong by more than arrival can be', () => {
    const wrongMs = (track: string) => (track === 'audio' ? 60_000 : 0);
    expectInStep({ seconds: 60, ppm: drift, jitterMs: 15, reports: { ...always, wrongMs }, seed: 6 });
  });

  test.each([1, 2, 3, 4, 5])('whatever the jitter, %i', (seed) => {
    expectInStep({ seconds: 120, ppm: drift, jitterMs: 18, reports: late, seed });
  });
});
