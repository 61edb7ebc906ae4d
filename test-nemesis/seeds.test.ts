import { expect, test } from 'vitest';
import { faultKinds } from './fault-kinds.ts';
import { planOf } from './plan.ts';
import { fixedSeeds, seedsOf } from './seeds.ts';

test('the fixed seeds together have every fault and every way to set up site and cloud', () => {
  const plans = fixedSeeds.map((seed) => planOf(seed));
  const drawn = new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  expect([...drawn].sort()).toEqual([...faultKinds].sort());
  const valuesOf = (key: 'upload' | 'database' | 'uploaders' | 'indexers') => new Set(plans.map((plan) => plan[key]));
  for (const key of ['upload', 'database', 'uploaders', 'indexers'] as const) expect(valuesOf(key).size, key).toBe(2);
  expect(fixedSeeds).toHaveLength(5);
});

test('presigned URLs expire where they are used', () => {
  const expiring = fixedSeeds
    .map((seed) => planOf(seed))
    .filter(({ upload, faults }) => upload === 'presigned' && faults.some(({ kind }) => kind === 'urls_expire'));
  expect(expiring.length).toBeGreaterThan(0);
});

test('seeds are numbers and ranges', () => {
  expect(seedsOf('3')).toEqual([3]);
  expect(seedsOf('3,7-9,1')).toEqual([3, 7, 8, 9, 1]);
  for (const text of ['', 'x', '3,', '9-7', '1-20000', '-1', '1.5', '12345678901'])
    expect(() => seedsOf(text), text).toThrow(/expected numbers and ranges/);
});
