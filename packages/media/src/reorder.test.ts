import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Ordered, reorderWindow } from './reorder.ts';
import { encodeRtp, parseRtp } from './rtp.ts';

const rtp = parseRtp(
  encodeRtp({ payloadType: 0, marker: false, sequence: 0, timestamp: 0, ssrc: 0, payload: new Uint8Array() }),
)!;
const packet = (sequence: number, arrivalMs: number) => ({
  kind: 'packet' as const,
  rtp,
  sequence,
  ordinal: sequence,
  arrivalMs,
});
const brief = (ordered: readonly Ordered[]): (number | string)[] =>
  ordered.map((each) => (each.kind === 'lost' ? `lost ${each.count}` : each.sequence));
const limits = { windowMs: 200, mostMs: 250, startMs: 0, maxPackets: 100 };

test('packets in order pass at once', () => {
  const window = reorderWindow(limits);
  expect([65_535, 65_536].flatMap((sequence) => brief(window.step(packet(sequence, 0))))).toEqual([65_535, 65_536]);
});

test('a packet that comes within the window takes its place', () => {
  const window = reorderWindow(limits);
  const order = [1, 3, 4, 2].flatMap((sequence, index) => brief(window.step(packet(sequence, index * 80))));
  expect(order).toEqual([1, 2, 3, 4]);
});

test('one that does not is lost, in its place; if it comes later, it is late', () => {
  const window = reorderWindow(limits);
  window.step(packet(1, 0));
  expect(brief(window.step(packet(4, 10)))).toEqual([]);
  expect(brief(window.expire(260))).toEqual([]);
  expect(brief(window.expire(261))).toEqual(['lost 2', 4]);
  expect(brief(window.step(packet(2, 270)))).toEqual([]);
  expect(window.counters()).toEqual({ late: 1, lost: 2, recovered: 0 });
});

/** The time within which a packet that is missing at 0 may still come, by what was repaired before. */
const patienceMs = (window: ReturnType<typeof reorderWindow>, sequence: number): number => {
  window.step(packet(sequence, 0));
  window.step(packet(sequence + 2, 0));
  for (let nowMs = 0; nowMs < 5000; nowMs += 10) if (window.expire(nowMs).length > 0) return nowMs;
  return Number.POSITIVE_INFINITY;
};

describe('the window is 200 ms longer than repairs take', () => {
  const wide = { windowMs: 200, mostMs: 1000, startMs: 0, maxPackets: 100 };
  const afterRepairs = (tookMs: number) => {
    const window = reorderWindow(wide);
    let atMs = -1_000_000;
    for (let sequence = 0; sequence < 400; sequence += 2) {
      window.step(packet(sequence, atMs));
      window.step(packet(sequence + 2, atMs));
      atMs += tookMs;
      window.step(packet(sequence + 1, atMs));
    }
    return window;
  };

  test('before the first repair it is half a second', () => {
    expect(patienceMs(reorderWindow(wide), 1)).toBeCloseTo(500, -1.5);
  });

  test.each([
    [40, 240],
    [150, 350],
    [600, 800],
    [2000, 1000],
  ])('repairs that take %i ms are waited for %i ms', (tookMs, wanted) => {
    expect(Math.abs(patienceMs(afterRepairs(tookMs), 401) - wanted)).toBeLessThanOrEqual(25);
  });

  test('packets that were only out of order do not shorten it', () => {
    expect(patienceMs(afterRepairs(5), 401)).toBeCloseTo(500, -1.5);
  });

  test('one that came too late makes it longer for the next', () => {
    const window = reorderWindow(wide);
    window.step(packet(1, 0));
    window.step(packet(3, 0));
    expect(brief(window.expire(550))).toEqual(['lost 1', 3]);
    expect(brief(window.step(packet(2, 700)))).toEqual([]);
    window.step(packet(5, 1000));
    expect(brief(window.step(packet(4, 1690)))).toEqual([4, 5]);
    expect(window.counters()).toEqual({ late: 1, lost: 1, recovered: 1 });
  });
});

test('where the first packet is not known, those that come soon before it are not late', () => {
  const window = reorderWindow({ ...limits, startMs: 200 });
  expect([6, 7, 5].flatMap((sequence, index) => brief(window.step(packet(sequence, index * 60))))).toEqual([]);
  expect(window.inHand()).toEqual({ next: 5, firstOrdinal: 5 });
  expect(brief(window.expire(200))).toEqual([]);
  expect(brief(window.expire(201))).toEqual([5, 6, 7]);
  expect(brief(window.step(packet(8, 202)))).toEqual([8]);
  expect(brief(window.step(packet(4, 203)))).toEqual([]);
  expect(window.counters()).toEqual({ late: 1, lost: 0, recovered: 0 });
});

test('a window full of packets waits no longer', () => {
  const window = reorderWindow({ windowMs: 10_000, mostMs: 10_000, startMs: 0, maxPackets: 3 });
  const order = [1, 3, 4, 5, 6].flatMap((sequence) => brief(window.step(packet(sequence, 0))));
  expect(order).toEqual([1, 'lost 1', 3, 4, 5, 6]);
});

test('a sender that restarts below is followed after two packets in sequence', () => {
  const window = reorderWindow(limits);
  window.step(packet(5000, 0));
  expect([1000, 1001, 1002].flatMap((sequence) => brief(window.step(packet(sequence, 1))))).toEqual([
    'lost 1',
    1001,
    1002,
  ]);
});

test('after a restart the window begins behind what is durable', () => {
  const window = reorderWindow(limits, 10);
  expect([9, 11, 10].flatMap((sequence) => brief(window.step(packet(sequence, 0))))).toEqual([10, 11]);
});

test('whatever comes, each number comes out once, in order, or is told as lost', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { minLength: 1, maxLength: 80 }), (sequences) => {
      const window = reorderWindow({ windowMs: 20, mostMs: 20, startMs: 0, maxPackets: 8 });
      const out = sequences.flatMap((sequence, index) => [...window.step(packet(sequence, index))]);
      out.push(...window.flush());
      let next = sequences[0]!;
      for (const each of out) {
        if (each.kind === 'packet') expect(each.sequence).toBe(next);
        next += each.kind === 'packet' ? 1 : each.count;
      }
      const passed = out.filter(({ kind }) => kind === 'packet').length;
      expect(passed + window.counters().late).toBe(sequences.length);
    }),
  );
});
