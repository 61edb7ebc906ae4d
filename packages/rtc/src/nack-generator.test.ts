import { describe, expect, test } from 'vitest';
import { createNackGenerator } from './nack-generator.ts';

/** A generator that has its first packet, and has given up what could lie before it. */
const begun = (first: number) => {
  const nack = createNackGenerator();
  nack.received(first, -1000);
  for (let nowMs = -1000; nowMs < 0; nowMs += 100) nack.due(nowMs);
  return { nack, before: { ...nack.stats } };
};

describe('missing packets', () => {
  test('are asked for at once, again later, and no more when they arrive', () => {
    const { nack, before } = begun(65_534);
    for (const sequence of [65_535, 65_539]) expect(nack.received(sequence, 0)).toBe(true);
    expect(nack.due(0)).toEqual([65_536, 65_537, 65_538]);
    expect(nack.due(10)).toEqual([]);
    nack.received(65_537, 20);
    expect(nack.due(100)).toEqual([65_536, 65_538]);
    nack.received(65_536, 110);
    nack.received(65_538, 110);
    expect(nack.due(300)).toEqual([]);
    expect(nack.stats).toEqual({ requested: before.requested + 5, recovered: 3, abandoned: 0 });
  });

  test('that come by themselves before the first request were only out of order', () => {
    const { nack } = begun(1);
    for (const sequence of [3, 2]) nack.received(sequence, 0);
    expect(nack.due(0)).toEqual([]);
    expect(nack.stats.recovered).toBe(0);
  });

  test('are given up after a second', () => {
    const { nack } = begun(1);
    nack.received(3, 0);
    let requests = 0;
    for (let nowMs = 0; nowMs < 2000; nowMs += 20) requests += nack.due(nowMs).length;
    expect(requests).toBeGreaterThan(5);
    expect(requests).toBeLessThanOrEqual(20);
    expect(nack.stats.abandoned).toBe(1);
  });

  test('are asked for faster where answers come faster', () => {
    const requestsIn = (answerMs: number) => {
      const nack = createNackGenerator();
      let nowMs = 0;
      for (let sequence = 0; sequence < 100; sequence += 2) {
        nack.received(sequence, nowMs);
        nack.due(nowMs);
        nowMs += answerMs;
        if (sequence > 0) nack.received(sequence - 1, nowMs);
      }
      nack.received(200, nowMs);
      let requests = 0;
      for (let at = nowMs; at < nowMs + 500; at++) requests += nack.due(at).includes(150) ? 1 : 0;
      return requests;
    };
    expect(requestsIn(5)).toBeGreaterThan(requestsIn(60));
  });

  test('before the first that came are asked for too, three times, and are no loss', () => {
    const nack = createNackGenerator();
    nack.received(10, 0);
    expect(nack.due(0)).toEqual([6, 7, 8, 9]);
    nack.received(9, 50);
    expect(nack.due(100)).toEqual([6, 7, 8]);
    for (let nowMs = 200; nowMs < 2000; nowMs += 100) nack.due(nowMs);
    expect(nack.stats).toEqual({ requested: 4 + 3 + 3, recovered: 1, abandoned: 0 });
  });

  test('of a long hole are not asked for at all', () => {
    const nack = createNackGenerator();
    nack.received(1, 0);
    expect(nack.received(1000, 0)).toBe(false);
    expect(nack.due(0)).toEqual([]);
    expect(nack.received(1001, 1)).toBe(true);
    expect(nack.stats.abandoned).toBe(998);
  });
});
