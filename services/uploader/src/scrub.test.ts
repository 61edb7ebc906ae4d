import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BucketError } from '@weir/bucket';
import { decodeEvent, encodeTopic } from '@weir/contracts';
import { openScope, silentLog } from '@weir/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { openOwnStorage } from './own-storage.ts';
import { type ScrubDeps, type ScrubFault, scrubForever } from './scrub.ts';
import { openScrubProgress } from './scrub-progress.ts';
import { scrubReport } from './scrub-report.ts';
import type { Target } from './target.ts';
import {
  objectAt,
  startTestUploader,
  type TestSpool,
  testSpool,
  until,
  untilStored,
  uploaderConfig,
  uploaderFlags,
} from './uploader-fixture.ts';

const log = silentLog();

/** A recording of three segments that is in the bucket, with nobody at work any more. */
const storedSpool = async (): Promise<{ t: TestSpool; id: string; dir: string }> => {
  const t = testSpool();
  onTestFinished(() => t[Symbol.dispose]());
  const id = t.start('cam-1');
  for (const number of [1, 2, 3]) t.close(id, number);
  await uploaded(t, id);
  return { t, id, dir: t.ledger.recording(id)?.record_dir ?? '' };
};

/** Runs an uploader that never scrubs until everything is stored. */
const uploaded = async (t: TestSpool, id: string): Promise<void> => {
  await using _ = await startTestUploader(uploaderConfig(uploaderFlags(t, { 'uploader.scrub_days': '0' })));
  await untilStored(t, id, [1, 2, 3]);
  await until(
    () => t.ledger.inits(id).map(({ remote }) => remote),
    (states) => states.every((state) => state === 'stored'),
  );
};

const pathOf = (t: TestSpool, key: string) => join(t.beside('bucket'), key);

const flipBit = (path: string): void => {
  const bytes = readFileSync(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};

/** One pass over everything stored, on a clock of its own; `change` replaces what it works with. */
const onePass = async (t: TestSpool, change: (target: Target) => Partial<ScrubDeps> = () => ({})) => {
  await using scope = openScope();
  const ends = new AbortController();
  let nowMs = 1_000_000;
  const found: ScrubFault[] = [];
  const slept: number[] = [];
  const reads: number[] = [];
  const storage = { type: 'fs', root: t.beside('bucket') } as const;
  const needs = { storage, spoolDir: t.dir, scope, log, now: Date.now, random: Math.random };
  const target = await openOwnStorage(needs);
  let failed = 0;
  const saved = openScrubProgress(t.beside('scrub.json'), t.ledger.spoolId, nowMs, log);
  const progress = {
    ...saved,
    // The end of the pass is that of the test.
    begin: (atMs: number) => {
      saved.begin(atMs);
      ends.abort();
    },
  };
  const deps: ScrubDeps = {
    ledger: t.ledger,
    target,
    progress,
    holder: 'scrub',
    days: 1e-9,
    bytesPerSecond: 100_000,
    isResting: () => false,
    read: (bytes) => reads.push(bytes),
    failed: () => (failed += 1),
    found: (fault) => found.push(fault),
    clock: {
      now: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms;
        slept.push(ms);
      },
    },
    log,
    signal: ends.signal,
    ...change(target),
  };
  await scrubForever(deps).catch((error: unknown) => {
    if (!ends.signal.aborted) throw error;
  });
  return { found: found.map(({ key, what, remedy }) => [key, what, remedy]), slept, reads, failed };
};

