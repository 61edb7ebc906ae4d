import { describe, expect, test } from 'vitest';
import { senderClock } from './sender-clock.ts';

const ntp = 1_762_842_203_000;

test('a report tells the sender’s time at any timestamp near it, over the wrap', () => {
  const clock = senderClock(90);
  expect(clock.ntpMsOf(0)).toBeNull();
  clock.report(0xffff_ffa6, ntp, 0xffff_0000);
  expect(clock.ntpMsOf(0)).toBe(ntp + 1);
  expect(clock.ntpMsOf(90_000 * 61)).toBeNull();
});

test('later reports correct the drift between the sender’s two clocks, and their own jitter is smoothed', () => {
  const clock = senderClock(90);
  for (let second = 0; second <= 3600; second += 5) {
    const jitterMs = (second / 5) % 2 === 0 ? 4 : -4;
    clock.report((second * 90_009) >>> 0, ntp + second * 1000 + jitterMs, null);
  }
  expect(Math.abs((clock.ntpMsOf((3600 * 90_009) >>> 0) ?? 0) - (ntp + 3_600_000))).toBeLessThan(4);
});

describe('a report is left out', () => {
  test.each([
    ['with a timestamp of all ones', 0xffff_ffff, ntp],
    ['without NTP time', 90_000, -2_208_988_800_000],
    ['far from the media', 90_000 * 120, ntp],
  ])('%s', (_, rtp, ntpMs) => {
    const clock = senderClock(90);
    clock.report(rtp, ntpMs, 0);
    expect(clock.ntpMsOf(rtp)).toBeNull();
  });

  test('that jumps, unless three in a row agree', () => {
    const clock = senderClock(90);
    clock.report(0, ntp, 0);
    clock.report(90_000, ntp + 1000 + 700, 90_000);
    clock.report(180_000, ntp + 2000, 180_000);
    clock.report(270_000, ntp + 3000 - 700, 270_000);
    clock.report(360_000, ntp + 4000 + 700, 360_000);
    expect(clock.ntpMsOf(360_000)).toBe(ntp + 4000);
    clock.report(450_000, ntp + 5000 + 700, 450_000);
    clock.report(540_000, ntp + 6000 + 700, 540_000);
    expect(clock.ntpMsOf(540_000)).toBe(ntp + 6700);
  });
});
