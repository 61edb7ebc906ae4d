import { expect, test } from 'vitest';
import { waitingSweep } from './waiting-sweep.ts';

const rows = (count: number) => Array.from({ length: count }, (_, at) => ({ seq: at + 1 }));
const readOf = (of: { seq: number }[]) => (after: number, limit: number) =>
  of.filter(({ seq }) => seq > after).slice(0, limit);

test.each([5, 200, 400, 60_000])('what cannot go hides nothing behind it, with a look every %i ms', (betweenMs) => {
  let nowMs = 0;
  const sweep = waitingSweep(readOf(rows(1_000)), () => nowMs);
  const taken: number[] = [];
  const visit = ({ seq }: { seq: number }) => {
    if (seq <= 900 || taken.includes(seq)) return 'passed';
    taken.push(seq);
    return 'taken';
  };
  for (let look = 0; look < 300 && taken.length < 100; look += 1, nowMs += betweenMs) sweep.next(visit, 128);
  expect(taken[0]).toBe(901);
});

test('at the end it begins again, when that is due', () => {
  let nowMs = 0;
  const sweep = waitingSweep(readOf(rows(3)), () => nowMs);
  const seen: number[] = [];
  const visit = ({ seq }: { seq: number }) => {
    seen.push(seq);
    return 'passed' as const;
  };
  const look = () => sweep.next(visit, 128);
  look();
  look();
  expect(seen).toEqual([1, 2, 3]);
  nowMs = 1_000;
  look();
  expect(seen).toEqual([1, 2, 3, 1, 2, 3]);
});
