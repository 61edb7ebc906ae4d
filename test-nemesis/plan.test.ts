import { expect, test } from 'vitest';
import { faultKinds } from './fault-kinds.ts';
import { planLine, planOf } from './plan.ts';

const plans = Array.from({ length: 400 }, (_, seed) => planOf(seed));
const kindsOf = (plan: (typeof plans)[number]) => plan.faults.map(({ kind }) => kind);

test('a seed always plans the same, and another something else', () => {
  expect(planOf(7)).toEqual(planOf(7));
  expect(planLine(planOf(7))).not.toBe(planLine(planOf(8)));
});

test('every fault and every way to set up is drawn, and no seed in vain', () => {
  expect(new Set(plans.flatMap(kindsOf))).toEqual(new Set(faultKinds));
  for (const key of ['upload', 'database', 'uploaders', 'indexers'] as const)
    expect(new Set(plans.map((plan) => plan[key])).size, key).toBe(2);
  expect(new Set(plans.map(({ evict }) => evict)).size).toBe(3);
  for (const plan of plans) expect(plan.faults.length).toBeGreaterThanOrEqual(6);
});

test('each fault comes while frames are published', () => {
  for (const { publishMs, faults } of plans)
    for (const { atMs, lastsMs, pick } of faults) {
      expect(atMs).toBeGreaterThan(0);
      expect(atMs + lastsMs).toBeLessThan(publishMs);
      expect(pick).toBeGreaterThanOrEqual(0);
      expect(pick).toBeLessThan(1);
    }
});

test('a fault that makes another one cost frames is not drawn beside it', () => {
  for (const plan of plans) {
    const kinds = kindsOf(plan);
    for (const spoils of ['disk_full', 'node_killed'] as const)
      expect(kinds.includes(spoils) && kinds.includes('recorder_killed'), spoils).toBe(false);
  }
});

test('a run of some kinds alone has no others', () => {
  for (let seed = 0; seed < 50; seed++)
    expect(new Set(planOf(seed, ['node_killed', 'bucket_500']).faults.map(({ kind }) => kind))).toEqual(
      new Set(['node_killed', 'bucket_500']),
    );
});
