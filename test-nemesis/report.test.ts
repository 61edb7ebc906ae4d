import { expect, test } from 'vitest';
import { accountOf } from './accounting.ts';
import { totalLines, verdictOn } from './report.ts';

const published = [1, 2, 3].map((number) => ({ number, sentMs: number * 100 }));
const runThatFound = (...found: number[]) => {
  const account = accountOf({ stream: 'cam-1', published, found, gaps: [] }, []);
  return { seed: 7, result: { accounts: [account], failures: account.examples, seconds: 1 } };
};

test('a known-bad build is noticed by the frames that are lost, and by nothing else', () => {
  expect(verdictOn('bad', [runThatFound(1, 2, 3), runThatFound(1)])).toEqual({
    isNoticed: true,
    line: 'the known-bad build bad was noticed: 2 frames are lost that no fault may cost, or that nothing tells of',
  });
  expect(verdictOn('bad', [runThatFound(1, 2, 3)]).isNoticed).toBe(false);
  expect(verdictOn('bad', [runThatFound(1, 2, 2, 3)]).isNoticed).toBe(false);
  const brokenDown = { result: { accounts: [], failures: ['the node did not start'], seconds: 0 } };
  expect(verdictOn('bad', [brokenDown])).toEqual({ isNoticed: false, line: 'the known-bad build bad was NOT noticed' });
});

test('the totals of all runs come last, with the seeds that failed', () => {
  expect(totalLines([runThatFound(1, 2, 3), runThatFound(1)])).toEqual([
    expect.stringMatching(
      /^frames of all runs: 6 published, 4 in the bucket exactly once, .* 2 beyond that, 2 unexplained/,
    ),
    '1 of 2 runs passed in 2 s; failed: 7',
  ]);
});
