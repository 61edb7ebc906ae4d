import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { decodeEvent, encodeEvent, MAX_EVENT_BYTES } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { openLedger, openSpool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openRowReplication } from './row-replication.ts';

/** A ledger with a recording of that many segments, written in one transaction: each by itself would be a sync. */
const spoolWith = (segments: number) => {
  const directory = temporaryDirectory('backlog');
  const spool = openSpool(directory.path);
  const start = { stream: 'cam-1', nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' } as const;
  const { recording_id: id } = spool.startRecording(start);
  using db = new DatabaseSync(join(directory.path, 'ledger.db'));
  const stamp = db.prepare('update spool set last_stamp = last_stamp + 1 returning last_stamp');
  const segment =
    db.prepare(`insert into segments (recording_id, number, period, start_ms, duration_ms, key_frame, resume,
    local, stamp) values (?, ?, 1, ?, 4000, 1, '[]', 'present', ?) returning seq`);
  const track = db.prepare(`insert into segment_tracks (segment, track, base_time, duration, timescale, samples, bytes,
    sha256) values (?, 'video', 0, 360000, 90000, 120, 1000, ?)`);
  db.exec('begin immediate');
  for (let number = 1; number <= segments; number += 1) {
    const row = segment.get(id, number, number * 4000, Number(stamp.get()?.last_stamp));
    track.run(Number(row?.seq), String(number).padStart(64, '0'));
  }
  db.exec('commit');
  spool[Symbol.dispose]();
  const ledger = openLedger(directory.path);
  return {
    ledger,
    [Symbol.dispose]: () => {
      ledger[Symbol.dispose]();
      directory[Symbol.dispose]();
    },
  };
};

/** Replicates all of a ledger to an index that acknowledges each page; tells what that took. */
const replicate = async (segments: number) => {
  using spool = spoolWith(segments);
  const { ledger } = spool;
  const work = { looks: 0, read: 0, sent: 0, pages: 0, biggest: 0 };
  let hear: (payload: Buffer) => unknown = () => undefined;
  const done = Promise.withResolvers<void>();
  const acknowledge = (cursor: number) => {
    const data = { index: 'index-1', spool: ledger.spoolId, cursor, refused: [] };
    const event = { id: `ack-${cursor}`, source: '/index/index-1', time: new Date(0).toISOString(), data };
    hear(Buffer.from(encodeEvent({ ...event, type: 'weir.ack' })));
    if (cursor === ledger.lastStamp()) done.resolve();
  };
  using replication = await openRowReplication({
    ledger: {
      ...ledger,
      rowsAfter: (stamp, limit) => {
        const rows = ledger.rowsAfter(stamp, limit);
        work.looks += 1;
        work.read += rows.length;
        return rows;
      },
    },
    bus: {
      connected: true,
      onConnect: () => () => undefined,
      subscribe: async (_topic, listener) => {
        hear = (payload) => listener('', payload, false);
        return async () => undefined;
      },
      publish: async (_topic, payload) => {
        const bytes = Buffer.from(String(payload));
        const page = decodeEvent(bytes, 'weir.rows')?.data;
        if (page === undefined) throw new Error('not a page of rows');
        work.pages += 1;
        work.sent += page.rows.length;
        work.biggest = Math.max(work.biggest, bytes.length);
        const last = page.rows.at(-1)?.stamp ?? 0;
        // The index answers after the broker does.
        setImmediate(() => acknowledge(last));
        return true;
      },
    },
    prefix: 'weir/v1',
    alias: 'site-1',
    log: silentLog(),
    now: () => 0,
    monotonicMs: () => 0,
    random: () => 0,
  });
  replication.look();
  await done.promise;
  return work;
};

test('ten thousand rows that wait are sent once, in batches, and cost no more each than some hundred', async () => {
  const few = await replicate(1000);
  const many = await replicate(10_000);
  // The recording is a row too.
  expect([few.sent, many.sent]).toEqual([1001, 10_001]);
  expect(many.biggest).toBeLessThanOrEqual(MAX_EVENT_BYTES);
  expect(many.pages).toBeLessThan(10_000 / 50);
  expect(many.read / many.sent).toBeLessThanOrEqual((few.read / few.sent) * 1.1);
  expect(many.looks / many.sent).toBeLessThanOrEqual((few.looks / few.sent) * 1.1);
});

test('the next rows are found by their stamps, however many there are: no table is read through, nothing sorted', () => {
  using spool = spoolWith(1);
  using db = new DatabaseSync(join(spool.ledger.dir, 'ledger.db'), { readOnly: true });
  for (const table of ['recordings', 'inits', 'segments', 'gaps']) {
    const plan = db
      .prepare(`explain query plan select * from ${table} where stamp > ? order by stamp limit ?`)
      .all(0, 200)
      .map(({ detail }) => String(detail));
    expect(plan).toEqual([expect.stringMatching(`^SEARCH ${table} USING INDEX .*stamp>`)]);
  }
});
