import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { type EvictionScope, evictionOrder } from './eviction.ts';
import { openLedger } from './spool.ts';
import { openTestSpool, startTestRecording, storeTestInits, testSegment, toPut } from './spool-fixture.ts';

const fileOf = (dir: string, id: number, track: 'v' | 'a' = 'v') =>
  join(dir, 'cam-1/1762842203', `${track}_seg_000${id}.m4s`);

/** A recording of five segments with files: 1 is refused, 2 and 3 are stored, 4 waits, 5 is indexed. */
const filledSpool = () => {
  const t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  for (const n of [1, 2, 3, 4, 5]) {
    t.spool.closeSegment(id, testSegment(n));
    for (const track of ['v', 'a'] as const) writeFileSync(fileOf(t.dir, n, track), 'media');
  }
  t.ledger.markRefused({ kind: 'segment', recordingId: id, number: 1 }, 'too large');
  t.ledger.markSegmentStored(id, 5);
  t.ledger.tellCursor('index-1', t.ledger.lastStamp(), []);
  for (const n of [2, 3]) t.ledger.markSegmentStored(id, n);
  return { ...t, id };
};

const evictAll = ({ spool }: ReturnType<typeof filledSpool>, scope: EvictionScope) => {
  const numbers: number[] = [];
  for (const kind of evictionOrder(scope)) {
    for (let one = spool.evictOldest(kind); one !== null; one = spool.evictOldest(kind)) numbers.push(one.number);
  }
  return numbers;
};

test.each([
  ['indexed', [5]],
  ['stored', [5, 2, 3]],
  ['unsent', [5, 2, 3, 1, 4]],
] as const)('as far as %s: what the index has goes first, then oldest first', (scope, numbers) => {
  using t = filledSpool();
  expect(evictAll(t, scope)).toEqual(numbers);
  for (const n of [1, 2, 3, 4, 5]) {
    const isGone = (numbers as readonly number[]).includes(n);
    expect([existsSync(fileOf(t.dir, n)), existsSync(fileOf(t.dir, n, 'a'))]).toEqual([!isGone, !isGone]);
    expect(t.ledger.segments(t.id)[n - 1]?.local).toBe(isGone ? 'gone' : 'present');
  }
});

test('a gap stands for what nobody else has, and for nothing else', () => {
  using t = filledSpool();
  evictAll(t, 'unsent');
  const gaps = t.ledger.gaps(t.id).map(({ segment, cause, withdrawn }) => [segment, cause, withdrawn]);
  expect(gaps).toEqual([
    [1, 'refused', false],
    [4, 'evicted', false],
  ]);
});

test('it tells what went, and the gap of what is lost', () => {
  using t = filledSpool();
  const stored = { recordingId: t.id, stream: 'cam-1', recordDir: 'cam-1/1762842203', durationMs: 4000 };
  expect(t.spool.evictOldest('indexed')).toEqual({
    ...stored,
    number: 5,
    startMs: 1_762_842_219_000,
    bytes: 10_000,
    gap: null,
  });
  evictAll(t, 'stored');
  expect(t.spool.evictOldest('unsent')).toMatchObject({ number: 1, bytes: 2000, gap: 'refused' });
  expect(t.spool.evictOldest('unsent')).toMatchObject({ number: 4, gap: 'evicted' });
});

test('what is being uploaded does not go, and afterwards no lease is left', () => {
  using t = filledSpool();
  t.ledger.lease({ kind: 'segment', recordingId: t.id, number: 2 }, 'uploader', t.clock.ms + 10_000);
  expect(evictAll(t, 'stored')).toEqual([5, 3]);
  t.ledger.release({ kind: 'segment', recordingId: t.id, number: 2 }, 'uploader');
  expect(evictAll(t, 'stored')).toEqual([2]);
  using db = new DatabaseSync(join(t.dir, 'ledger.db'), { readOnly: true });
  expect(db.prepare('select item from leases').all()).toEqual([]);
});

