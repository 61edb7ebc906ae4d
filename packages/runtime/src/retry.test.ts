import { expect, test } from 'vitest';
import { within } from './clock.ts';
import { backoff, retry } from './retry.ts';
import { Stop } from './stop.ts';

const never = new AbortController().signal;

test('delays are random below a ceiling that doubles up to the cap', () => {
  const highest = backoff({ baseMs: 100, capMs: 500, random: () => 0.999 });
  expect([1, 2, 3, 4, 5].map(() => highest.next())).toEqual([99, 199, 399, 499, 499]);
  highest.reset();
  expect(highest.next()).toBe(99);
  expect(backoff({ random: () => 0 }).next()).toBe(0);
  const long = backoff({ capMs: 5_000, random: () => 0.5 });
  for (let i = 0; i < 2_000; i += 1) expect(long.next()).toBeLessThanOrEqual(2_500);
});

test('tries until it works, waiting in between', async () => {
  const slept: number[] = [];
  const clock = { sleep: async (ms: number) => void slept.push(ms) };
  const work = async (_signal: AbortSignal, attempt: number) => {
    if (attempt < 3) throw new Error(`no ${attempt}`);
    return attempt;
  };
  expect(await retry(work, never, { clock, baseMs: 100, random: () => 0.5 })).toBe(3);
  expect(slept).toEqual([50, 100]);
});

test('gives up after so many tries, or at once when it is useless', async () => {
  let tries = 0;
  const fail = async () => {
    tries += 1;
    throw new Error(`no ${tries}`);
  };
  const clock = { sleep: async () => undefined };
  await expect(retry(fail, never, { attempts: 3, clock })).rejects.toThrow('no 3');
  await expect(retry(fail, never, { retryable: () => false, clock })).rejects.toThrow('no 4');
});

test('a signal ends the wait', async () => {
  const controller = new AbortController();
  const fail = () => Promise.reject(new Error('no'));
  const work = retry(fail, controller.signal, { baseMs: 3_600_000, capMs: 3_600_000, random: () => 0.9 });
  setImmediate(() => controller.abort(new Stop('term')));
  await expect(work).rejects.toMatchObject({ name: 'AbortError' });
});

test('work that takes too long is not waited for', async () => {
  await expect(within(new Promise(() => undefined), 1, () => new Error('late'))).rejects.toThrow('late');
  expect(await within(Promise.resolve(1), 1_000, () => new Error('late'))).toBe(1);
});
