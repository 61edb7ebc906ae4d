import { expect, test } from 'vitest';
import { openCircuit } from './circuit.ts';
import { retryTable } from './retry-table.ts';

const opened = () => {
  const clock = { ms: 0 };
  const changes: boolean[] = [];
  const now = () => clock.ms;
  const circuit = openCircuit({ monotonicMs: now, random: () => 0.5 }, (isOpen) => changes.push(isOpen));
  return { clock, changes, circuit };
};

test('three failures of contact in a row open it; one that got through in between starts the count anew', () => {
  const { circuit, changes } = opened();
  const outcomes = ['outage', 'outage', 'contact', 'outage', 'outage'] as const;
  for (const outcome of outcomes) circuit.begin()(outcome);
  expect(changes).toEqual([]);
  circuit.begin()('outage');
  expect(changes).toEqual([true]);
  expect(circuit.admits()).toBe(false);
});

test('while it is open one probe goes at a time; what was under way before changes nothing', () => {
  const { circuit, clock, changes } = opened();
  const before = Array.from({ length: 5 }, () => circuit.begin());
  for (const ended of before.slice(0, 4)) ended('outage');
  clock.ms = 250;
  expect(circuit.admits()).toBe(true);
  const probe = circuit.begin();
  expect(circuit.admits()).toBe(false);
  before[4]?.('outage');
  expect(circuit.admits()).toBe(false);
  probe('outage', { capMs: 60_000, retryAfterMs: 3_000 });
  clock.ms = 3_249;
  expect(circuit.admits()).toBe(false);
  clock.ms = 3_250;
  circuit.begin()('contact');
  expect(changes).toEqual([true, false]);
  expect(circuit.admits()).toBe(true);
});

test('waits double from half a second up to the cap, and nothing waits once the outage is over', () => {
  const clock = { ms: 0 };
  const retries = retryTable({ monotonicMs: () => clock.ms, random: () => 0.999 });
  const waits = Array.from({ length: 9 }, () => retries.failed('a', { capMs: 60_000 }));
  expect(waits).toEqual([499, 999, 1998, 3996, 7992, 15984, 31968, 60_000, 60_000]);
  expect(retries.failed('b', { capMs: 60_000, retryAfterMs: 90_000 })).toBe(90_000);
  expect([retries.isWaiting('a'), retries.isWaiting('b')]).toEqual([true, true]);
  retries.forgive();
  expect([retries.isWaiting('a'), retries.isWaiting('b')]).toEqual([false, false]);
  expect(retries.failuresOf('a')).toBe(9);
  retries.succeeded('a');
  expect(retries.failuresOf('a')).toBe(0);
});

test('a table that is full forgets the oldest wait and counts it', () => {
  const retries = retryTable({ monotonicMs: () => 0, random: () => 0.5 }, 2);
  for (const key of ['a', 'b', 'c']) retries.failed(key, { capMs: 60_000 });
  expect([retries.isWaiting('a'), retries.isWaiting('c'), retries.size, retries.forgotten]).toEqual([
    false,
    true,
    2,
    1,
  ]);
});
