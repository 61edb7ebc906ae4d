import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BucketError } from '@weir/bucket';
import { silentLog } from '@weir/runtime';
import { type Ledger, openLedger } from '@weir/spool';
import { expect, test } from 'vitest';
import { openCircuit } from './circuit.ts';
import { ledgerBatch } from './ledger-batch.ts';
import { fileMemory } from './local-file.ts';
import { mediaUploads } from './media-uploads.ts';
import type { SendObject } from './object-sender.ts';
import { putLane } from './put-lane.ts';
import { retryTable } from './retry-table.ts';
import { type TestSpool, testSpool, until } from './uploader-fixture.ts';

const counting = (ledger: Ledger) => {
  const work = { looks: 0, rows: 0, visits: 0 };
  const page = <T>(rows: T[]): T[] => {
    work.looks += 1;
    work.rows += rows.length;
    return rows;
  };
  const counted: Ledger = {
    ...ledger,
    initsAfter: (seq, limit) => page(ledger.initsAfter(seq, limit)),
    segmentsAfter: (seq, limit) => page(ledger.segmentsAfter(seq, limit)),
    segmentToPut: (segment) => {
      work.visits += 1;
      return ledger.segmentToPut(segment);
    },
  };
  return { counted, work };
};

/** Uploads of a ledger whose time is the test's; `sent` has the keys in the order in which they went. */
const uploadsOf = (
  ledger: Ledger,
  places: number,
  answer: (key: string) => Promise<void> | void = () => undefined,
  memory = fileMemory(places),
) => {
  const clock = { ms: 0 };
  const sent: string[] = [];
  const again = { count: 0 };
  const chance = { monotonicMs: () => clock.ms, random: () => 0.5 };
  const log = silentLog();
  const send: SendObject = async ({ key }) => {
    sent.push(key);
    await answer(key);
    return 'stored';
  };
  const told = { counted: () => undefined, freed: () => undefined };
  const circuit = openCircuit(chance, () => undefined);
  const shared = {
    ledger,
    holder: 'a',
    retries: retryTable(chance),
    circuit,
    budget: { admits: () => true },
    log,
    now: Date.now,
  };
  const lane = putLane(places, { ...shared, ...told, signal: new AbortController().signal });
  const look = mediaUploads(
    {
      ledger,
      batch: ledgerBatch(ledger),
      lane,
      memory,
      send,
      log,
      monotonicMs: chance.monotonicMs,
    },
    () => {
      again.count += 1;
    },
  );
  const turn = async () => {
    look();
    await lane.idle();
  };
  return { clock, sent, again, look, turn };
};

const videoOf = (sent: readonly string[]) =>
  sent.filter((key) => key.includes('v_seg')).map((key) => `${key.split('/')[0]} ${Number(key.slice(-8, -4))}`);

const storeInits = (t: TestSpool, recordingId: string) => {
  for (const track of ['video', 'audio'] as const) t.ledger.markInitStored({ recordingId, track, period: 1 });
};

test('the newest of what is live goes first, then the backlog, oldest first; an init file before what needs it', async () => {
  using t = testSpool();
  const [old, live] = ['cam-1', 'cam-2'].map((stream) => t.start(stream));
  for (const id of [old, live]) for (const number of [1, 2, 3]) if (id !== undefined) t.close(id, number, 10);
  t.end(old ?? '');
  const uploads = uploadsOf(t.ledger, 1);
  for (let turn = 0; turn < 12; turn += 1) {
    await uploads.turn();
    uploads.clock.ms += 1000;
  }
  expect(uploads.sent.slice(0, 2).map((key) => key.split('/').at(-1))).toEqual(['v_init.m4s', 'a_init.m4s']);
  expect(uploads.sent[0]).toMatch(/^cam-2/);
  expect(videoOf(uploads.sent)).toEqual(['cam-2 3', 'cam-1 1', 'cam-1 2', 'cam-1 3', 'cam-2 1', 'cam-2 2']);
});

test('however much is live, every fourth segment that goes is the oldest of the backlog', async () => {
  using t = testSpool();
  const [old, live] = ['cam-1', 'cam-2'].map((stream) => t.start(stream));
  for (const id of [old, live]) storeInits(t, id ?? '');
  for (let number = 1; number <= 5; number += 1) t.close(old ?? '', number, 10);
  t.end(old ?? '');
  const uploads = uploadsOf(t.ledger, 1);
  for (let number = 1; number <= 12; number += 1) {
    t.close(live ?? '', number, 10);
    await uploads.turn();
  }
  const wanted = [1, 2, 3].flatMap((n) =>
    [n * 4 - 3, n * 4 - 2, n * 4 - 1].map((k) => `cam-2 ${k}`).concat(`cam-1 ${n}`),
  );
  expect(videoOf(uploads.sent)).toEqual(wanted);
});

test('what was passed over, for it waits for another try, goes when that is due, before what is younger', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  storeInits(t, id);
  for (let number = 1; number <= 4; number += 1) t.close(id, number, 10);
  t.end(id);
  let failures = 1;
  const uploads = uploadsOf(t.ledger, 1, (key) => {
    if (!key.endsWith('v_seg_0001.m4s') || failures === 0) return;
    failures -= 1;
    throw new BucketError('conflict', 'just now');
  });
  await uploads.turn();
  await uploads.turn();
  uploads.clock.ms += 1000;
  for (let turn = 0; turn < 3; turn += 1) await uploads.turn();
  expect(videoOf(uploads.sent)).toEqual(['cam-1 1', 'cam-1 2', 'cam-1 1', 'cam-1 3', 'cam-1 4']);
});

