import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ledgerRow } from '@weir/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openLedgerDatabase } from './ledger-database.ts';
import { ledgerRows } from './ledger-rows.ts';
import { openTestSpool, startTestRecording, storeTestInits, testInit, testSegment } from './spool-fixture.ts';

const stampsOf = (rows: readonly { stamp: number }[]) => rows.map(({ stamp }) => stamp);

const ACTIONS = ['segment', 'gap', 'init', 'store', 'refuse', 'missing', 'end', 'clock'] as const;

describe('stamps', () => {
  test('are max(now in µs, last + 1), so they grow when the clock steps back', () => {
    using t = openTestSpool();
    const id = startTestRecording(t.spool, 'cam-1');
    const before = t.spool.lastStamp();
    expect(before).toBe(t.clock.ms * 1000 + 2);
    t.clock.ms -= 3_600_000;
    t.spool.closeSegment(id, testSegment(1));
    expect(t.spool.lastStamp()).toBe(before + 1);
    t.clock.ms += 7_200_000;
    t.spool.closeSegment(id, testSegment(2));
    expect(t.spool.lastStamp()).toBe(t.clock.ms * 1000);
  });

  test('no two rows of any kind share one, whatever happens in whatever order', () => {
    const step = fc.record({
      action: fc.constantFrom(...ACTIONS),
      by: fc.integer({ min: -5000, max: 5000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        using t = openTestSpool();
        const id = startTestRecording(t.spool, 'cam-1');
        let segments = 0;
        const actions: Record<(typeof ACTIONS)[number], (by: number, number: number) => void> = {
          segment: () => {
            segments += 1;
            t.spool.closeSegment(id, testSegment(segments));
          },
          gap: (by) => void t.spool.noteGap(id, { from_ms: 1000, to_ms: 6000 + by, cause: 'packet_loss' }),
          init: () => t.spool.addInit(id, testInit('video', 2)),
          store: (_, number) => {
            storeTestInits(t.ledger, id);
            t.ledger.markSegmentStored(id, number);
          },
          refuse: (_, number) => t.ledger.markRefused({ kind: 'segment', recordingId: id, number }, 'no'),
          missing: (_, number) => t.ledger.markMissing({ kind: 'segment', recordingId: id, number }),
          end: () => t.spool.endRecording(id, 'deleted', t.clock.ms),
          clock: (by) => {
            t.clock.ms += by;
          },
        };
        for (const { action, by } of steps) {
          const seen = t.spool.lastStamp();
          actions[action](by, 1 + (Math.abs(by) % (segments + 1)));
          expect(t.spool.lastStamp()).toBeGreaterThanOrEqual(seen);
          const stamps = stampsOf(t.ledger.rowsAfter(0, 1000));
          expect(stamps).toEqual([...new Set(stamps)].sort((a, b) => a - b));
        }
      }),
      { numRuns: 20 },
    );
  });

  test('pages of rows of all kinds follow each other without a hole, and each row fits the wire', () => {
    using t = openTestSpool();
    const id = startTestRecording(t.spool, 'cam-1');
    for (let n = 1; n <= 5; n += 1) t.spool.closeSegment(id, testSegment(n));
    t.spool.noteGap(id, { from_ms: 5, to_ms: 9, cause: 'edge_restart' });
    t.spool.endRecording(id, 'deleted', t.clock.ms + 20_000);
    const all = t.ledger.rowsAfter(0, 1000);
    expect(all.map(({ kind }) => kind)).toEqual(['init', 'init', ...Array(5).fill('segment'), 'gap', 'recording']);
    for (const row of all) expect(ledgerRow.parse(row)).toEqual(row);
    const paged = [];
    for (let since = 0; ; since = paged.at(-1)?.stamp ?? 0) {
      const page = t.ledger.rowsAfter(since, 2);
      if (page.length === 0) break;
      paged.push(...page);
    }
    expect(paged).toEqual(all);
  });

  test('a page is of one moment: a row that is committed while it is read is on it, or on the next', () => {
    using t = openTestSpool();
    const id = startTestRecording(t.spool, 'cam-1');
    const before = t.spool.lastStamp();
    const needs = { now: Date.now, newId: () => 'unused', syncDirectory: () => undefined };
    const { db, snapshot, close } = openLedgerDatabase(join(t.dir, 'ledger.db'), needs, false);
    let isCommitted = false;
    // The recorder commits after the page's recordings are read and before its segments are.
    const interleaved = {
      snapshot,
      db: {
        prepare: (sql: string) => {
          const statement = db.prepare(sql);
          if (!sql.startsWith('select * from recordings where stamp')) return statement;
          const all = (...values: number[]) => {
            const found = statement.all(...values);
            if (!isCommitted) t.spool.closeSegment(id, testSegment(1, t.clock.ms - 1500));
            isCommitted = true;
            return found;
          };
          return { all };
        },
      } as unknown as typeof db,
    };
    const rows = ledgerRows(interleaved);
    const first = rows.rowsAfter(before, 10);
    const second = rows.rowsAfter(first.at(-1)?.stamp ?? before, 10);
    close();
    expect([...first, ...second].map(({ kind }) => kind)).toEqual(['recording', 'segment']);
  });

  test('a changed row travels again', () => {
    using t = openTestSpool();
    const id = startTestRecording(t.spool, 'cam-1');
    t.spool.closeSegment(id, testSegment(1));
    const cursor = t.spool.lastStamp();
    storeTestInits(t.ledger, id);
    t.ledger.markSegmentStored(id, 1);
    expect(t.ledger.rowsAfter(cursor, 10).map(({ kind }) => kind)).toEqual(['init', 'init', 'segment']);
  });
});

describe('a recording', () => {
  test('is named by the second it starts in, or the last of its stream + 1', () => {
    using t = openTestSpool();
    const start = (stream: string) =>
      t.spool.startRecording({ stream, nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'api' });
    const first = start('cam-1');
    expect(first).toMatchObject({ record: 1_762_842_203, record_dir: 'cam-1/1762842203' });
    expect(start('cam-2').record).toBe(1_762_842_203);
    expect(() => start('cam-1')).toThrow(/recorded already/);
    t.spool.endRecording(first.recording_id, 'deleted', t.clock.ms);
    t.clock.ms -= 60_000;
    expect(start('cam-1').record).toBe(1_762_842_204);
  });

  test('with base_dir has exactly that directory, refused when it is in use or unsound', () => {
    using t = openTestSpool();
    const start = (stream: string, baseDir: string) =>
      t.spool.startRecording({ stream, nodeId: 'n', nodeAlias: 'a', baseDir, cause: 'api' });
    expect(start('cam-1', 'shows/monday').record_dir).toBe('shows/monday');
    expect(() => start('cam-2', 'shows/monday')).toThrow(expect.objectContaining({ code: 'base_dir_taken' }));
    for (const bad of ['../x', '/x', 'a//b', 'ledger.db', 'lock.db/x', '.hidden']) {
      expect(() => start('cam-2', bad)).toThrow(expect.objectContaining({ code: 'invalid_path' }));
    }
  });

  test.each([
    ['in that of one that runs', 'cam-1/1762842203/v_seg_0005.m4s'],
    ['around that of one that runs', 'cam-1'],
    ['in that of one that ended', 'shows/monday/2'],
    ['around that of one that ended', 'shows'],
  ])('with base_dir may not lie %s', (_, baseDir) => {
    using t = openTestSpool();
    const start = (stream: string, dir: string | null) =>
      t.spool.startRecording({ stream, nodeId: 'n', nodeAlias: 'a', baseDir: dir, cause: 'api' });
    start('cam-1', null);
    t.spool.endRecording(start('cam-2', 'shows/monday').recording_id, 'deleted', t.clock.ms);
    expect(() => start('cam-2', baseDir)).toThrow(expect.objectContaining({ code: 'base_dir_taken' }));
    expect(start('cam-2', 'shows/monday-2').record_dir).toBe('shows/monday-2');
    expect(start('cam-3', 'cam-1x/1762842203').record_dir).toBe('cam-1x/1762842203');
  });

  test.each([
    ['shows/1762842000', /^shows\/17628422\d\d$/],
    ['shows/monday', /^shows\/monday\/17628422\d\d$/],
  ])('rotated under base_dir %s gets a directory beside it', (baseDir, expected) => {
    using t = openTestSpool();
    const start = (cause: 'api' | 'rotation') =>
      t.spool.startRecording({ stream: 'cam-1', nodeId: 'n', nodeAlias: 'a', baseDir, cause });
    t.spool.endRecording(start('api').recording_id, 'rotated', t.clock.ms);
    expect(start('rotation').record_dir).toMatch(expected);
  });

  test('is rotated in one step: the stream keeps its order when the next one cannot begin', () => {
    using t = openTestSpool();
    const id = startTestRecording(t.spool, 'cam-1', 'shows/monday');
    const dir = join(t.dir, 'shows/monday');
    const order = () => t.spool.orders().map(({ record_dir }) => record_dir);
    rmSync(dir, { recursive: true });
    writeFileSync(dir, 'a file where the directory of the next one is to be');
    expect(() => t.spool.rotateRecording(id, t.clock.ms + 900)).toThrow(/is a file/);
    expect(order()).toEqual(['shows/monday']);
    rmSync(dir);
    const next = t.spool.rotateRecording(id, t.clock.ms + 900);
    expect(order()).toEqual([next.record_dir]);
    expect(next.record_dir).toBe('shows/monday/1762842204');
    expect(t.spool.recording(id)).toMatchObject({ status: 'ended', end_cause: 'rotated', end_ms: t.clock.ms + 900 });
  });

  test('starts with its first segment and sums up what it holds', () => {
    using t = openTestSpool();
    const id = startTestRecording(t.spool, 'cam-1');
    t.spool.closeSegment(id, testSegment(1, t.clock.ms - 1500));
    t.spool.closeSegment(id, testSegment(2, t.clock.ms - 1500));
    t.spool.endRecording(id, 'deleted', t.clock.ms + 6500);
    expect(t.spool.summaryOf(id)).toMatchObject({
      start_ms: t.clock.ms - 1500,
      end_ms: t.clock.ms + 6500,
      segments: 2,
      bytes: 6000,
      duration_ms: 8000,
    });
    expect(t.spool.orders()).toEqual([]);
  });
});

test('a segment, an init file and an end that are written again change nothing; other files are a conflict', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  t.spool.closeSegment(id, testSegment(1));
  t.spool.endRecording(id, 'deleted', t.clock.ms);
  const rows = t.ledger.rowsAfter(0, 100);
  t.spool.addInit(id, testInit('video'));
  t.spool.closeSegment(id, testSegment(1));
  t.spool.endRecording(id, 'rotated', t.clock.ms + 5);
  expect(t.ledger.rowsAfter(0, 100)).toEqual(rows);
  expect(() => t.spool.closeSegment(id, { ...testSegment(2), number: 1 })).toThrow(/other files/);
  expect(() => t.spool.addInit(id, { ...testInit('video'), sha256: 'f'.repeat(64) })).toThrow(/another file/);
});

test('gaps of one cause from one millisecond are one, those of two causes are set one apart', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  expect(t.spool.noteGap(id, { from_ms: 100, to_ms: 200, cause: 'disk_full' })).toBe(100);
  expect(t.spool.noteGap(id, { from_ms: 100, to_ms: 900, cause: 'disk_full' })).toBe(100);
  expect(t.spool.noteGap(id, { from_ms: 100, to_ms: 300, cause: 'packet_loss' })).toBe(101);
  expect(t.spool.gaps(id)).toMatchObject([
    { from_ms: 100, to_ms: 900, cause: 'disk_full' },
    { from_ms: 101, to_ms: 300, cause: 'packet_loss' },
  ]);
  t.spool.withdrawGap(id, 100);
  expect(t.ledger.manifestOf(id, 'all').gaps).toHaveLength(1);
  // The clock stepped back before the same stretch was lost once more.
  t.spool.noteGap(id, { from_ms: 100, to_ms: 500, cause: 'disk_full' });
  expect(t.spool.gaps(id)[0]).toMatchObject({ from_ms: 100, to_ms: 900, withdrawn: false });
});