test("what was offered for upload and went before it was leased is nobody's to put", () => {
  using t = filledSpool();
  const offered = toPut(t.ledger);
  expect(offered.map((item) => 'number' in item && item.number)).toContain(4);
  evictAll(t, 'unsent');
  expect(offered.some((item) => t.ledger.lease(item, 'uploader', t.clock.ms + 10_000))).toBe(false);
});

test('what the bucket turns out not to have, or to have, after it was chosen does not go for the wrong reason', () => {
  using t = filledSpool();
  const meanwhile = (change: () => void) => {
    let asked = 0;
    t.clock.asked = () => {
      asked += 1;
      if (asked === 2) change();
    };
  };
  meanwhile(() => t.ledger.markMissing({ kind: 'segment', recordingId: t.id, number: 2 }));
  expect(t.spool.evictOldest('stored')).toBeNull();
  meanwhile(() => t.ledger.markSegmentStored(t.id, 1));
  expect(t.spool.evictOldest('unsent')).toBeNull();
  expect([existsSync(fileOf(t.dir, 1)), existsSync(fileOf(t.dir, 2))]).toEqual([true, true]);
  expect(t.ledger.lease({ kind: 'segment', recordingId: t.id, number: 2 }, 'uploader', t.clock.ms + 1)).toBe(true);
});

test('files that a crash left behind the row of an evicted segment are removed at the next start', () => {
  using t = filledSpool();
  const item = { kind: 'segment', recordingId: t.id, number: 2 } as const;
  t.ledger.lease(item, 'recorder', t.clock.ms + 10_000);
  t.ledger.removeSegment(t.id, 2, 'recorder', 'disk_full');
  writeFileSync(fileOf(t.dir, 2), 'media');
  // One that was leased, but not let go yet, keeps its files.
  t.ledger.lease({ ...item, number: 3 }, 'recorder', t.clock.ms + 10_000);
  t.spool.finishEviction();
  expect([existsSync(fileOf(t.dir, 2)), existsSync(fileOf(t.dir, 3))]).toEqual([false, true]);
  expect(t.ledger.lease({ ...item, number: 3 }, 'uploader', t.clock.ms + 1)).toBe(true);
});

test('retention takes only what the index has and what has ended long enough, oldest first, without a gap', () => {
  using t = filledSpool();
  const expire = (endedMs: number) => t.spool.expireOldest(endedMs)?.number ?? null;
  const far = Number.MAX_SAFE_INTEGER;
  const endOf5 = 1_762_842_203_000 + 5 * 4000;
  expect([expire(endOf5 - 1), expire(endOf5), expire(far)]).toEqual([null, 5, null]);
  // Stored is not indexed; neither is what the index has refused.
  const { stamp } = t.ledger.segments(t.id)[1] ?? { stamp: 0 };
  t.ledger.tellCursor('index-1', t.ledger.lastStamp(), [{ stamp, reason: 'not ours' }]);
  expect([expire(far), expire(far)]).toEqual([3, null]);
  expect([1, 2, 3, 4, 5].map((n) => existsSync(fileOf(t.dir, n)))).toEqual([true, true, false, true, false]);
  expect(t.ledger.gaps(t.id)).toEqual([]);
  // An index that went back has less.
  t.ledger.tellCursor('index-1', 0, []);
  expect(expire(far)).toBeNull();
});

test('the bytes on the disk are known, also in a ledger from before they were', () => {
  using t = filledSpool();
  expect(t.spool.presentBytes()).toBe(30_000);
  t.spool.expireOldest(Number.MAX_SAFE_INTEGER);
  t.spool.evictOldest('unsent');
  expect(t.spool.presentBytes()).toBe(18_000);
  using db = new DatabaseSync(join(t.dir, 'ledger.db'));
  for (const name of ['segment_tracks_insert', 'segments_update']) db.exec(`drop trigger spool_size_${name}`);
  db.exec('drop table spool_size');
  openLedger(t.dir)[Symbol.dispose]();
  expect(t.spool.presentBytes()).toBe(18_000);
});
