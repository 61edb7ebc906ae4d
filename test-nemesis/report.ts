import type { Account } from './accounting.ts';
import type { RunResult } from './run.ts';

const MAX_FAILURES = 20;

const words = {
  published: 'published',
  once: 'in the bucket exactly once',
  explained: 'explained by gap rows',
  allowed: 'allowed by the faults',
  beyond: 'beyond that',
  unexplained: 'unexplained',
  twice: 'twice',
  foreign: 'foreign',
} as const satisfies Partial<Record<keyof Account, string>>;

const sums = (accounts: readonly Account[]): string =>
  (Object.keys(words) as (keyof typeof words)[])
    .map((column) => `${accounts.reduce((total, account) => total + account[column], 0)} ${words[column]}`)
    .join(', ');

/** What a run prints at its end: the sums over its streams, and what failed. */
export const accountLines = ({ accounts, failures, seconds }: RunResult): string[] => {
  const more = failures.length > MAX_FAILURES ? [`… and ${failures.length - MAX_FAILURES} more`] : [];
  return [
    `${failures.length === 0 ? 'passed' : 'FAILED'} in ${seconds.toFixed(1)} s: frames ${sums(accounts)}`,
    ...failures.slice(0, MAX_FAILURES).map((failure) => `- ${failure}`),
    ...more,
  ];
};

/** What all runs print at the end. */
export const totalLines = (results: readonly { seed: number; result: RunResult }[]): string[] => {
  const failed = results.filter(({ result }) => result.failures.length > 0).map(({ seed }) => seed);
  const seconds = results.reduce((total, { result }) => total + result.seconds, 0);
  return [
    `frames of all runs: ${sums(results.flatMap(({ result }) => result.accounts))}`,
    `${results.length - failed.length} of ${results.length} runs passed in ${seconds.toFixed(0)} s${failed.length > 0 ? `; failed: ${failed.join(', ')}` : ''}`,
  ];
};

/** Frames of all runs that no fault may cost, or that no gap row tells of. */
const lostFrames = (results: readonly { result: RunResult }[]): number =>
  results
    .flatMap(({ result }) => result.accounts)
    .reduce((total, { beyond, unexplained }) => total + Math.max(beyond, unexplained), 0);

/** Whether a known-bad build was noticed: by lost frames alone, for a run that breaks down says nothing of the build. */
export const verdictOn = (
  mutation: string,
  results: readonly { result: RunResult }[],
): { isNoticed: boolean; line: string } => {
  const lost = lostFrames(results);
  const why = `was noticed: ${lost} frames are lost that no fault may cost, or that nothing tells of`;
  return { isNoticed: lost > 0, line: `the known-bad build ${mutation} ${lost > 0 ? why : 'was NOT noticed'}` };
};
