import { expect, test } from 'vitest';
import { rowWindow } from './row-window.ts';

test('pages move it, the cursor told makes room again', () => {
  const window = rowWindow(10);
  expect(window.give(20)()).toBe(true);
  expect(window.give(30)()).toBe(false);
  expect([window.sent, window.told]).toEqual([30, 10]);
  for (let stamp = 31; !window.isFull(); stamp += 1) window.give(stamp)();
  expect(window.follow(20)).toBe('on');
  expect([window.isFull(), window.sent]).toEqual([false, 60]);
  expect(window.follow(20)).toBe('same');
});

test('a lower cursor begins from there, as does one beyond what was sent', () => {
  const window = rowWindow(10);
  window.give(20)();
  expect(window.follow(5)).toBe('back');
  expect(window.sent).toBe(5);
  expect(window.follow(50)).toBe('on');
  expect(window.sent).toBe(50);
});

test('a page that was under way when all began anew moves nothing', () => {
  const window = rowWindow(10);
  const taken = window.give(20);
  window.beginAt(10);
  expect(taken()).toBe(false);
  expect(window.sent).toBe(10);
});
