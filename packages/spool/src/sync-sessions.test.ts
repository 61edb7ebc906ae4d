import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openLedger } from './spool.ts';
import { openTestSpool, startTestRecording, storeTestInits, testSegment } from './spool-fixture.ts';

type TestSpool = ReturnType<typeof openTestSpool>;

/** Stores every segment so far of a recording, and has the index tell that it has all rows. */
const index = ({ ledger }: TestSpool, id: string) => {
  storeTestInits(ledger, id);
  for (const { number, remote } of ledger.segments(id)) if (remote === 'none') ledger.markSegmentStored(id, number);
  ledger.tellCursor('index-1', ledger.lastStamp(), []);
};

/** Acknowledges everything as it is listed now. */
const ackListed = ({ spool }: TestSpool) => spool.ackSessions(spool.listSessions(0, 1000, null).sessions);

const nameOf = ({ ledger }: TestSpool, id: string) => {
  const { stream = '', record = 0 } = ledger.recording(id) ?? {};
  return { stream, record };
};

test('a recording is listed once it has media, with times, bytes and the numbers of its segments', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  expect(t.spool.listSessions(0, 10, null).sessions).toEqual([]);
  for (const n of [1, 2, 3]) t.spool.closeSegment(id, testSegment(n));
  t.spool.endRecording(id, 'deleted', t.clock.ms + 12_000);
  expect(t.spool.listSessions(0, 10, null)).toMatchObject({
    isFull: false,
    sessions: [
      {
        stream: 'cam-1',
        record: 1_762_842_203,
        recordDir: 'cam-1/1762842203',
        isEnded: true,
        startTs: 1_762_842_203_000_000,
        endTs: 1_762_842_215_000_000,
        durationMs: 12_000,
        bytes: 12_000,
        segments: [[1, 3]],
      },
    ],
  });
  expect(t.spool.listSessions(0, 10, 'cam-2').sessions).toEqual([]);
});

test('a segment that is gone without having been stored is in no range', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  for (const n of [1, 2, 3, 4, 6]) t.spool.closeSegment(id, testSegment(n));
  const item = { kind: 'segment', recordingId: id, number: 3 } as const;
  t.ledger.lease(item, 'test', t.clock.ms + 1000);
  t.ledger.removeSegment(id, 3, 'test', 'disk_full');
  const [session] = t.spool.listSessions(0, 10, null).sessions;
  expect(session?.segments).toEqual([
    [1, 2],
    [4, 4],
    [6, 6],
  ]);
});

/** Numbers from 0 to below 1, the same for the same seed. */
const randomOf = (seed: number) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
};

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'paging while rows change tells the last state of each session, and each state once, seed %i',
  (seed) => {
    using t = openTestSpool();
    const random = randomOf(seed);
    const ids: string[] = [];
    const numbers = new Map<string, number>();
    const change = () => {
      if (random() < 0.3 || ids.length === 0) ids.push(startTestRecording(t.spool, `cam-${ids.length}`));
      const id = ids[Math.floor(random() * ids.length)] ?? '';
      const number = (numbers.get(id) ?? 0) + 1;
      t.clock.ms += Math.floor(random() * 3) - 1;
      if (random() < 0.7) {
        numbers.set(id, number);
        t.spool.closeSegment(id, testSegment(number));
      } else t.spool.endRecording(id, 'deleted', t.clock.ms);
    };
    for (let n = 0; n < 40; n += 1) change();
    const told: { id: string; changed: number }[] = [];
    let since = 0;
    const pull = () => {
      const page = t.spool.listSessions(since, 1 + Math.floor(random() * 4), null).sessions;
      for (const { recordingId: id, changed } of page) told.push({ id, changed });
      since = page.at(-1)?.changed ?? since;
      return page.length;
    };
    for (let n = 0; n < 60; n += 1) {
      pull();
      change();
    }
    // Nothing changes any more: each page takes one session at least, so there are at most as many pages as sessions.
    for (let pages = 0; pull() > 0; pages += 1) expect(pages).toBeLessThan(ids.length);
    expect(new Set(told.map(({ changed }) => changed)).size).toBe(told.length);
    const last = new Map(told.map(({ id, changed }) => [id, changed]));
    const now = t.spool.listSessions(0, 1000, null).sessions;
    expect(Object.fromEntries(last)).toEqual(
      Object.fromEntries(now.map(({ recordingId, changed }) => [recordingId, changed])),
    );
  },
);

