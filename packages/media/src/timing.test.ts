import { expect, test } from 'vitest';
import { trackTimeline } from './timing.ts';

const wallMs = 1_762_842_203_000;
const start = { timeMs: 0, wallMs, ntpMs: null };

test('decode times follow the RTP clock over many wraps', () => {
  const timeline = trackTimeline(90_000);
  let rtp = 0xffff_ff00;
  timeline.placeAt(rtp, wallMs, start, 0);
  for (let minute = 1; minute < 3000; minute++) {
    rtp = (rtp + 5_400_000) >>> 0;
    expect(timeline.ticksOf(rtp)).toBe(minute * 5_400_000);
  }
});

test('without sender reports a track is placed by arrival', () => {
  const sound = trackTimeline(48_000);
  sound.placeAt(7, wallMs + 250, start, Number.NEGATIVE_INFINITY);
  expect(sound.ticksOf(7)).toBe(12_000);
});

test('with both sender reports it is placed by the sender’s clock', () => {
  const sound = trackTimeline(48_000);
  sound.senderReport(48_007, 5_000_000);
  sound.placeAt(7, wallMs + 250, { timeMs: 1000, wallMs, ntpMs: 4_998_900 }, 0);
  expect(sound.ticksOf(7)).toBe(1100 * 48);
});

test.each([
  ['all ones', 0xffff_ffff, 5_000_000],
  ['an unset clock', 48_007, -2_208_988_800_000],
  ['a time that disagrees with arrival by more than seconds', 48_007, 5_060_000],
])('a report with %s is not believed', (_, rtp, ntpMs) => {
  const sound = trackTimeline(48_000);
  sound.senderReport(rtp, ntpMs);
  sound.placeAt(7, wallMs + 250, { timeMs: 0, wallMs, ntpMs: 4_999_000 }, 0);
  expect(sound.ticksOf(7)).toBe(12_000);
});

test('a jump against arrival is noticed, a pause is none', () => {
  const timeline = trackTimeline(90_000);
  timeline.placeAt(0xffff_0000, wallMs, start, 0);
  timeline.follow(0xffff_0000, wallMs);
  const afterPause = (0xffff_0000 + 60 * 90_000) >>> 0;
  expect(timeline.jumps(afterPause, wallMs + 60_000)).toBe(false);
  expect(timeline.jumps(afterPause, wallMs + 33)).toBe(true);
  expect(timeline.jumps(12_345, wallMs + 33)).toBe(false);
  expect(timeline.jumps(0x8000_0000, wallMs + 33)).toBe(true);
});

test('after a restart it goes on where it stood', () => {
  const before = trackTimeline(90_000);
  before.placeAt(0xffff_f000, wallMs, start, 0);
  const clock = before.clockAt(180_000)!;
  expect(clock).toEqual({ rtp: (0xffff_f000 + 180_000) % 0x1_0000_0000, wallMs: wallMs + 2000, ntpMs: null });
  const after = trackTimeline(90_000, { ...clock, ticks: 180_000 });
  expect(after.ticksOf((clock.rtp + 3000) >>> 0)).toBe(183_000);
});

test('wall time follows arrival where the sender’s clock drifts', () => {
  const timeline = trackTimeline(90_000);
  timeline.placeAt(0, wallMs, start, 0);
  for (let frame = 1; frame <= 60_000; frame++)
    timeline.follow((frame * 3000) >>> 0, wallMs + frame * (1000 / 30) * 1.0001);
  const driftMs = 60_000 * (1000 / 30) * 0.0001;
  expect(timeline.wallMsOf(60_000 * 3000) - wallMs - 2_000_000).toBeCloseTo(driftMs, -1);
});
