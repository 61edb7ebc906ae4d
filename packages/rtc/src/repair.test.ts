import { encodeRtp, parseRtp, reorderWindow } from '@weir/media';
import { expect, test } from 'vitest';
import { createNackGenerator } from './nack-generator.ts';

/** Numbers in 0…1, the same for the same seed (mulberry32). */
const randomFrom = (seed: number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** What is to happen, by the millisecond. */
const agenda = () => {
  const due = new Map<number, (() => void)[]>();
  return {
    add: (atMs: number, happen: () => void) => void due.set(atMs, [...(due.get(atMs) ?? []), happen]),
    run: (nowMs: number) => {
      for (const happen of due.get(nowMs) ?? []) happen();
      due.delete(nowMs);
    },
  };
};

const packetsPerSecond = 333;
const rtp = parseRtp(
  encodeRtp({ payloadType: 96, ssrc: 1, sequence: 0, timestamp: 0, marker: true, payload: new Uint8Array(1) }),
);

/** Minutes of a publisher, the node that asks it for what is missing, and the recorder's window, all in simulated time. */
const simulate = (minutes: number, delayMs: number) => {
  if (rtp === null) throw new Error('not RTP');
  const random = randomFrom(delayMs);
  const window = reorderWindow({ windowMs: 200, mostMs: 1000, startMs: 250, maxPackets: 2048 });
  const nack = createNackGenerator();
  const events = agenda();
  const arrived = new Set<number>();
  const totals = { transmissions: 0, lost: 0 };
  let nowMs = 0;

  const count = (items: ReturnType<typeof window.expire>) => {
    for (const item of items) if (item.kind === 'lost') totals.lost += item.count;
  };
  const receive = (sequence: number) => {
    if (arrived.has(sequence)) return;
    arrived.add(sequence);
    nack.received(sequence, nowMs);
    count(window.step({ kind: 'packet', sequence, ordinal: arrived.size, arrivalMs: nowMs, rtp }));
  };
  const travel = (arrive: () => void) => {
    const [fate, hold] = [random(), random()];
    if (fate >= 0.03) events.add(nowMs + delayMs + (fate < 0.08 ? Math.ceil(hold * 30) : 1), arrive);
  };
  const send = (sequence: number) => {
    totals.transmissions++;
    travel(() => receive(sequence));
  };

  const packets = minutes * 60 * packetsPerSecond;
  for (; nowMs < packets * 3 + 2000; nowMs++) {
    if (nowMs % 3 === 0 && nowMs / 3 < packets) send(nowMs / 3);
    events.run(nowMs);
    const wanted = nowMs % 20 === 0 ? nack.due(nowMs).filter((sequence) => sequence >= 0) : [];
    if (wanted.length > 0) travel(() => wanted.forEach(send));
    if (nowMs % 100 === 0) count(window.expire(nowMs));
  }
  return { ...totals, packets, arrived: arrived.size };
};

test.each([10, 20, 50, 100])(
  'in five minutes with three in a hundred lost each way, %i ms away, all that repetitions bring is awaited',
  (delayMs) => {
    const { transmissions, packets, arrived, lost } = simulate(5, delayMs);
    expect(transmissions).toBeGreaterThan(packets * 1.03);
    expect(arrived).toBe(packets);
    expect(lost).toBe(0);
  },
);
