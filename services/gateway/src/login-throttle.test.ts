import { expect, test } from 'vitest';
import { loginThrottle } from './login-throttle.ts';

const clock = () => {
  let nowMs = 0;
  return { now: () => nowMs, pass: (ms: number) => (nowMs += ms) };
};

test('a name may be tried five times, then each further try waits twice as long', () => {
  const { now, pass } = clock();
  const throttle = loginThrottle(now);
  for (let i = 0; i < 5; i += 1) expect(throttle.begin(`10.0.0.${i}`, 'admin')).toBe(0);
  expect(throttle.begin('10.0.0.9', 'admin')).toBe(1_000);
  pass(1_000);
  expect(throttle.begin('10.0.0.9', 'admin')).toBe(0);
  expect(throttle.begin('10.0.0.9', 'admin')).toBe(2_000);
});

test('an address may be tried ten times, whatever the names', () => {
  const { now } = clock();
  const throttle = loginThrottle(now);
  for (let i = 0; i < 10; i += 1) expect(throttle.begin('10.0.0.1', `user-${i}`)).toBe(0);
  expect(throttle.begin('10.0.0.1', 'another')).toBeGreaterThan(0);
  expect(throttle.begin('10.0.0.2', 'another')).toBe(0);
});

test('a success and a quarter of an hour both wipe the slate', () => {
  const { now, pass } = clock();
  const throttle = loginThrottle(now);
  for (let i = 0; i < 5; i += 1) throttle.begin('10.0.0.1', 'admin');
  throttle.succeeded('10.0.0.1', 'admin');
  for (let i = 0; i < 5; i += 1) expect(throttle.begin('10.0.0.1', 'admin')).toBe(0);
  expect(throttle.begin('10.0.0.1', 'admin')).toBeGreaterThan(0);
  pass(900_000);
  expect(throttle.begin('10.0.0.1', 'admin')).toBe(0);
});

test('the table is bounded and says what it forgot', () => {
  const { now } = clock();
  const throttle = loginThrottle(now, 10);
  for (let i = 0; i < 20; i += 1) throttle.begin(`10.0.0.${i}`, `user-${i}`);
  expect(throttle.evicted()).toBe(30);
});
