import { readFileSync } from 'node:fs';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { shiftedClocks } from './clocks.ts';

test('hours pass for all clocks, and one that is set right afterwards stays with the others', () => {
  using directory = temporaryDirectory('clocks');
  const clocks = shiftedClocks(directory.path);
  clocks.setOff('site', -1_000);
  clocks.pass(7_000);
  expect(['site', 'cloud', 'bucket'].map((name) => clocks.offsetMs(name as 'site'))).toEqual([6_000, 7_000, 7_000]);
  clocks.setOff('site', 0);
  expect(readFileSync(clocks.path('site'), 'utf8')).toBe('7000');
  expect(readFileSync(clocks.path('cloud'), 'utf8')).toBe('7000');
  expect([...clocks.siteOffsets]).toEqual([0, -1_000, 6_000, 7_000]);
});
