import { expect, test } from 'vitest';
import { throttle } from './throttle.ts';

const manual = () => {
  let nowMs = 0;
  let waiting: { work: () => void; atMs: number }[] = [];
  return {
    clock: { monotonicMs: () => nowMs },
    later: (work: () => void, ms: number) => {
      const entry = { work, atMs: nowMs + ms };
      waiting.push(entry);
      return {
        [Symbol.dispose]: () => {
          waiting = waiting.filter((one) => one !== entry);
        },
      };
    },
    pass: (ms: number) => {
      nowMs += ms;
      const due = waiting.filter((one) => one.atMs <= nowMs);
      waiting = waiting.filter((one) => one.atMs > nowMs);
      for (const one of due) one.work();
    },
  };
};

test('the first request acts at once, those within the interval become one trailing act', () => {
  const time = manual();
  let acts = 0;
  const requests = throttle(() => (acts += 1), 500, time);
  requests.request();
  expect(acts).toBe(1);
  time.pass(100);
  requests.request();
  requests.request();
  expect(acts).toBe(1);
  time.pass(400);
  expect(acts).toBe(2);
  time.pass(499);
  requests.request();
  expect(acts).toBe(2);
  time.pass(1);
  expect(acts).toBe(3);
  time.pass(5_000);
  expect(acts).toBe(3);
});

test('a closed throttle forgets its trailing act', () => {
  const time = manual();
  let acts = 0;
  const requests = throttle(() => (acts += 1), 500, time);
  requests.request();
  requests.request();
  requests.close();
  time.pass(1_000);
  expect(acts).toBe(1);
});