test('what is whole is read once, no faster than it may be', async () => {
  const { t } = await storedSpool();
  const { found, slept, reads } = await onePass(t);
  expect(found).toEqual([]);
  // Two init files and three segments of two files.
  expect(reads.length).toBe(8);
  const bytes = reads.reduce((sum, each) => sum + each, 0);
  const [patience = 0, ...paces] = slept;
  expect(patience).toBe(60_000);
  expect(paces.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual((bytes * 1000) / 100_000 - 1);
});

test('a damaged and a missing object are put again from the spool, the damaged one deleted before', async () => {
  const { t, id, dir } = await storedSpool();
  const [damaged, missing, init] = [`${dir}/v_seg_0001.m4s`, `${dir}/a_seg_0003.m4s`, `${dir}/a_init.m4s`];
  flipBit(pathOf(t, damaged));
  flipBit(pathOf(t, init));
  rmSync(pathOf(t, missing));
  expect((await onePass(t)).found).toEqual([
    [init, 'damaged', 'put_again'],
    [damaged, 'damaged', 'put_again'],
    [missing, 'missing', 'put_again'],
  ]);
  expect(existsSync(pathOf(t, damaged))).toBe(false);
  expect(t.ledger.segments(id).map(({ remote }) => remote)).toEqual(['none', 'stored', 'none']);
  await uploaded(t, id);
  expect(objectAt(t, damaged)).toEqual(t.bytesOf(id, { kind: 'segment', track: 'video', number: 1 }));
  expect(objectAt(t, missing)).toEqual(t.bytesOf(id, { kind: 'segment', track: 'audio', number: 3 }));
  expect(objectAt(t, init)).toEqual(t.bytesOf(id, { kind: 'init', track: 'audio', period: 1 }));
  rmSync(t.beside('scrub.json'), { force: true });
  expect((await onePass(t)).found).toEqual([]);
});

test('what the spool has not any more, or not whole, is told and left as it is', async () => {
  const { t, id, dir } = await storedSpool();
  const key = `${dir}/v_seg_0002.m4s`;
  flipBit(pathOf(t, key));
  flipBit(join(t.dir, t.ledger.manifestOf(id, 'all').dir, 'v_seg_0002.m4s'));
  const kept = objectAt(t, key);
  expect((await onePass(t)).found).toEqual([[key, 'damaged', 'none']]);
  expect(objectAt(t, key)).toEqual(kept);
  expect(t.ledger.segments(id).map(({ remote }) => remote)).toEqual(['stored', 'stored', 'stored']);
});

test('where objects may not be deleted, only what is missing is put again', async () => {
  const { t, id, dir } = await storedSpool();
  flipBit(pathOf(t, `${dir}/v_seg_0001.m4s`));
  rmSync(pathOf(t, `${dir}/v_seg_0002.m4s`));
  const { found } = await onePass(t, ({ digest }) => ({ target: { digest } }));
  expect(found).toEqual([
    [`${dir}/v_seg_0001.m4s`, 'damaged', 'none'],
    [`${dir}/v_seg_0002.m4s`, 'missing', 'put_again'],
  ]);
  expect(t.ledger.segments(id).map(({ remote }) => remote)).toEqual(['stored', 'none', 'stored']);
});

/** A change by which reading `key` fails as long as `isOut` says so, or always. */
const unreadable =
  (key: string | null, isOut: () => boolean = () => true) =>
  (target: Target): Partial<ScrubDeps> => ({
    target: {
      ...target,
      digest: async (object, signal) => {
        if ((key === null || object.key === key) && isOut()) throw new BucketError('server', '503 for the test');
        return target.digest(object, signal);
      },
    },
  });

test('a bucket that does not answer is no bucket without objects: all is read when it does, and it is asked ever more seldom', async () => {
  const { t } = await storedSpool();
  let left = 3;
  const { found, slept, reads, failed } = await onePass(
    t,
    unreadable(null, () => {
      left -= 1;
      return left >= 0;
    }),
  );
  expect([found, reads.length, failed]).toEqual([[], 8, 3]);
  expect(slept.slice(0, 4)).toEqual([60_000, 60_000, 120_000, 240_000]);
});

test('one object that cannot be read holds up nothing: after five tries it is told, and all others were read', async () => {
  const { t, id, dir } = await storedSpool();
  const [bad, damaged] = [`${dir}/a_seg_0001.m4s`, `${dir}/v_seg_0003.m4s`];
  flipBit(pathOf(t, damaged));
  const { found, failed, reads, slept } = await onePass(t, unreadable(bad));
  expect(found).toEqual([
    [damaged, 'damaged', 'put_again'],
    [bad, 'unreadable', 'none'],
  ]);
  expect(failed).toBe(5);
  // The other file of its segment with each try.
  expect(reads.length).toBe(7 + 4);
  expect(slept.length).toBeLessThan(12);
  expect(t.ledger.segments(id).map(({ remote }) => remote)).toEqual(['stored', 'stored', 'none']);
});

test('of a bucket that lets nobody read, each object is told once in the end, and tries are an hour apart', async () => {
  const { t } = await storedSpool();
  const { found, failed, slept } = await onePass(t, unreadable(null));
  expect(new Set(found.map(([, what]) => what))).toEqual(new Set(['unreadable']));
  expect(new Set(found.map(([key]) => key)).size).toBe(8);
  // Five items; of a segment the second file is tried with the last try alone.
  expect([found.length, failed]).toEqual([8, 5 * 5 + 3]);
  expect(Math.max(...slept)).toBe(3_600_000);
});

test('what was put again while it was compared is another object, and stays', async () => {
  const { t, id, dir } = await storedSpool();
  const key = `${dir}/v_seg_0002.m4s`;
  const item = { kind: 'segment', recordingId: id, number: 2 } as const;
  const { found } = await onePass(t, (target) => ({
    target: {
      ...target,
      digest: async (object, signal) => {
        if (object.key !== key) return target.digest(object, signal);
        // Another uploader mends it at this moment: what was read is the object of before.
        t.ledger.lease(item, 'another', Date.now() + 60_000);
        t.ledger.markMissing(item);
        t.ledger.markSegmentStored(id, 2);
        t.ledger.release(item, 'another');
        return { bytes: 1, sha256: '0'.repeat(64) };
      },
    },
  }));
  expect(found).toEqual([[key, 'damaged', 'none']]);
  expect(existsSync(pathOf(t, key))).toBe(true);
  expect(t.ledger.segments(id).map(({ remote }) => remote)).toEqual(['stored', 'stored', 'stored']);
});

test('an object whose upload somebody has leased is left to him', async () => {
  const { t, id, dir } = await storedSpool();
  flipBit(pathOf(t, `${dir}/v_seg_0001.m4s`));
  t.ledger.lease({ kind: 'segment', recordingId: id, number: 1 }, 'another', Date.now() + 600_000);
  expect((await onePass(t)).found).toEqual([[`${dir}/v_seg_0001.m4s`, 'damaged', 'none']]);
  expect(existsSync(pathOf(t, `${dir}/v_seg_0001.m4s`))).toBe(true);
});

test('a restart goes on where the scrub stood; another spool, or a torn file, is a beginning', () => {
  using t = testSpool();
  const path = t.beside('scrub.json');
  const first = openScrubProgress(path, 'spool-1', 5_000, log);
  first.moved({ inits: 3, segments: 7 }, 6_000);
  const again = (spool: string) => openScrubProgress(path, spool, 9_000, log).current();
  expect(again('spool-1')).toEqual({ position: { inits: 3, segments: 7 }, startedMs: 5_000 });
  const nothing = { position: { inits: 0, segments: 0 }, startedMs: 9_000 };
  expect(again('spool-2')).toEqual(nothing);
  writeFileSync(path, readFileSync(path).subarray(0, 20));
  expect(again('spool-1')).toEqual(nothing);
});

test('an uploader scrubs by itself and mends what it finds', async () => {
  const { t, id, dir } = await storedSpool();
  const key = `${dir}/v_seg_0003.m4s`;
  flipBit(pathOf(t, key));
  // Waits are over at once, but for the one behind the pass.
  let waits = 20;
  const clock = {
    now: Date.now,
    sleep: (_: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        waits -= 1;
        if (waits > 0) setImmediate(resolve);
        else signal?.addEventListener('abort', () => reject(signal.reason));
      }),
  };
  await using uploader = await startTestUploader(uploaderConfig(uploaderFlags(t)), { clock });
  await until(
    () => objectAt(t, key),
    (bytes) => bytes?.equals(t.bytesOf(id, { kind: 'segment', track: 'video', number: 3 })) === true,
  );
  await untilStored(t, id, [1, 2, 3]);
  const metrics = await uploader.metrics();
  expect(metrics).toMatch(/uploader_scrub_faults_total\{what="damaged",remedy="put_again",[^}]*\} 1\n/);
  expect(metrics).toMatch(/uploader_scrubbed_objects_total\{[^}]*\} [1-9]/);
});

