import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openTestSpool, startTestRecording, storeTestInits, testSegment, toPut } from './spool-fixture.ts';

test('a segment is stored only when its init files are', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  t.spool.closeSegment(id, testSegment(1));
  t.ledger.markInitStored({ recordingId: id, track: 'video', period: 1 });
  expect(t.ledger.markSegmentStored(id, 1)).toBe(false);
  expect(t.ledger.segments(id)[0]).toMatchObject({ remote: 'none', stored_stamp: null });
  t.ledger.markInitStored({ recordingId: id, track: 'audio', period: 1 });
  expect(t.ledger.markSegmentStored(id, 1)).toBe(true);
  const [row] = t.ledger.segments(id);
  expect(row).toMatchObject({ remote: 'stored', stored_stamp: row?.stamp });
  expect(t.ledger.markSegmentStored(id, 1)).toBe(true);
  expect(t.ledger.segments(id)[0]).toEqual(row);
});

test('what another holder has leased is not offered until the lease runs out', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  const [item] = toPut(t.ledger);
  if (item === undefined) throw new Error('no work');
  expect(t.ledger.lease(item, 'a', t.clock.ms + 1000)).toBe(true);
  expect(t.ledger.lease(item, 'b', t.clock.ms + 1000)).toBe(false);
  expect(t.ledger.lease(item, 'a', t.clock.ms + 2000)).toBe(true);
  expect(toPut(t.ledger)).toEqual([]);
  t.clock.ms += 2000;
  expect(toPut(t.ledger)).toEqual([item]);
  expect(t.ledger.lease(item, 'b', t.clock.ms + 1000)).toBe(true);
  t.ledger.release(item, 'b');
  expect(toPut(t.ledger)).toEqual([item]);
});

test('a lease is renewed while its holder lives; one from before the clock was set back holds nobody off', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  const [item] = toPut(t.ledger);
  if (item === undefined) throw new Error('no work');
  t.ledger.lease(item, 'a', t.clock.ms + 15_000);
  t.clock.ms += 10_000;
  t.ledger.renewAll('a', t.clock.ms + 15_000);
  t.clock.ms += 10_000;
  expect(toPut(t.ledger)).toEqual([]);
  expect(t.ledger.lease(item, 'b', t.clock.ms + 15_000)).toBe(false);
  t.clock.ms -= 3_600_000;
  expect(toPut(t.ledger)).toEqual([item]);
  expect(t.ledger.lease(item, 'b', t.clock.ms + 15_000)).toBe(true);
  t.ledger.renewAll('a', t.clock.ms + 60_000);
  expect(t.ledger.lease(item, 'a', t.clock.ms + 15_000)).toBe(false);
});

test('a holder that was killed gives up what it held when it is back, and nothing of others', () => {
  using t = openTestSpool();
  startTestRecording(t.spool, 'cam-1');
  const [video, audio] = toPut(t.ledger);
  if (video === undefined || audio === undefined) throw new Error('no work');
  t.ledger.lease(video, 'a', t.clock.ms + 1000);
  t.ledger.lease(audio, 'b', t.clock.ms + 1000);
  t.ledger.releaseAll('a');
  expect(toPut(t.ledger)).toEqual([video]);
});

test('the oldest segment that waits tells how far behind the bucket is', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  expect(t.ledger.oldestWaitingMs()).toBeNull();
  storeTestInits(t.ledger, id);
  for (const n of [1, 2]) t.spool.closeSegment(id, testSegment(n));
  t.ledger.markSegmentStored(id, 1);
  expect(t.ledger.oldestWaitingMs()).toBe(testSegment(2).start_ms);
});

test('indexed is what the cursor told covers and the index did not refuse', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  t.spool.closeSegment(id, testSegment(2));
  t.spool.tellCursor('index-1', t.spool.lastStamp(), []);
  t.ledger.markSegmentStored(id, 1);
  t.ledger.markSegmentStored(id, 2);
  const indexed = () => [1, 2].map((n) => t.ledger.isIndexed(id, n));
  expect(indexed()).toEqual([false, false]);
  const [first, second] = t.ledger.segments(id);
  t.ledger.tellCursor('index-1', first?.stamp ?? 0, []);
  expect(indexed()).toEqual([true, false]);
  t.ledger.tellCursor('index-1', second?.stamp ?? 0, [{ stamp: second?.stamp ?? 0, reason: 'stream not allowed' }]);
  expect(indexed()).toEqual([true, false]);
  expect(t.ledger.refusedRows()).toEqual([{ stamp: second?.stamp, reason: 'stream not allowed' }]);
  // An index restored from a backup: what it lost is not indexed any more.
  t.ledger.tellCursor('index-1', 5, []);
  expect(indexed()).toEqual([false, false]);
  expect(t.ledger.cursor()).toEqual({ index: 'index-1', cursor: 5 });
  t.ledger.tellCursor('index-1', second?.stamp ?? 0, []);
  expect(indexed()).toEqual([true, true]);
});

test('a cursor that is told again is not written again, but after another index it counts', () => {
  using t = openTestSpool();
  startTestRecording(t.spool, 'cam-1');
  const ledger = new DatabaseSync(join(t.dir, 'ledger.db'), { readOnly: true });
  const toldTimes = () => ledger.prepare('select max(told) as told from index_cursor').get()?.told;
  for (const index of ['index-1', 'index-1', 'index-2', 'index-1']) t.spool.tellCursor(index, 5, []);
  expect(toldTimes()).toBe(3);
  ledger.close();
  expect(t.spool.cursor()).toEqual({ index: 'index-1', cursor: 5 });
});

