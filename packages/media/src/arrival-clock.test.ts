import { describe, expect, test } from 'vitest';
import { arrivalClock, type RtpMoment } from './arrival-clock.ts';

const startMs = 1_762_842_203_000;
const hour = 3_600_000;
const video = (timestamp: number, ssrc = 1): RtpMoment => ({ track: 'video', ssrc, timestamp, perMs: 90 });

const clockWithSteps = (resumed?: Parameters<typeof arrivalClock>[1], absentMs?: number) => {
  const steps: number[] = [];
  return { clock: arrivalClock((byMs) => steps.push(byMs), resumed, absentMs), steps };
};

/** A second of frames, one each 40 ms from `fromMs`, with ticks as a live recording has them. */
const live = (clock: ReturnType<typeof arrivalClock>, fromMs: number, wallMs = startMs, ticks = true) => {
  let last = 0;
  for (let atMs = fromMs; atMs < fromMs + 1000; atMs += 40) {
    if (ticks && atMs % 200 === 0) clock.tick(atMs);
    last = clock.packet(wallMs + atMs, video((atMs * 90) >>> 0));
  }
  return last;
};

test('time stands at the newest arrival and runs on while nothing comes', () => {
  const { clock, steps } = clockWithSteps();
  live(clock, 0);
  expect(clock.nowMs()).toBe(startMs + 960);
  for (const tickMs of [1000, 1250, 1500, 1750]) clock.tick(tickMs);
  expect(clock.nowMs()).toBe(startMs + 1710);
  expect(steps).toEqual([]);
});

describe('a wall clock that is set', () => {
  test.each([hour, -hour, 2000, -2000])('by %i ms does not move the steady time; told times follow it', (stepMs) => {
    const { clock, steps } = clockWithSteps();
    live(clock, 0);
    expect(live(clock, 1000, startMs + stepMs)).toBe(startMs + 1960);
    expect(steps).toEqual([stepMs]);
    expect(clock.wallMs(startMs + 1960)).toBe(startMs + stepMs + 1960);
  });

  test('while the recorder was away is noticed by the RTP clock', () => {
    const resumed = [{ rtp: { ...video(1000 * 90), ssrc: null }, arrivalMs: startMs + 1000 }];
    const { clock, steps } = clockWithSteps(resumed);
    expect(live(clock, 1000, startMs + hour, false)).toBe(startMs + 1960);
    expect(steps).toEqual([hour]);
  });

  test.each([
    ['back, and another publication begins', -hour, true],
    ['not at all, and another publication begins', 0, true],
    ['back, and the publication goes on', -hour, false],
  ])('%s after a silence, which counts in full', (_name, stepMs, another) => {
    const { clock } = clockWithSteps();
    live(clock, 0);
    for (let tickMs = 1000; tickMs <= 4000; tickMs += 200) clock.tick(tickMs);
    if (another) clock.newPublication();
    const rtp = another ? video(77, 2) : video(4000 * 90);
    expect(clock.packet(startMs + 4000 + stepMs, rtp) - (startMs + 960)).toBeCloseTo(3000, -2);
    expect(clock.wallMs(clock.nowMs())).toBe(startMs + 4000 + stepMs);
  });

  test.each<[string, number, number | undefined, number]>([
    ['back, the length of which is known, counts in full', -hour, 5000, 5000],
    ['back, the length of which nobody knows, counts for a second', -hour, undefined, 1000],
    ['forward, the length of which is known, counts in full', hour, 5000, 5000],
    ['not at all, counts for what the packet says', 0, 5000, 4000],
  ])('%s, in an absence behind which another publication begins', (_name, stepMs, absentMs, countedMs) => {
    const resumed = [{ rtp: { ...video(1000 * 90), ssrc: null }, arrivalMs: startMs }];
    const { clock } = clockWithSteps(resumed, absentMs);
    clock.newPublication();
    expect(clock.packet(startMs + 4000 + stepMs, video(77, 2)) - startMs).toBe(countedMs);
    expect(clock.wallMs(clock.nowMs())).toBe(startMs + 4000 + stepMs);
  });

  test('in an absence is told by the RTP clock, though a report comes before its first packet', () => {
    const resumed = [{ rtp: { ...video(1000 * 90), ssrc: null }, arrivalMs: startMs + 1000 }];
    const { clock } = clockWithSteps(resumed, 5000);
    clock.packet(startMs + 3400 - hour, null);
    expect(clock.packet(startMs + 3500 - hour, video(3500 * 90))).toBe(startMs + 3500);
  });

  test('is not believed of a sender report alone', () => {
    const { clock, steps } = clockWithSteps();
    live(clock, 0);
    expect(clock.packet(startMs + hour, null)).toBe(startMs + 960);
    expect(steps).toEqual([]);
  });
});

describe('is no step:', () => {
  test('a silence that ticks and RTP clock passed too', () => {
    const { clock, steps } = clockWithSteps();
    live(clock, 0);
    for (let tickMs = 1000; tickMs < 61_000; tickMs += 200) clock.tick(tickMs);
    expect(live(clock, 61_000)).toBe(startMs + 61_960);
    expect(steps).toEqual([]);
  });

  test('a silence in a replay, where only the RTP clock tells of it', () => {
    const { clock, steps } = clockWithSteps();
    live(clock, 0, startMs, false);
    expect(live(clock, 600_000, startMs, false)).toBe(startMs + 600_960);
    expect(steps).toEqual([]);
  });

  test('a stall of the publisher’s network in a replay', () => {
    const { clock, steps } = clockWithSteps();
    live(clock, 0, startMs, false);
    expect(clock.packet(startMs + 10_000, video(1000 * 90))).toBe(startMs + 10_000);
    expect(steps).toEqual([]);
  });

  test('a tap that lay still while ticks ran on', () => {
    const { clock, steps } = clockWithSteps();
    live(clock, 0);
    for (let tickMs = 1000; tickMs < 11_000; tickMs += 200) clock.tick(tickMs);
    expect(live(clock, 1000)).toBe(startMs + 1960);
    expect(clock.nowMs()).toBe(startMs + 1960);
    expect(steps).toEqual([]);
  });

  test('another source, whose RTP clock says nothing of the one before', () => {
    const { clock, steps } = clockWithSteps();
    live(clock, 0);
    expect(clock.packet(startMs + hour, video(7, 2))).toBe(startMs + hour);
    expect(steps).toEqual([]);
  });
});
