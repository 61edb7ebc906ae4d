import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { GapRow, InitRow, LedgerRow, RecordingRow, RowsPage, SegmentRow } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { type Postgres, runningRecording, startPostgres, temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Catalog, openCatalog } from './catalog.ts';

const spoolA = 'aaaaaaaa-0000-4000-8000-000000000001';
const spoolB = 'bbbbbbbb-0000-4000-8000-000000000002';
const first = 'cccccccc-0000-4000-8000-000000000001';
const second = 'dddddddd-0000-4000-8000-000000000002';
const sha256 = 'ab'.repeat(32);
const noon = Date.UTC(2026, 1, 28, 12);
const midnight = Date.UTC(2026, 2, 1);

const recording = (stamp: number, more: Partial<RecordingRow> = {}): RecordingRow =>
  runningRecording(first, stamp, noon, more);

const init = (stamp: number, more: Partial<InitRow> = {}): InitRow => ({
  kind: 'init',
  stamp,
  recording_id: first,
  track: 'video',
  period: 1,
  codec: 'avc1.42e01f',
  timescale: 90_000,
  width: 640,
  height: 360,
  sample_rate: null,
  channels: null,
  bytes: 700,
  sha256,
  local: 'present',
  remote: 'stored',
  stored_stamp: stamp,
  refused_reason: null,
  ...more,
});

const segment = (stamp: number, number: number, more: Partial<SegmentRow> = {}): SegmentRow => ({
  kind: 'segment',
  stamp,
  recording_id: first,
  number,
  period: 1,
  start_ms: noon + (number - 1) * 4000,
  duration_ms: 4000,
  key_frame: true,
  tracks: [
    { track: 'video', base_time: 0, duration: 360_000, timescale: 90_000, samples: 120, bytes: 1000, sha256 },
    { track: 'audio', base_time: 0, duration: 192_000, timescale: 48_000, samples: 200, bytes: 100, sha256 },
  ],
  local: 'present',
  remote: 'stored',
  stored_stamp: stamp,
  refused_reason: null,
  ...more,
});

const gap = (stamp: number, more: Partial<GapRow> = {}): GapRow => ({
  kind: 'gap',
  stamp,
  recording_id: first,
  from_ms: noon + 4000,
  to_ms: noon + 8000,
  cause: 'evicted',
  segment: 2,
  noted_ms: noon + 9000,
  withdrawn: false,
  ...more,
});

const page = (after: number, rows: LedgerRow[], spool = spoolA): RowsPage => ({ spool, after, rows });
const everything = { node: 'site', streamPatterns: ['*'] };
const log = silentLog();

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const newUrl = {
  sqlite: async () => {
    const directory = temporaryDirectory('catalog');
    onTestFinished(() => directory[Symbol.dispose]());
    return `sqlite://${join(directory.path, 'weir.db')}`;
  },
  postgresql: () => postgres.createDatabase(`catalog_${randomBytes(6).toString('hex')}`),
};

const open = async (url: string): Promise<Catalog> => {
  const catalog = await openCatalog({ url, maxConnections: 4, connectTimeoutSeconds: 5 }, { now: () => noon, log });
  onTestFinished(() => catalog[Symbol.asyncDispose]());
  return catalog;
};

