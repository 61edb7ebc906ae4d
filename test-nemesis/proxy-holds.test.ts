import { openTcpProxy } from '@weir/testkit';
import { expect, test } from 'vitest';
import { proxyHolds } from './proxy-holds.ts';

test('a proxy passes again when the last of those who hold it lets go, and refuses while one of them wants that', async () => {
  await using proxy = await openTcpProxy(() => 1);
  const modes: string[] = [];
  const seen = { ...proxy, set: (mode: 'pass' | 'refuse' | 'stall') => modes.push(mode) };
  const hold = proxyHolds();
  const first = hold([seen], 'stall');
  const second = hold([seen], 'refuse');
  first();
  second();
  expect(modes).toEqual(['stall', 'refuse', 'refuse', 'pass']);
});