test('what is not in the index is refused by name, and stays listed', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  const name = nameOf(t, id);
  t.spool.closeSegment(id, testSegment(1));
  const remove = () => t.spool.deleteSessions([name]);
  expect(remove()).toEqual({ deleted: 0, refused: [{ ...name, fault: 'not_acked' }] });
  const [{ changed } = { changed: 0 }] = t.spool.listSessions(0, 10, null).sessions;
  expect(t.spool.ackSessions([{ ...name, changed: changed + 1 }])).toBe(0);
  expect(t.spool.ackSessions([name, name, { stream: 'cam-1', record: 7 }].map((one) => ({ ...one, changed })))).toBe(1);
  expect(remove()).toEqual({ deleted: 0, refused: [{ ...name, fault: 'not_indexed' }] });
  storeTestInits(t.ledger, id);
  t.ledger.markSegmentStored(id, 1);
  expect(remove().refused).toMatchObject([{ fault: 'not_indexed' }]);
  const { stamp } = t.ledger.segments(id)[0] ?? { stamp: 0 };
  t.ledger.tellCursor('index-1', t.ledger.lastStamp(), [{ stamp, reason: 'not ours' }]);
  expect(remove().refused).toMatchObject([{ fault: 'not_indexed' }]);
  expect(t.spool.listSessions(0, 10, null).sessions).toHaveLength(1);
  expect(t.spool.deleteSessions([{ stream: 'other', record: 1 }]).refused).toMatchObject([{ fault: 'unknown' }]);
});

test('deleted, it is listed no more until it changes, and its media and rows stay', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  const name = nameOf(t, id);
  t.spool.closeSegment(id, testSegment(1));
  index(t, id);
  ackListed(t);
  expect(t.spool.deleteSessions([name])).toEqual({ deleted: 1, refused: [] });
  expect(t.spool.listSessions(0, 10, null).sessions).toEqual([]);
  expect(t.ledger.segments(id)).toMatchObject([{ local: 'present', remote: 'stored' }]);
  t.spool.closeSegment(id, testSegment(2));
  expect(t.spool.listSessions(0, 10, null).sessions).toMatchObject([{ isAcked: false, segments: [[1, 2]] }]);
});

test('an end between the listing and the acknowledgement is not hidden by the deletion', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  const name = nameOf(t, id);
  t.spool.closeSegment(id, testSegment(1));
  index(t, id);
  const listed = t.spool.listSessions(0, 10, null).sessions;
  expect(listed).toMatchObject([{ isEnded: false }]);
  t.spool.endRecording(id, 'deleted', t.clock.ms);
  t.ledger.tellCursor('index-1', t.ledger.lastStamp(), []);
  // Another client has seen the end; this one has not.
  expect(t.spool.listSessions(0, 10, null).sessions).toMatchObject([{ isEnded: true }]);
  t.spool.ackSessions(listed);
  t.spool.deleteSessions([name]);
  expect(t.spool.listSessions(0, 10, null).sessions).toMatchObject([{ isEnded: true }]);
});

test('listing waits for no writer and keeps none waiting', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  t.spool.closeSegment(id, testSegment(1));
  using writer = new DatabaseSync(join(t.dir, 'ledger.db'));
  writer.exec('begin immediate');
  expect(t.spool.listSessions(0, 10, null).sessions).toHaveLength(1);
  writer.exec('rollback');
});

/** Gives a recording segments 1, 2, 4, 5 … `last` at once, so that each of their numbers has to be read. */
const fillWithHole = ({ dir }: TestSpool, id: string, last: number) => {
  using db = new DatabaseSync(join(dir, 'ledger.db'));
  db.exec('begin');
  // As the ledger does it: each row with the stamp just taken.
  const take = db.prepare('update spool set last_stamp = last_stamp + 1');
  const insert =
    db.prepare(`insert into segments (recording_id, number, period, start_ms, duration_ms, key_frame, resume,
    local, remote, stamp) values (?, ?, 1, 0, 1, 1, '[]', 'present', 'none', (select last_stamp from spool))`);
  for (let number = 1; number <= last; number += 1) {
    if (number === 3) continue;
    take.run();
    insert.run(id, number);
  }
  db.exec('commit');
};

