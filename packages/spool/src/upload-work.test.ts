import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openTestSpool, startTestRecording, storeTestInits, testSegment, toPut } from './spool-fixture.ts';

const numbers = (found: readonly { number: number }[]) => found.map(({ number }) => number);

test('what waits is read oldest first, a page at a time, from any place', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  for (const n of [1, 2, 3, 4]) t.spool.closeSegment(id, testSegment(n));
  storeTestInits(t.ledger, id);
  t.ledger.markSegmentStored(id, 2);
  const first = t.ledger.segmentsAfter(0, 2);
  expect(numbers(first)).toEqual([1, 3]);
  expect(numbers(t.ledger.segmentsAfter(first.at(-1)?.seq ?? 0, 2))).toEqual([4]);
  expect(t.ledger.segmentsAfter(t.ledger.lastSegment(), 2)).toEqual([]);
  expect(t.ledger.initsAfter(0, 10)).toEqual([]);
});

test('a segment whose init files are not stored names them; leased it is nothing, stored it waits no more', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  t.spool.closeSegment(id, testSegment(1));
  const segment = { kind: 'segment', recordingId: id, number: 1 } as const;
  const tracks = () => {
    const turn = t.ledger.segmentToPut(segment);
    return turn.kind === 'put'
      ? turn.items.map((item) => (item.kind === 'init' ? item.track : item.number))
      : turn.kind;
  };
  expect(tracks()).toEqual(['video', 'audio']);
  const [video] = t.ledger.initsAfter(0, 1);
  if (video === undefined) throw new Error('no init file waits');
  t.ledger.lease({ kind: 'init', ...video }, 'a', t.clock.ms + 1000);
  expect(tracks()).toEqual(['audio']);
  expect(t.ledger.initToPut(video)).toBeNull();
  storeTestInits(t.ledger, id);
  const [item] = toPut(t.ledger);
  expect(item).toMatchObject({
    ...segment,
    files: [
      {
        track: 'video',
        key: 'cam-1/1762842203/v_seg_0001.m4s',
        path: join(t.dir, 'cam-1/1762842203/v_seg_0001.m4s'),
      },
      { track: 'audio' },
    ],
  });
  t.ledger.lease(segment, 'a', t.clock.ms + 1000);
  expect(tracks()).toBe('held');
  t.ledger.markSegmentStored(id, 1);
  expect(tracks()).toBe('gone');
});

test('live is the last segment of what is running, if that one waits', () => {
  using t = openTestSpool();
  const [ended, live, kept] = ['cam-1', 'cam-2', 'cam-3'].map((stream) => startTestRecording(t.spool, stream));
  for (const id of [ended, live, kept])
    for (const n of [1, 2]) if (id !== undefined) t.spool.closeSegment(id, testSegment(n));
  t.spool.endRecording(ended ?? '', 'deleted', t.clock.ms);
  storeTestInits(t.ledger, kept ?? '');
  t.ledger.markSegmentStored(kept ?? '', 2);
  expect(t.ledger.liveSegments(10)).toMatchObject([{ recordingId: live, number: 2 }]);
});

test('what waits is found by its index, however much there is: no table is read through, nothing sorted', () => {
  using t = openTestSpool();
  using db = new DatabaseSync(join(t.dir, 'ledger.db'), { readOnly: true });
  for (const [table, index] of [
    ['segments', 'segments_unsent'],
    ['inits', 'inits_unsent'],
  ]) {
    const plan = db
      .prepare(`explain query plan select seq from ${table} where remote = 'none' and local = 'present' and seq > ?
        order by seq limit ?`)
      .all(0, 64)
      .map(({ detail }) => String(detail));
    expect(plan).toEqual([expect.stringMatching(`^SEARCH ${table} USING (COVERING )?INDEX ${index} `)]);
  }
});
