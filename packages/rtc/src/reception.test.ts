import { describe, expect, test } from 'vitest';
import { createReception, middleOf } from './reception.ts';

describe('what a receiver report says', () => {
  test('loss in the interval and in all, over the wrap', () => {
    const reception = createReception(7, 90_000);
    expect(reception.report(0)).toBeUndefined();
    for (const sequence of [65_530, 65_531, 65_533, 65_537]) reception.received(sequence, 0, 0);
    expect(reception.report(0)).toMatchObject({
      ssrc: 7,
      fractionLost: 128,
      cumulativeLost: 4,
      highestSequence: 65_537,
    });
    for (const sequence of [65_538, 65_532]) reception.received(sequence, 0, 0);
    expect(reception.report(0)).toMatchObject({ fractionLost: 0, cumulativeLost: 3, highestSequence: 65_538 });
  });

  test('jitter of a steady stream is none, of an uneven one some', () => {
    const steady = createReception(1, 90_000);
    const uneven = createReception(1, 90_000);
    for (let packet = 0; packet < 200; packet++) {
      steady.received(packet, (0xffff_0000 + packet * 900) >>> 0, packet * 10);
      uneven.received(packet, packet * 900, packet * 10 + (packet % 2) * 8);
    }
    expect(steady.stats.jitterMs).toBeLessThan(0.1);
    expect(uneven.stats.jitterMs).toBeGreaterThan(6);
    expect(uneven.stats.jitterMs).toBeLessThan(8.1);
  });

  test('the last sender report and the time since', () => {
    const reception = createReception(1, 48_000);
    reception.received(1, 0, 0);
    const report = { ssrc: 1, ntpSeconds: 0xb44d_b705, ntpFraction: 0x2000_0000, rtpTimestamp: 0 };
    reception.senderReported({ ...report, packetCount: 0, octetCount: 0, reports: [] }, 1000);
    // The numbers of RFC 3550 §6.4.1, figure 2.
    expect(reception.report(6250)).toMatchObject({
      lastSenderReport: 0xb705_2000,
      delaySinceLastSenderReport: 0x5_4000,
    });
    expect(middleOf(0xb44d_b705, 0x2000_0000)).toBe(0xb705_2000);
  });
});
