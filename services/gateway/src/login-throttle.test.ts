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

test.each([
  ['a network of IPv6 is one', (i: number) => `2001:db8:0:1::${i + 1}`, true],
  ['however it is written', (i: number) => (i % 2 === 0 ? `2001:db8::1:0:0:${i}:1` : `2001:0db8:0:1:${i}::`), true],
  ['networks of IPv6 are several', (i: number) => `2001:db8:0:${i}::1`, false],
  ['addresses of IPv4 are several', (i: number) => `10.0.0.${i}`, false],
  ['so they are when they come by IPv6', (i: number) => `::ffff:10.0.0.${i}`, false],
])('among addresses, %s', (_name, address, areOne) => {
  const { now } = clock();
  const throttle = loginThrottle(now);
  const waits = Array.from({ length: 11 }, (_, i) => throttle.begin(address(i), `user-${i}`));
  expect((waits.at(-1) ?? 0) > 0).toBe(areOne);
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