test('an object that is on its way is not put a second time, however often is looked, nor when its put fails late', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  storeInits(t, id);
  t.close(id, 1, 10);
  const late = Promise.withResolvers<void>();
  const uploads = uploadsOf(t.ledger, 4, (key) => (key.includes('v_seg') ? late.promise : undefined));
  const ended = uploads.turn();
  await until(
    () => uploads.sent.length,
    (count) => count === 1,
  );
  for (let looks = 0; looks < 10; looks += 1) {
    uploads.clock.ms += 1000;
    uploads.look();
  }
  // What was put meanwhile, by whomever, is not undone by the failure.
  t.ledger.markSegmentStored(id, 1);
  late.reject(new BucketError('network', 'cut'));
  await ended;
  uploads.clock.ms += 3_600_000;
  await uploads.turn();
  expect(videoOf(uploads.sent)).toEqual(['cam-1 1']);
});

/** A spool whose recording of so many segments waits, written in one transaction; the first `whole` have files. */
const spoolWith = (waiting: number, whole: number): TestSpool => {
  const t = testSpool();
  const id = t.start('cam-1');
  storeInits(t, id);
  t.end(id);
  const file = Buffer.from('media');
  const sha256 = createHash('sha256').update(file).digest('hex');
  const dir = join(t.dir, t.ledger.manifestOf(id, 'all').dir);
  mkdirSync(dir, { recursive: true });
  using db = new DatabaseSync(join(t.dir, 'ledger.db'));
  const stamp = db.prepare('update spool set last_stamp = last_stamp + 1 returning last_stamp');
  const segment = db.prepare(`insert into segments (recording_id, number, period, start_ms, duration_ms, key_frame,
    resume, local, stamp) values (?, ?, 1, ?, 4000, 1, '[]', 'present', ?) returning seq`);
  const track = db.prepare(`insert into segment_tracks (segment, track, base_time, duration, timescale, samples, bytes,
    sha256) values (?, 'video', 0, 360000, 90000, 120, ?, ?)`);
  db.exec('begin immediate');
  for (let number = 1; number <= waiting; number += 1) {
    const row = segment.get(id, number, number * 4000, Number(stamp.get()?.last_stamp));
    track.run(Number(row?.seq), file.length, sha256);
    if (number <= whole) writeFileSync(join(dir, `v_seg_${String(number).padStart(4, '0')}.m4s`), file);
  }
  db.exec('commit');
  return t;
};

/** What it takes to put the first `count` segments of so many that wait, one object after the other. */
const workFor = async (waiting: number, count: number) => {
  using t = spoolWith(waiting, count);
  using ledger = openLedger(t.dir);
  const { counted, work } = counting(ledger);
  const uploads = uploadsOf(counted, 1);
  for (let turn = 0; turn < count; turn += 1) {
    await uploads.turn();
    uploads.clock.ms += 10;
  }
  expect(videoOf(uploads.sent)).toEqual(Array.from({ length: count }, (_, at) => `cam-1 ${at + 1}`));
  return { visits: work.visits / count, looks: work.looks / count, rows: work.rows / count };
};

test('ten thousand segments that wait cost no more for each one put than ten', async () => {
  const few = await workFor(10, 10);
  const many = await workFor(10_000, 100);
  expect(many.visits).toBeLessThanOrEqual(few.visits);
  expect(many.looks).toBeLessThanOrEqual(few.looks * 1.5);
  // A page of names is read again from time to time.
  expect(many.rows).toBeLessThanOrEqual(10);
}, 30_000);

test('ten thousand segments that cannot go are looked at in pieces, and do not keep what is behind them from going', async () => {
  using t = spoolWith(10_000, 0);
  const [stuck] = t.ledger.segmentsAfter(0, 1);
  if (stuck === undefined) throw new Error('nothing waits');
  t.ledger.markMissing({ kind: 'init', recordingId: stuck.recordingId, track: 'video', period: 1 });
  const next = t.start('cam-2');
  storeInits(t, next);
  t.close(next, 1, 10);
  t.end(next);
  const { counted, work } = counting(t.ledger);
  const uploads = uploadsOf(counted, 1, (key) => {
    if (key.includes('init')) throw new BucketError('digest', 'not these bytes');
  });
  await uploads.turn();
  let mostVisits = 0;
  while (videoOf(uploads.sent).length === 0 && uploads.again.count < 100) {
    const before = work.visits;
    await uploads.turn();
    mostVisits = Math.max(mostVisits, work.visits - before);
    uploads.clock.ms += 5;
  }
  expect(videoOf(uploads.sent)).toEqual(['cam-2 1']);
  expect(mostVisits).toBeLessThanOrEqual(128);
}, 30_000);

test('while a backlog drains, many segments share a commit, and each file is read once', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  storeInits(t, id);
  const segments = 40;
  for (let number = 1; number <= segments; number += 1) t.close(id, number, 10);
  const work = { commits: 0, reads: 0, out: 0 };
  const counted: Ledger = {
    ...t.ledger,
    inOne: (steps) => {
      work.commits += 1;
      return t.ledger.inOne(steps);
    },
  };
  const memory = fileMemory(8);
  const countedMemory: typeof memory = {
    take: () => {
      work.reads += 1;
      work.out += 1;
      return memory.take();
    },
    giveBack: (slab) => {
      work.out -= 1;
      memory.giveBack(slab);
    },
  };
  const uploads = uploadsOf(counted, 8, undefined, countedMemory);
  while (t.ledger.backlog().segments > 0) await uploads.turn();
  expect(uploads.sent).toHaveLength(2 * segments);
  expect(work.commits).toBeLessThanOrEqual(segments / 4);
  expect({ ...work, commits: 0 }).toEqual({ commits: 0, reads: 2 * segments, out: 0 });
});
