import { expect, test } from 'vitest';
import { type Claimant, createClaims } from './claims.ts';

const setUp = () => {
  let nowMs = 0;
  const ended: string[] = [];
  const claims = createClaims({ monotonicMs: () => nowMs });
  const claimant = (processId: string, spool: string): Claimant => ({
    processId,
    spool,
    recordingId: `${spool}-recording`,
    end: (reason, generation) => ended.push(`${processId} ${reason} by ${generation}`),
  });
  return { claims, ended, claimant, pass: (ms: number) => (nowMs += ms) };
};

test('the first claim wins, the second is refused by naming the holder', () => {
  const { claims, claimant, ended } = setUp();
  expect(claims.take('cam-1', claimant('first', 'spool-a')).kind).toBe('held');
  expect(claims.take('cam-1', claimant('second', 'spool-b'))).toEqual({ kind: 'busy', holder: 'first' });
  expect(claims.take('cam-2', claimant('second', 'spool-b')).kind).toBe('held');
  expect(ended).toEqual([]);
});

test('five seconds of silence end a claim, a heartbeat does not let it come to that', () => {
  const { claims, claimant, ended, pass } = setUp();
  const taken = claims.take('cam-1', claimant('first', 'spool-a'));
  if (taken.kind !== 'held') throw new Error('expected the claim');
  pass(4_900);
  expect(claims.heard(taken.claim)).toBe(true);
  pass(4_900);
  claims.expire();
  expect(claims.of('cam-1')).toBe(taken.claim);
  pass(100);
  expect(claims.take('cam-1', claimant('second', 'spool-b'))).toMatchObject({ kind: 'held', claim: { generation: 2 } });
  expect(ended).toEqual(['first superseded by 2']);
  expect(claims.heard(taken.claim)).toBe(false);
});

test('a claim given back is free at once; a superseded one cannot give back its successor', () => {
  const { claims, claimant, ended } = setUp();
  const first = claims.take('cam-1', claimant('first', 'spool-a'));
  const successor = claims.take('cam-1', claimant('restarted', 'spool-a'));
  if (first.kind !== 'held' || successor.kind !== 'held') throw new Error('expected both claims');
  expect(ended).toEqual(['first superseded by 2']);
  claims.release(first.claim);
  expect(claims.of('cam-1')).toBe(successor.claim);
  claims.release(successor.claim);
  expect(claims.take('cam-1', claimant('second', 'spool-b')).kind).toBe('held');
});

test('silent claims are ended without anybody asking for the stream', () => {
  const { claims, claimant, ended, pass } = setUp();
  claims.take('cam-1', claimant('first', 'spool-a'));
  pass(5_000);
  claims.expire();
  expect([claims.size, ended]).toEqual([0, ['first silent by 1']]);
});