test('a page reads a bounded number of segments, and the next goes on behind it', () => {
  using t = openTestSpool();
  const ids = ['cam-1', 'cam-2', 'cam-3'].map((stream) => startTestRecording(t.spool, stream));
  for (const id of ids) fillWithHole(t, id, 11_000);
  const ranges = [
    [1, 2],
    [4, 11_000],
  ];
  for (let since = 0, pages = 0; pages < ids.length; pages += 1) {
    const { sessions, isFull } = t.spool.listSessions(since, 10, null);
    expect(sessions).toMatchObject([{ recordingId: ids[pages], segments: ranges }]);
    expect(isFull).toBe(pages < ids.length - 1);
    since = sessions[0]?.changed ?? since;
  }
});

test('what the index refused of a recording holds it, though the row moves on, and holds no other', () => {
  using t = openTestSpool();
  const ids = ['cam-1', 'cam-2'].map((stream) => startTestRecording(t.spool, stream));
  for (const id of ids) t.spool.closeSegment(id, testSegment(1));
  for (const id of ids) index(t, id);
  ackListed(t);
  const [first = '', second = ''] = ids;
  const cursor = t.ledger.lastStamp();
  const { stamp } = t.ledger.segments(first)[0] ?? { stamp: 0 };
  t.ledger.tellCursor('index-1', cursor, [{ stamp, reason: 'not ours' }]);
  const remove = () => t.spool.deleteSessions([nameOf(t, first), nameOf(t, second)]);
  expect(remove()).toEqual({ deleted: 1, refused: [{ ...nameOf(t, first), fault: 'not_indexed' }] });
  // The full disk takes it: its row has another stamp, which the index has not judged yet.
  t.ledger.lease({ kind: 'segment', recordingId: first, number: 1 }, 'test', t.clock.ms + 1000);
  t.ledger.removeSegment(first, 1, 'test', 'disk_full');
  expect(remove().refused).toMatchObject([{ stream: 'cam-1', fault: 'not_indexed' }]);
  t.ledger.tellCursor('index-1', t.ledger.lastStamp(), []);
  expect(remove()).toEqual({ deleted: 2, refused: [] });
});

test('media that the bucket has is let go without a new version of manifest, document or session', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  for (const n of [1, 2]) t.spool.closeSegment(id, testSegment(n));
  t.spool.endRecording(id, 'deleted', t.clock.ms + 8_000);
  index(t, id);
  t.ledger.markManifestStored(id, t.ledger.manifestOf(id, 'stored').version);
  t.ledger.markDocumentStored(id, t.ledger.manifestOf(id, 'all').version);
  t.ledger.tellCursor('index-1', t.ledger.lastStamp(), []);
  const name = nameOf(t, id);
  ackListed(t);
  t.spool.deleteSessions([name]);
  for (const number of [1, 2]) {
    t.ledger.lease({ kind: 'segment', recordingId: id, number }, 'test', t.clock.ms + 1000);
    expect(t.ledger.removeSegment(id, number, 'test', 'retention')).toBe(true);
  }
  expect([t.ledger.manifestsDue(10), t.ledger.documentsDue(10)]).toEqual([[], []]);
  expect(t.spool.listSessions(0, 10, null).sessions).toEqual([]);
});

test('a ledger whose triggers are older gets those of now when it is opened', () => {
  using t = openTestSpool();
  const db = new DatabaseSync(join(t.dir, 'ledger.db'));
  const triggers = () =>
    db
      .prepare(`select name, sql from sqlite_master where type = 'trigger' order by name`)
      .all()
      .map((row) => ({ ...row }));
  const now = triggers();
  db.exec(`drop trigger segments_content_update; create trigger segments_content_update after update of stamp on segments
    begin update recordings set content_version = new.stamp where recording_id = new.recording_id; end;
    drop trigger sync_sessions_segments_update;`);
  openLedger(t.dir)[Symbol.dispose]();
  expect(triggers()).toEqual(now);
  db.close();
});

test('a ledger from before there were sessions gets them when it is opened', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  for (const n of [1, 2]) t.spool.closeSegment(id, testSegment(n));
  startTestRecording(t.spool, 'cam-2');
  const before = t.spool.listSessions(0, 10, null);
  using db = new DatabaseSync(join(t.dir, 'ledger.db'));
  const triggers = db.prepare(`select name from sqlite_master where type = 'trigger' and name like 'sync_%'`).all();
  for (const { name } of triggers) db.exec(`drop trigger ${name}`);
  db.exec('drop table sync_sessions');
  openLedger(t.dir)[Symbol.dispose]();
  expect(t.spool.listSessions(0, 10, null)).toEqual(before);
});