test('a refused segment is indexed once a later version of its row was taken', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  t.ledger.markSegmentStored(id, 1);
  const item = { kind: 'segment', recordingId: id, number: 1 } as const;
  const told = (cursor: number, refused: number[]) => {
    t.ledger.tellCursor(
      'index-1',
      cursor,
      refused.map((stamp) => ({ stamp, reason: 'stream not allowed' })),
    );
    return t.ledger.isIndexed(id, 1);
  };
  const stored = t.ledger.segments(id)[0]?.stamp ?? 0;
  expect(told(stored, [stored])).toBe(false);
  t.ledger.lease(item, 'a', t.clock.ms + 1000);
  t.ledger.removeSegment(id, 1, 'a', 'disk_full');
  const changed = t.ledger.segments(id)[0]?.stamp ?? 0;
  expect(told(stored, [])).toBe(false);
  expect(told(changed, [changed])).toBe(false);
  expect(told(stored, [])).toBe(false);
  expect(told(changed, [])).toBe(true);
});

test('only what is indexed is deleted by retention, only by the holder of its lease', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  t.ledger.markSegmentStored(id, 1);
  const path = join(t.dir, 'cam-1/1762842203/v_seg_0001.m4s');
  writeFileSync(path, 'media');
  const item = { kind: 'segment', recordingId: id, number: 1 } as const;
  expect(() => t.ledger.removeSegment(id, 1, 'a', 'retention')).toThrow(/no lease/);
  t.ledger.lease(item, 'a', t.clock.ms + 1000);
  expect(() => t.ledger.removeSegment(id, 1, 'a', 'retention')).toThrow(/not indexed/);
  t.ledger.tellCursor('index-1', t.ledger.lastStamp(), []);
  expect(t.ledger.removeSegment(id, 1, 'a', 'retention')).toBe(true);
  expect(existsSync(path)).toBe(false);
  expect(t.ledger.segments(id)[0]).toMatchObject({ local: 'gone', remote: 'stored' });
  expect(t.ledger.gaps(id)).toEqual([]);
});

test("a segment's gap stands exactly while it is gone and not stored", () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  t.ledger.lease({ kind: 'segment', recordingId: id, number: 1 }, 'a', t.clock.ms + 1000);
  const standing = () => t.ledger.manifestOf(id, 'all').gaps.map(({ cause, segment }) => `${cause} ${segment}`);
  expect(standing()).toEqual([]);
  t.ledger.removeSegment(id, 1, 'a', 'disk_full');
  expect(standing()).toEqual(['evicted 1']);
  t.ledger.markSegmentStored(id, 1);
  expect(standing()).toEqual([]);
  t.ledger.markMissing({ kind: 'segment', recordingId: id, number: 1 });
  expect(standing()).toEqual(['evicted 1']);
  expect(t.ledger.gaps(id)).toHaveLength(1);
});

test('a manifest is due when a segment became stored or its recording changed, until it is put', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  expect(t.ledger.manifestsDue(10)).toEqual([]);
  t.ledger.markSegmentStored(id, 1);
  expect(t.ledger.manifestsDue(10)).toEqual([id]);
  const facts = t.ledger.manifestOf(id, 'stored');
  t.spool.closeSegment(id, testSegment(2));
  t.ledger.markSegmentStored(id, 2);
  t.ledger.markManifestStored(id, facts.version);
  expect(t.ledger.manifestsDue(10)).toEqual([id]);
  t.ledger.markManifestStored(id, t.ledger.manifestOf(id, 'stored').version);
  expect(t.ledger.manifestsDue(10)).toEqual([]);
  t.spool.endRecording(id, 'deleted', t.clock.ms);
  expect(t.ledger.manifestsDue(10)).toEqual([id]);
});

test('record.json is due once every segment of an ended recording is stored or given up, and when that changes', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  t.spool.closeSegment(id, testSegment(1));
  t.spool.closeSegment(id, testSegment(2));
  t.spool.endRecording(id, 'deleted', t.clock.ms);
  t.ledger.markSegmentStored(id, 1);
  expect(t.ledger.documentsDue(10)).toEqual([]);
  expect(t.ledger.manifestOf(id, 'all').pending).toBe(1);
  const [item] = toPut(t.ledger);
  if (item?.kind !== 'segment') throw new Error('no segment');
  t.ledger.markRefused(item, 'checksum mismatch');
  expect(t.ledger.documentsDue(10)).toEqual([id]);
  t.ledger.markDocumentStored(id, t.ledger.manifestOf(id, 'all').version);
  expect(t.ledger.documentsDue(10)).toEqual([]);
  t.ledger.markMissing(item);
  t.ledger.markSegmentStored(id, 2);
  expect(t.ledger.documentsDue(10)).toEqual([id]);
});

test('a recording whose directory is taken in the bucket moves there, not on the disk', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  const before = t.spool.lastStamp();
  expect(t.ledger.moveRecordDir(id)).toEqual({ record: 1_762_842_204, record_dir: 'cam-1/1762842204' });
  expect(toPut(t.ledger)[0]).toMatchObject({
    key: 'cam-1/1762842204/v_init.m4s',
    path: join(t.dir, 'cam-1/1762842203/v_init.m4s'),
  });
  expect(t.ledger.rowsAfter(before, 10)).toMatchObject([{ kind: 'recording', record: 1_762_842_204 }]);
  const other = startTestRecording(t.spool, 'cam-2', 'shows/monday');
  expect(t.ledger.moveRecordDir(other).record_dir).toBe('shows/monday/1762842204');
});
