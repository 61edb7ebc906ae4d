import { expect, test } from 'vitest';
import { openTestSpool, startTestRecording, storeTestInits, testSegment } from './spool-fixture.ts';

/** Two recordings: of the first an init file and segment 1 are refused, of the second segments 2 and 3. */
const withRefused = () => {
  const t = openTestSpool();
  const [one, two] = [startTestRecording(t.spool, 'cam-1'), startTestRecording(t.spool, 'cam-2')];
  for (const id of [one, two]) for (const n of [1, 2, 3]) t.spool.closeSegment(id, testSegment(n));
  storeTestInits(t.ledger, two);
  t.ledger.markRefused({ kind: 'segment', recordingId: one, number: 1 }, 'its init file is refused');
  t.ledger.markRefused({ kind: 'init', recordingId: one, track: 'audio', period: 1 }, 'too strange');
  for (const number of [2, 3]) t.ledger.markRefused({ kind: 'segment', recordingId: two, number }, `not ${number}`);
  return { ...t, one, two };
};

test('what was refused is counted and listed by recording, with the reason of the first', () => {
  using t = withRefused();
  expect(t.ledger.refusedCount()).toEqual({ inits: 1, segments: 3 });
  expect(t.ledger.refusedRecordings()).toEqual([
    { recordDir: 'cam-1/1762842203', inits: 1, segments: 1, first: 1, last: 1, reason: 'too strange' },
    { recordDir: 'cam-2/1762842203', inits: 0, segments: 2, first: 2, last: 3, reason: 'not 2' },
  ]);
});

test('a recording, or all, is put again: rows travel, in steps, and what the spool has not any more stays refused', () => {
  using t = withRefused();
  t.ledger.lease({ kind: 'segment', recordingId: t.two, number: 3 }, 'a', t.clock.ms + 1000);
  t.ledger.removeSegment(t.two, 3, 'a', 'disk_full');
  const before = t.ledger.lastStamp();
  expect(t.ledger.retryRefused('cam-2/1762842203', 10)).toBe(1);
  expect(t.ledger.rowsAfter(before, 10)).toMatchObject([{ number: 2, remote: 'none', refused_reason: null }]);
  expect(t.ledger.refusedCount()).toEqual({ inits: 1, segments: 1 });
  expect([1, 2, 3].map(() => t.ledger.retryRefused(null, 1))).toEqual([1, 1, 0]);
  expect(t.ledger.segmentToPut({ recordingId: t.one, number: 1 })).toMatchObject({ kind: 'put' });
  expect(t.ledger.manifestOf(t.two, 'all').gaps).toMatchObject([{ cause: 'refused', segment: 3 }]);
  expect(t.ledger.segments(t.two)[2]).toMatchObject({ local: 'gone', remote: 'refused' });
});

test('a segment whose init file is refused says so, whatever becomes of its other init file', () => {
  using t = withRefused();
  const turn = t.ledger.segmentToPut({ recordingId: t.one, number: 2 });
  expect(turn).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/audio.*period 1.*too strange/) });
  t.ledger.retryRefused('cam-1/1762842203', 10);
  expect(t.ledger.segmentToPut({ recordingId: t.one, number: 2 })).toMatchObject({
    kind: 'put',
    items: [{ track: 'video' }, { track: 'audio' }],
  });
});
