import { expect, test } from 'vitest';
import { ledgerBatch } from './ledger-batch.ts';

const openLedger = () => {
  const commits: number[] = [];
  let steps = 0;
  const inOne = <T>(work: () => T): T => {
    steps = 0;
    const result = work();
    commits.push(steps);
    return result;
  };
  return {
    commits,
    batch: ledgerBatch({ inOne }),
    step:
      <T>(value: T) =>
      () => {
        steps += 1;
        return value;
      },
  };
};

test('what comes together is one commit, and each gets its own answer', async () => {
  const { batch, commits, step } = openLedger();
  const results = await Promise.all([1, 2, 3].map((value) => batch(step(value))));
  expect([results, commits]).toEqual([[1, 2, 3], [3]]);
  await batch(step(4));
  expect(commits).toEqual([3, 1]);
});

test('more than may go together are several commits', async () => {
  const { batch, commits, step } = openLedger();
  await Promise.all(Array.from({ length: 150 }, (_, value) => batch(step(value))));
  expect(commits.reduce((sum, size) => sum + size)).toBe(150);
  expect(Math.max(...commits)).toBe(64);
});

test('a step that fails fails alone', async () => {
  const { batch, step } = openLedger();
  const failing = () => {
    throw new Error('constraint');
  };
  const ended = await Promise.allSettled([batch(step('a')), batch(failing), batch(step('b'))]);
  expect(ended.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)))).toEqual([
    'a',
    'Error: constraint',
    'b',
  ]);
});