test('a fault is an event on the bus; of a flood the first hundred of an hour are, and the metrics count all', () => {
  const published: [string, unknown][] = [];
  let counted = 0;
  let nowMs = 7_000_000;
  const tell = scrubReport({
    bus: { publish: async (topic, payload) => published.push([topic, payload]) > 0 },
    metrics: { scrubFault: () => (counted += 1) },
    prefix: 'weir/v1',
    alias: 'site-1',
    spool: 'aaaaaaaaaaaaaaaa',
    log,
    now: () => nowMs,
  });
  const fault: ScrubFault = {
    key: 'cam-1/1762842203/v_seg_0001.m4s',
    recordingId: 'bbbbbbbbbbbbbbbb',
    stream: 'cam-1',
    recordDir: 'cam-1/1762842203',
    what: 'missing',
    remedy: 'none',
    expected: 'a'.repeat(64),
    got: null,
  };
  for (let each = 0; each < 150; each += 1) tell(fault);
  expect([counted, published.length]).toEqual([150, 100]);
  const [topic, payload] = published[0] ?? ['', ''];
  expect(topic).toBe(encodeTopic('weir/v1', { kind: 'event', alias: 'site-1', type: 'weir.object.fault' }));
  expect(decodeEvent(String(payload), 'weir.object.fault')?.data).toMatchObject({
    key: fault.key,
    what: 'missing',
    remedy: 'none',
    got_sha256: null,
  });
  nowMs += 3_600_000;
  tell(fault);
  expect(published.length).toBe(101);
});