describe.each(['sqlite', 'postgresql'] as const)('the index on %s', (dialect) => {
  const fresh = async () => open(await newUrl[dialect]());

  test('a recorded hour shows up as a day, a recording, and what its manifest is made of', async () => {
    const catalog = await fresh();
    const audio = init(3, {
      track: 'audio',
      codec: 'opus',
      sample_rate: 48_000,
      channels: 2,
      width: null,
      height: null,
    });
    const rows = [
      recording(1),
      init(2),
      audio,
      segment(4, 1),
      segment(5, 2),
      gap(6, { from_ms: noon + 8000, to_ms: noon + 9000 }),
    ];
    expect(await catalog.commitRows(page(0, rows), everything)).toEqual({ cursor: 6, refused: [] });
    const day = { stream: 'cam-1', year: 2026, month: 2, day: 28, mpd_path: 'cam-1/1772280000/manifest.mpd' };
    expect(await catalog.playbackDays()).toEqual([{ ...day, duration_ms: 8000, recordings: 1 }]);
    expect(await catalog.playbackOfStream('cam-1')).toEqual([
      {
        ...day,
        duration_ms: 8000,
        recordings: [
          {
            recording_id: first,
            record: 1_772_280_000,
            record_dir: 'cam-1/1772280000',
            mpd_path: 'cam-1/1772280000/manifest.mpd',
            start: noon,
            end: null,
            duration_ms: 8000,
            status: 'recording',
            segments: 2,
            gaps: 1,
            gaps_ms: 1000,
          },
        ],
      },
    ]);
    const [of] = await catalog.recordingsOfDay('cam-1', 2026, 2, 28);
    expect(of?.recording).toMatchObject({
      bytes: 2200,
      segments: 2,
      codecs: ['avc1.42e01f', 'opus'],
      init_stored: true,
    });
    expect(of?.inits.map((row) => row.track)).toEqual(['audio', 'video']);
    expect([...(of?.segments ?? [])].map((row) => [row.number, row.start_ms, row.tracks[1]?.bytes])).toEqual([
      [1, noon, 100],
      [2, noon + 4000, 100],
    ]);
    expect(of?.gaps).toMatchObject([{ from_ms: noon + 8000, cause: 'evicted', withdrawn: false }]);
    expect(await catalog.cursorOf(spoolA)).toBe(6);
    expect(await catalog.spools()).toMatchObject([{ spool_id: spoolA, node: 'site', cursor: 6, last_seen_ms: noon }]);
  });

  test('a page that comes again, whole or in part, changes nothing', async () => {
    const catalog = await fresh();
    const rows = [recording(1), init(2), segment(3, 1), segment(4, 2), gap(5)];
    await catalog.commitRows(page(0, rows), everything);
    const before = await catalog.recordingsOfDay('cam-1', 2026, 2, 28);
    const days = await catalog.playbackDays();
    expect(await catalog.commitRows(page(0, rows), everything)).toEqual({ cursor: 5, refused: [] });
    expect(await catalog.commitRows(page(2, rows.slice(2)), everything)).toEqual({ cursor: 5, refused: [] });
    expect(await catalog.commitRows(page(0, rows.slice(0, 2)), everything)).toEqual({ cursor: 5, refused: [] });
    expect(await catalog.recordingsOfDay('cam-1', 2026, 2, 28)).toEqual(before);
    expect(await catalog.playbackDays()).toEqual(days);
  });

  test('an old version of a row that comes late does not undo the new one', async () => {
    const catalog = await fresh();
    await catalog.commitRows(
      page(0, [recording(1), segment(2, 1, { remote: 'none', stored_stamp: null })]),
      everything,
    );
    expect(await catalog.playbackDays()).toEqual([]);
    await catalog.commitRows(
      page(2, [segment(4, 1), recording(5, { status: 'ended', end_ms: noon + 4000 })]),
      everything,
    );
    await catalog.commitRows(
      page(0, [recording(1), segment(2, 1, { remote: 'none', stored_stamp: null })]),
      everything,
    );
    const [day] = await catalog.playbackOfStream('cam-1');
    expect(day).toMatchObject({ duration_ms: 4000, recordings: [{ status: 'ended', end: noon + 4000, segments: 1 }] });
  });

  test('a page of several versions of one row takes the newest, in whatever order they stand', async () => {
    const catalog = await fresh();
    const rows = [segment(4, 1), segment(2, 1, { remote: 'none' }), recording(3, { status: 'ended' }), recording(1)];
    expect(await catalog.commitRows(page(0, rows), everything)).toEqual({ cursor: 4, refused: [] });
    expect(await catalog.playbackOfStream('cam-1')).toMatchObject([{ recordings: [{ status: 'ended', segments: 1 }] }]);
  });

  test('a hole before a page is told and nothing of the page is taken', async () => {
    const catalog = await fresh();
    await catalog.commitRows(page(0, [recording(10)]), everything);
    expect(await catalog.commitRows(page(20, [segment(30, 1)]), everything)).toEqual({
      cursor: 10,
      refused: [],
      missing: true,
    });
    expect(await catalog.commitRows(page(20, [segment(30, 1)], spoolB), everything)).toEqual({
      cursor: 0,
      refused: [],
      missing: true,
    });
    expect(await catalog.playbackDays()).toEqual([]);
    expect(await catalog.commitRows(page(10, [init(20), segment(30, 1)]), everything)).toEqual({
      cursor: 30,
      refused: [],
    });
  });

  test('a recording over midnight UTC has a row on each day, each segment on the day of its start', async () => {
    const catalog = await fresh();
    const last = segment(3, 1, { start_ms: midnight - 1 });
    await catalog.commitRows(page(0, [recording(1, { start_ms: midnight - 1 }), init(2), last]), everything);
    expect(await catalog.playbackDays()).toMatchObject([{ month: 2, day: 28 }]);
    await catalog.commitRows(
      page(3, [segment(4, 2, { start_ms: midnight }), segment(5, 3, { start_ms: midnight + 4000 })]),
      everything,
    );
    expect(await catalog.playbackDays({ stream: 'cam-1' })).toMatchObject([
      { month: 3, day: 1, duration_ms: 8000, recordings: 1, mpd_path: 'cam-1/1772280000/manifest.mpd' },
      { month: 2, day: 28, duration_ms: 4000, recordings: 1, mpd_path: 'cam-1/1772280000/manifest.mpd' },
    ]);
    const days = await Promise.all([
      catalog.recordingsOfDay('cam-1', 2026, 2, 28),
      catalog.recordingsOfDay('cam-1', 2026, 3, 1),
    ]);
    expect(days.map(([of]) => [...(of?.segments ?? [])].map((row) => row.number))).toEqual([[1], [2, 3]]);
    expect(days.map(([of]) => of?.inits.length)).toEqual([1, 1]);
  });

  test('two recordings of one day share a manifest made on read, and one alone has its own', async () => {
    const catalog = await fresh();
    const other = {
      recording_id: second,
      record: 1_772_290_000,
      record_dir: 'cam-1/1772290000',
      start_ms: noon + 3_600_000,
    };
    const later = segment(6, 1, { recording_id: second, start_ms: noon + 3_600_000 });
    await catalog.commitRows(
      page(0, [recording(1), init(2), segment(3, 1), recording(4, other), init(5, { recording_id: second })]),
      everything,
    );
    expect(await catalog.playbackDays()).toMatchObject([{ mpd_path: 'cam-1/1772280000/manifest.mpd', recordings: 1 }]);
    await catalog.commitRows(page(5, [later]), everything);
    expect(await catalog.playbackDays()).toMatchObject([
      { mpd_path: 'cam-1/day-20260228.mpd', recordings: 2, duration_ms: 8000 },
    ]);
    expect(await catalog.playbackOfStream('cam-1')).toMatchObject([
      { recordings: [{ recording_id: first }, { recording_id: second }] },
    ]);
    const lost = { remote: 'none', stored_stamp: null } as const;
    await catalog.commitRows(page(6, [segment(7, 1, lost)]), everything);
    expect(await catalog.playbackDays()).toMatchObject([
      { mpd_path: 'cam-1/1772290000/manifest.mpd', recordings: 1, duration_ms: 4000 },
    ]);
    await catalog.commitRows(page(7, [{ ...later, ...lost, stamp: 8 }]), everything);
    expect(await catalog.playbackDays()).toEqual([]);
  });

  test('a gap that is withdrawn is not shown any more', async () => {
    const catalog = await fresh();
    await catalog.commitRows(page(0, [recording(1), segment(2, 1), gap(3)]), everything);
    expect((await catalog.recordingsOfDay('cam-1', 2026, 2, 28))[0]?.gaps).toHaveLength(1);
    await catalog.commitRows(page(3, [segment(4, 2), gap(4, { stamp: 5, withdrawn: true })]), everything);
    expect((await catalog.recordingsOfDay('cam-1', 2026, 2, 28))[0]?.gaps).toEqual([]);
    expect(await catalog.playbackOfStream('cam-1')).toMatchObject([{ recordings: [{ gaps: 0, gaps_ms: 0 }] }]);
    await catalog.commitRows(page(0, [gap(3)]), everything);
    expect((await catalog.recordingsOfDay('cam-1', 2026, 2, 28))[0]?.gaps).toEqual([]);
  });

  test('in a replay the segments come before their recording, and count when it comes', async () => {
    const catalog = await fresh();
    const stored = [init(2), segment(3, 1), segment(4, 2, { start_ms: midnight }), segment(5, 3, { remote: 'none' })];
    expect(await catalog.commitRows(page(0, stored), everything)).toEqual({ cursor: 5, refused: [] });
    expect(await catalog.playbackDays()).toEqual([]);
    expect(await catalog.recordingByDir('cam-1/1772280000')).toBeNull();
    const rows = [segment(6, 4), recording(7, { status: 'ended', end_ms: midnight + 4000 })];
    expect(await catalog.commitRows(page(5, rows), everything)).toEqual({ cursor: 7, refused: [] });
    expect(await catalog.playbackDays()).toMatchObject([
      { month: 3, duration_ms: 4000 },
      { month: 2, duration_ms: 8000 },
    ]);
    expect(await catalog.recordingByDir('cam-1/1772280000')).toMatchObject({
      segments: 3,
      bytes: 3300,
      duration_ms: 12_000,
      media_end_ms: midnight + 4000,
      init_stored: true,
      codecs: ['avc1.42e01f'],
    });
  });

  test('rows of streams that the node may not have are named and passed', async () => {
    const catalog = await fresh();
    const narrow = { node: 'site', streamPatterns: ['door-*'] };
    const rows = [segment(1, 1), recording(2), segment(3, 2), gap(4)];
    expect(await catalog.commitRows(page(0, rows), narrow)).toEqual({
      cursor: 4,
      refused: [
        { stamp: 1, reason: "its recording was refused: stream cam-1 is not one of the node's" },
        { stamp: 2, reason: "stream cam-1 is not one of the node's" },
        { stamp: 3, reason: "its recording was refused: stream cam-1 is not one of the node's" },
        { stamp: 4, reason: "its recording was refused: stream cam-1 is not one of the node's" },
      ],
    });
    expect(await catalog.playbackDays()).toEqual([]);
    expect((await catalog.refusedRows(spoolA)).map((row) => row.stamp)).toEqual([4, 3, 2, 1]);
  });

  test('rows that awaited a recording are named when it is refused, and taken when all is sent again', async () => {
    const catalog = await fresh();
    const narrow = { node: 'site', streamPatterns: ['door-*'] };
    const rows = [init(1), segment(2, 1), gap(3), recording(4)];
    expect((await catalog.commitRows(page(0, rows.slice(0, 3)), narrow)).refused).toEqual([]);
    const { refused } = await catalog.commitRows(page(3, rows.slice(3)), narrow);
    expect(refused.map((row) => row.stamp)).toEqual([1, 2, 3, 4]);
    expect(await catalog.refusedRows(spoolA)).toHaveLength(4);
    expect(await catalog.commitRows(page(0, rows), everything)).toEqual({ cursor: 4, refused: [] });
    expect(await catalog.playbackDays()).toMatchObject([{ duration_ms: 4000 }]);
    expect(await catalog.refusedRows(spoolA)).toEqual([]);
  });

  test('a directory that another spool holds is refused, and taken under its next name', async () => {
    const catalog = await fresh();
    expect(await catalog.claimRecordName('cam-1/1772280000', spoolB)).toBe('granted');
    expect(await catalog.claimRecordName('cam-1/1772280000', spoolB)).toBe('granted');
    expect(await catalog.claimRecordName('cam-1/1772280000', spoolA)).toBe('taken');
    const { refused } = await catalog.commitRows(page(0, [recording(1), segment(2, 1)]), everything);
    expect(refused).toMatchObject([
      { stamp: 1, reason: 'directory cam-1/1772280000 belongs to another spool' },
      { stamp: 2 },
    ]);
    const renamed = recording(3, { record: 1_772_280_001, record_dir: 'cam-1/1772280001' });
    expect(await catalog.commitRows(page(2, [renamed, segment(4, 1)]), everything)).toEqual({ cursor: 4, refused: [] });
    expect(await catalog.playbackDays()).toMatchObject([{ mpd_path: 'cam-1/1772280001/manifest.mpd' }]);
  });

  test('of two recordings in one directory the first with a stored init file has it', async () => {
    const catalog = await fresh();
    const other = { recording_id: second };
    await catalog.commitRows(page(0, [recording(1)]), everything);
    await catalog.commitRows(page(0, [recording(1, other), init(2, other), segment(3, 1, other)], spoolB), everything);
    const { refused } = await catalog.commitRows(
      page(1, [init(2), segment(3, 1), segment(4, 2, { remote: 'none' })]),
      everything,
    );
    expect(refused.map((row) => row.stamp)).toEqual([2, 3]);
    expect(refused[0]?.reason).toBe(`directory cam-1/1772280000 belongs to recording ${second}`);
    expect(await catalog.claimRecordName('cam-1/1772280000', spoolA)).toBe('taken');
    // As if it had been asked for: an index that is restored from a copy of before has forgotten who asked.
    expect(await catalog.claimRecordName('cam-1/1772280000', spoolB)).toBe('granted');
    expect(await catalog.recordingByDir('cam-1/1772280000')).toMatchObject({ recording_id: second });
  });

  test('a recording that moves to another directory takes its days with it', async () => {
    const catalog = await fresh();
    await catalog.commitRows(page(0, [recording(1), init(2), segment(3, 1)]), everything);
    await catalog.commitRows(page(3, [recording(4, { record_dir: 'cam-1/1772280009' })]), everything);
    expect(await catalog.playbackDays()).toMatchObject([
      { mpd_path: 'cam-1/1772280009/manifest.mpd', duration_ms: 4000 },
    ]);
  });

  test("another spool's recording cannot be changed", async () => {
    const catalog = await fresh();
    await catalog.commitRows(page(0, [recording(1), segment(2, 1)]), everything);
    const { refused } = await catalog.commitRows(
      page(0, [recording(8, { status: 'ended' }), segment(9, 1)], spoolB),
      everything,
    );
    expect(refused).toEqual([8, 9].map((stamp) => ({ stamp, reason: 'the recording belongs to another spool' })));
    expect(await catalog.playbackOfStream('cam-1')).toMatchObject([{ recordings: [{ status: 'recording' }] }]);
  });

  test('one row that the database cannot hold is refused alone', async () => {
    const catalog = await fresh();
    const bad = { ...gap(3), cause: 'aliens' } as unknown as LedgerRow;
    const { cursor, refused } = await catalog.commitRows(
      page(0, [recording(1), segment(2, 1), bad, segment(4, 2)]),
      everything,
    );
    expect(cursor).toBe(4);
    expect(refused).toHaveLength(1);
    expect(refused[0]?.stamp).toBe(3);
    expect(refused[0]?.reason).toMatch(/^refused by the database: /);
    expect(await catalog.playbackDays()).toMatchObject([{ duration_ms: 8000 }]);
  });

  test('commits of one spool over two connections at once count everything once', async () => {
    const url = await newUrl[dialect]();
    const [one, two] = [await open(url), await open(url)];
    const rows = [recording(1), ...Array.from({ length: 20 }, (_, index) => segment(index + 2, index + 1))];
    await Promise.all([one, two, one, two].map((catalog) => catalog.commitRows(page(0, rows), everything)));
    expect(await one.playbackDays()).toMatchObject([{ duration_ms: 80_000, recordings: 1 }]);
  });

  test('two spools that begin the same day at once get the manifest of the day', async () => {
    const url = await newUrl[dialect]();
    const [one, two] = [await open(url), await open(url)];
    const other = { recording_id: second, record_dir: 'cam-1/1772280001' };
    await Promise.all([
      one.commitRows(page(0, [recording(1), segment(2, 1)]), everything),
      two.commitRows(page(0, [recording(1, other), segment(2, 1, other)], spoolB), everything),
    ]);
    expect(await one.playbackDays()).toMatchObject([{ mpd_path: 'cam-1/day-20260228.mpd', recordings: 2 }]);
  });

  test('an index restored from a backup asks for what it lost', async () => {
    const backup = await fresh();
    await backup.commitRows(page(0, [recording(1), segment(2, 1)]), everything);
    expect(await backup.commitRows(page(40, [segment(50, 9)]), everything)).toMatchObject({ cursor: 2, missing: true });
    const lost = [segment(30, 2), recording(40, { status: 'ended' }), segment(50, 9)];
    expect(await backup.commitRows(page(2, lost), everything)).toEqual({ cursor: 50, refused: [] });
  });

  test('a thousand segments are one page, in one go', async () => {
    const catalog = await fresh();
    const rows = [recording(1), ...Array.from({ length: 999 }, (_, index) => segment(index + 2, index + 1))];
    expect(await catalog.commitRows(page(0, rows), everything)).toEqual({ cursor: 1000, refused: [] });
    expect(await catalog.playbackDays()).toMatchObject([{ duration_ms: 3_996_000 }]);
  });

  test('nodes are remembered with their patterns', async () => {
    const catalog = await fresh();
    const status = { alias: 'site', node_id: 'n', version: '1', http: null };
    await catalog.noteNode(status, ['*']);
    await catalog.noteNode({ ...status, version: '2' }, ['cam-*']);
    expect(await catalog.nodes()).toEqual([
      { ...status, version: '2', stream_patterns: ['cam-*'], last_seen_ms: noon },
    ]);
  });

  test('it opens twice at once and again, and the tables stay', async () => {
    const url = await newUrl[dialect]();
    const [one] = await Promise.all([open(url), open(url), open(url)]);
    await one?.commitRows(page(0, [recording(1), segment(2, 1)]), everything);
    const again = await open(url);
    await again.ping();
    expect(await again.playbackDays()).toHaveLength(1);
  });
});
