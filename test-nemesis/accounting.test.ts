import { expect, test } from 'vitest';
import { type Allowance, accountOf, isSound, type StreamEvidence } from './accounting.ts';

const published = Array.from({ length: 10 }, (_, number) => ({ number, sentMs: 1_000_000 + number * 10_000 }));
const all = published.map(({ number }) => number);
const sentOf = (number: number): number => published[number]?.sentMs ?? 0;
const around = (number: number) => ({ fromMs: sentOf(number) - 100, toMs: sentOf(number) + 100 });
const without = (number: number): number[] => all.filter((one) => one !== number);
const killed = (number: number, stream: string | null = null): Allowance => ({
  ...around(number),
  fault: 'node_killed',
  stream,
});

const account = (evidence: Partial<StreamEvidence>, allowances: readonly Allowance[] = []) => {
  const result = accountOf({ stream: 'cam-1', published, found: all, gaps: [], ...evidence }, allowances);
  return { ...result, isSound: isSound(result) };
};

test('every frame once is sound', () => {
  expect(account({})).toMatchObject({
    published: 10,
    once: 10,
    beyond: 0,
    unexplained: 0,
    isSound: true,
    examples: [],
  });
});

test('a frame that is missing is sound only when a fault may cost it and a gap row tells of it', () => {
  const lost = { found: without(4), gaps: [around(4)] };
  expect(account(lost, [killed(4)])).toMatchObject({ once: 9, allowed: 1, explained: 1, isSound: true });
  expect(account(lost)).toMatchObject({
    allowed: 0,
    beyond: 1,
    explained: 1,
    unexplained: 0,
    isSound: false,
    examples: ['lost beyond what the faults may cost cam-1:4'],
  });
  expect(account({ found: without(4) }, [killed(4)])).toMatchObject({
    allowed: 1,
    beyond: 0,
    unexplained: 1,
    isSound: false,
    examples: ['lost without a gap row cam-1:4'],
  });
});

test('what a fault may cost one stream it may not cost another, nor at another time', () => {
  const lost = { found: without(4), gaps: [around(4)] };
  expect(account(lost, [killed(4, 'cam-1')]).isSound).toBe(true);
  expect(account(lost, [killed(4, 'cam-2')]).isSound).toBe(false);
  expect(account(lost, [killed(5)]).isSound).toBe(false);
});

test('a gap row that lies elsewhere explains nothing', () => {
  expect(account({ found: without(4), gaps: [around(6)] }, [killed(4)])).toMatchObject({
    unexplained: 1,
    isSound: false,
  });
});

test('a frame that is there twice, in one file or in two recordings, is no loss and not sound', () => {
  expect(account({ found: [...all, 3] })).toMatchObject({ once: 9, twice: 1, beyond: 0, isSound: false });
});

test('a frame that nobody published, or that has no number, is not sound', () => {
  expect(account({ found: [...all, 77] })).toMatchObject({ foreign: 1, isSound: false });
  expect(account({ found: [...all, null, null] })).toMatchObject({ foreign: 2, isSound: false });
});

test('a run in which nothing was published, or nothing arrived, proves nothing', () => {
  expect(account({ published: [], found: [] }).isSound).toBe(false);
  const allowed: Allowance = { fault: 'node_killed', stream: null, fromMs: 0, toMs: 2_000_000 };
  expect(account({ found: [], gaps: [allowed] }, [allowed]).isSound).toBe(false);
});
