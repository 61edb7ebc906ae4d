import type { AttachedSpool } from '@weir/contracts';
import { expect, test } from 'vitest';
import { createRecorders, type Recorder } from './recorders.ts';

const recorder = (processId: string, spool: string, level: AttachedSpool['level'] = 'ok', capacity = 10) => {
  const closed: string[] = [];
  const one: Recorder & { closed: string[] } = {
    processId,
    alias: 'site',
    capacity,
    spool: { spool, last_stamp: 0, free_bytes: 1, level },
    ask: async () => null,
    close: (reason) => closed.push(reason),
    closed,
  };
  return one;
};

test('the free recorder with the fewest recordings is picked', () => {
  const recorders = createRecorders();
  const [busy, idle, full, small] = [
    recorder('1', 'a'),
    recorder('2', 'b'),
    recorder('3', 'c', 'full'),
    recorder('4', 'd', 'ok', 1),
  ];
  for (const one of [busy, idle, full, small]) recorders.attach(one);
  const counts = new Map<Recorder, number>([
    [busy, 5],
    [idle, 2],
    [full, 0],
    [small, 1],
  ]);
  const count = (one: Recorder) => counts.get(one) ?? 0;
  expect(recorders.pick(count, new Set())).toBe(idle);
  expect(recorders.pick(count, new Set([idle]))).toBe(busy);
  expect(recorders.pick(count, new Set([idle, busy]))).toBeUndefined();
});

test('a recorder of the same spool takes the place of the earlier one, whose end then changes nothing', () => {
  const recorders = createRecorders();
  const earlier = recorder('1', 'a');
  const later = recorder('2', 'a');
  recorders.attach(earlier);
  recorders.attach(later);
  expect(earlier.closed).toHaveLength(1);
  expect(recorders.detach(earlier)).toBe(false);
  expect(recorders.bySpool('a')).toBe(later);
  expect(recorders.detach(later)).toBe(true);
  expect(recorders.all()).toEqual([]);
});
