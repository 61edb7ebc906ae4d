import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { LedgerRow, RecordingRow, SegmentRow } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { type Postgres, runningRecording, startPostgres, temporaryDirectory } from '@weir/testkit';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openCatalog } from './catalog.ts';
import type { Database, Queries } from './database.ts';
import { decodeDatabaseUrl } from './database-url.ts';
import { readPackedHours } from './hour-reading.ts';
import { decodePackedHour } from './packed-hour.ts';
import { slotMs } from './pending-slots.ts';
import { openPostgres } from './postgresql.ts';
import { chainOf } from './proof.ts';
import { openSqlite } from './sqlite.ts';
import { timelineOf } from './timeline.ts';
import { packedColumns, packedOf } from './timeline-hours.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const id = 'cccccccc-0000-4000-8000-000000000001';
const hour = 3_600_000;
const begin = Date.UTC(2026, 1, 28, 10);
const sha256 = 'ab'.repeat(32);
const everything = { node: 'site', streamPatterns: ['*'] };
const minute = 60_000;

let stamp = 0;
const next = () => {
  stamp += 1;
  return stamp;
};

const recording = (more: Partial<RecordingRow> = {}): LedgerRow => runningRecording(id, next(), begin, more);

/** The segment of minute `n` of the recording, 60 s long. */
const segment = (n: number, more: Partial<SegmentRow> = {}): SegmentRow => ({
  kind: 'segment',
  stamp: next(),
  recording_id: id,
  number: n + 1,
  period: 1,
  start_ms: begin + n * minute,
  duration_ms: minute,
  key_frame: true,
  tracks: [
    { track: 'video', base_time: n * 90, duration: 90, timescale: 90_000, samples: 120, bytes: 1000 + n, sha256 },
  ],
  local: 'present',
  remote: 'stored',
  stored_stamp: 1,
  refused_reason: null,
  ...more,
});
const pending = { remote: 'none', stored_stamp: null } as const;

const gap = (from: number, to: number, more: object = {}): LedgerRow => ({
  kind: 'gap',
  stamp: next(),
  recording_id: id,
  from_ms: begin + from,
  to_ms: begin + to,
  cause: 'no_publisher',
  segment: null,
  noted_ms: begin,
  withdrawn: false,
  ...more,
});

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const newUrl = {
  sqlite: async () => {
    const directory = temporaryDirectory('timeline');
    onTestFinished(() => directory[Symbol.dispose]());
    return `sqlite://${join(directory.path, 'weir.db')}`;
  },
  postgresql: () => postgres.createDatabase(`timeline_${randomBytes(6).toString('hex')}`),
};

/** What is wrong with the packed hours: each must have exactly the segments that start in it. */
const packedHours = async ({ tables: t, read }: Database): Promise<number[]> =>
  read(async (queries) => {
    const rows = (await queries.select(packedColumns(t)).from(t.segments)).sort((a, b) => a.number - b.number);
    const ids = [...new Set(rows.map((row) => row.recording_id))];
    const packed = await readPackedHours(queries, t, ids, 0, begin + 1000 * hour);
    const hours: number[] = [];
    for (const { recording_id: of, hour: number, packed: bytes } of packed) {
      hours.push(number - begin / hour);
      const inside = rows.filter((r) => r.recording_id === of && Math.floor(r.start_ms / hour) === number);
      expect(decodePackedHour(bytes)).toEqual(inside.map(packedOf));
      expect(inside.map(({ remote }) => remote)).not.toContain('none');
    }
    return hours;
  });

/** The counts of what waits, which have to be those of the rows. */
const pendingSlots = ({ tables: t, read }: Database): Promise<void> =>
  read(async (queries) => {
    const expected: Record<string, number> = {};
    for (const { remote, local, recording_id, start_ms } of await queries.select().from(t.segments)) {
      const key = `${recording_id} ${Math.floor(start_ms / slotMs)}`;
      if (remote === 'none' && local !== 'gone') expected[key] = (expected[key] ?? 0) + 1;
    }
    const rows = await queries.select().from(t.pendingSlots);
    expect(Object.fromEntries(rows.map((r) => [`${r.recording_id} ${r.slot}`, r.segments]))).toEqual(expected);
    expect(rows.filter((row) => row.spool_id !== spool)).toEqual([]);
  });

const open = async (dialect: 'sqlite' | 'postgresql') => {
  const url = await newUrl[dialect]();
  const now = () => begin + 10 * hour;
  const options = { maxConnections: 2, connectTimeoutSeconds: 5, queryTimeoutSeconds: 30 };
  const catalog = await openCatalog({ url, ...options }, { now, log: silentLog() });
  onTestFinished(() => catalog[Symbol.asyncDispose]());
  const where = decodeDatabaseUrl(url);
  const database = await (where.kind === 'sqlite'
    ? openSqlite(where, { ...options, now })
    : openPostgres(where, { ...options, now }));
  onTestFinished(() => database[Symbol.asyncDispose]());
  const again = () => openCatalog({ url, ...options }, { now, log: silentLog() });
  const commit = (...rows: LedgerRow[]) => catalog.commitRows({ spool, after: 0, rows }, everything);
  const timeline = async (from = 0, to = 10 * hour) => {
    const answer = await catalog.timelineOf('cam-1', { from: begin + from, to: begin + to });
    return answer.spans.map((span) => {
      const { kind } = span;
      const told = kind === 'missing' ? [span.cause] : kind === 'pending' ? [span.age_ms, span.position] : [];
      return [kind, (span.from - begin) / minute, (span.to - begin) / minute, ...told];
    });
  };
  return { catalog, commit, timeline, database, again, packed: () => packedHours(database) };
};

const minutes = (from: number, to: number, more: Partial<SegmentRow> = {}) =>
  Array.from({ length: to - from }, (_, index) => segment(from + index, more));

describe.each(['sqlite', 'postgresql'] as const)('the timeline on %s', (dialect) => {
  test('an hour is packed when the recording is past it and nothing of it waits, the last when it ends', async () => {
    const { commit, packed, timeline, catalog } = await open(dialect);
    await commit(recording(), ...minutes(0, 59));
    expect(await packed()).toEqual([]);
    await commit(segment(59, pending), segment(60));
    expect(await packed()).toEqual([]);
    await commit(segment(59));
    expect(await packed()).toEqual([0]);
    await commit(...minutes(61, 90));
    await commit(recording({ status: 'ended', end_ms: begin + 90 * minute }));
    expect(await packed()).toEqual([0, 1]);
    expect(await timeline()).toEqual([['present', 0, 90]]);
    const [day] = await catalog.recordingsOfDay('cam-1', 2026, 2, 28);
    expect([...(day?.segments ?? [])].map(({ number, tracks }) => [number, tracks[0]?.bytes])).toEqual(
      Array.from({ length: 90 }, (_, n) => [n + 1, 1000 + n]),
    );
  });

  test('a packed hour follows a segment that comes late, or changes, in the same transaction', async () => {
    const { commit, packed, timeline } = await open(dialect);
    await commit(recording(), ...minutes(0, 30), ...minutes(31, 62));
    expect(await packed()).toEqual([0]);
    expect(await timeline()).toEqual([
      ['present', 0, 30],
      ['missing', 30, 31, 'unexplained'],
      ['present', 31, 62],
    ]);
    await commit(segment(30, pending));
    expect(await packed()).toEqual([]);
    await commit(segment(30, { remote: 'refused', refused_reason: 'too large', stored_stamp: null }));
    expect(await packed()).toEqual([0]);
    expect((await timeline())[1]).toEqual(['missing', 30, 31, 'refused']);
    await commit(segment(30));
    expect(await packed()).toEqual([0]);
    expect(await timeline()).toEqual([['present', 0, 62]]);
  });

  test('pending is not missing: it tells its age and how many older segments wait', async () => {
    const { commit, timeline } = await open(dialect);
    const other = { recording_id: 'dddddddd-0000-4000-8000-000000000002' };
    await commit(
      recording({ ...other, stream: 'cam-2', record_dir: 'cam-2/1' }),
      segment(1, { ...other, ...pending }),
      segment(2, { ...other, ...pending, local: 'gone' }),
      recording(),
      ...minutes(0, 5),
      ...minutes(5, 8, pending),
      segment(8),
      segment(9, pending),
    );
    expect(await timeline()).toEqual([
      ['present', 0, 5],
      ['pending', 5, 8, 10 * hour - 5 * minute, 2],
      ['present', 8, 9],
      ['pending', 9, 10, 10 * hour - 9 * minute, 5],
    ]);
    expect(await timeline(6 * minute, 7 * minute)).toMatchObject([['pending', 6, 7, 10 * hour - 6 * minute, 3]]);
  });

  test('what is missing has its cause, within a segment too, until it is withdrawn', async () => {
    const { commit, timeline } = await open(dialect);
    await commit(
      recording(),
      ...minutes(0, 3),
      segment(3, { ...pending, local: 'gone' }),
      ...minutes(4, 6),
      gap(minute + 15_000, minute + 30_000, { cause: 'packet_loss' }),
      gap(6 * minute, 9 * minute),
    );
    const rest = [
      ['present', 1.5, 3],
      ['missing', 3, 4, 'evicted'],
      ['present', 4, 6],
      ['missing', 6, 9, 'no_publisher'],
    ];
    expect(await timeline()).toEqual([['present', 0, 1.25], ['missing', 1.25, 1.5, 'packet_loss'], ...rest]);
    await commit(gap(minute + 15_000, minute + 30_000, { cause: 'packet_loss', withdrawn: true }));
    expect(await timeline()).toEqual([['present', 0, 3], ...rest.slice(1)]);
  });

  test('what one of two recordings has of the same time is there', async () => {
    const { commit, timeline } = await open(dialect);
    const other = { recording_id: 'dddddddd-0000-4000-8000-000000000002' };
    await commit(
      recording(),
      ...minutes(0, 5),
      gap(5 * minute, 9 * minute),
      recording({ ...other, record_dir: 'cam-1/2' }),
      segment(4, { ...other, ...pending }),
      segment(5, { ...other, ...pending }),
      segment(6, other),
    );
    expect(await timeline()).toEqual([
      ['present', 0, 5],
      ['pending', 5, 6, 10 * hour - 5 * minute, 2],
      ['present', 6, 7],
      ['missing', 7, 9, 'no_publisher'],
    ]);
    expect(await timeline(9 * minute)).toEqual([]);
  });

  test('a hole is told wherever the question begins or ends, within it and over hours too', async () => {
    const { commit, timeline } = await open(dialect);
    await commit(recording(), ...minutes(0, 5), ...minutes(8, 10), ...minutes(200, 202), segment(300));
    const hole = (from: number, to: number) => ['missing', from, to, 'unexplained'];
    const asked = (from: number, to: number) => timeline(from * minute, to * minute);
    expect(await asked(6, 10)).toEqual([hole(6, 8), ['present', 8, 10]]);
    expect(await asked(3, 7)).toEqual([['present', 3, 5], hole(5, 7)]);
    expect(await asked(6, 7)).toEqual([hole(6, 7)]);
    expect(await asked(100, 150)).toEqual([hole(100, 150)]);
    await commit(recording({ status: 'ended', end_ms: begin + 301 * minute }), gap(202 * minute, 250 * minute));
    expect(await asked(100, 150)).toEqual([hole(100, 150)]);
    expect(await asked(240, 260)).toEqual([['missing', 240, 250, 'no_publisher'], hole(250, 260)]);
    // Before its first segment and behind its last one nothing was recorded.
    expect(await asked(300, 400)).toEqual([['present', 300, 301]]);
  });

  test('in a replay, segments before their recording, hours are packed as well', async () => {
    const { commit, packed, timeline } = await open(dialect);
    await commit(...minutes(0, 40));
    await commit(...minutes(40, 130));
    expect(await packed()).toEqual([0, 1]);
    await commit(recording({ status: 'ended', end_ms: begin + 130 * minute }));
    expect(await packed()).toEqual([0, 1, 2]);
    expect(await timeline()).toEqual([['present', 0, 130]]);
  });

  test('an index of before gets its counts of what waits when it is migrated', async () => {
    const { commit, database, again } = await open(dialect);
    await commit(recording(), ...minutes(0, 9, pending), segment(9), segment(10, { ...pending, local: 'gone' }));
    for (const text of ['drop table pending_slots', "delete from schema_migrations where name like '0005%'"])
      await database.write(async (tx) => {
        // Each driver of Drizzle has its own word for it.
        const { run = tx.execute } = tx as unknown as { run?: typeof tx.execute };
        await run.call(tx, sql.raw(text));
      });
    await using _ = await again();
    await pendingSlots(database);
  });

  test('whatever comes in whatever order, packed hours and timeline are those of the rows', {
    timeout: 60_000,
  }, async () => {
    const { commit, packed, timeline, database } = await open(dialect);
    const latest = new Map<number, string>();
    const kinds = { none: 'pending', stored: 'present', refused: 'missing refused' };
    const byMinute = async () =>
      (await timeline()).flatMap(([kind, from, to, cause]) =>
        Array.from({ length: Number(to) - Number(from) }, (_, at) => [
          Number(from) + at,
          kind === 'missing' ? `missing ${cause}` : kind,
        ]),
      );
    const expected = () => {
      const [first, last] = [Math.min(...latest.keys()), Math.max(...latest.keys())];
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => {
        const remote = latest.get(first + at) as keyof typeof kinds | undefined;
        return [first + at, remote === undefined ? 'missing unexplained' : kinds[remote]];
      });
    };
    await commit(recording());
    const change = fc.oneof(
      { weight: 8, arbitrary: fc.tuple(fc.nat(250), fc.constantFrom('none', 'stored', 'stored', 'refused')) },
      { weight: 1, arbitrary: fc.constantFrom('recording' as const, 'ended' as const) },
    );
    const rowOf = (what: typeof change extends fc.Arbitrary<infer T> ? T : never): LedgerRow => {
      if (typeof what === 'string') return recording({ status: what });
      const [n, remote] = what;
      latest.set(n, remote);
      return segment(n, {
        remote: remote as SegmentRow['remote'],
        refused_reason: remote === 'refused' ? 'no' : null,
      });
    };
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 60 }), async (changes) => {
        await commit(...changes.map(rowOf));
        await packed();
        await pendingSlots(database);
        if (latest.size > 0) expect(await byMinute()).toEqual(expected());
      }),
      { seed: 7, numRuns: 25, endOnFailure: true },
    );
    await commit(recording({ status: 'ended' }), ...minutes(0, 251));
    expect(await packed()).toEqual([0, 1, 2, 3, 4]);
    await pendingSlots(database);
  });
});

/** How many rows of `segments` PostgreSQL has read in a transaction. */
const segmentsRead = async (tx: Queries): Promise<number> => {
  const [visited] = (await tx.execute(
    sql`select seq_tup_read + idx_tup_fetch as rows from pg_stat_xact_user_tables where relname = 'segments'`,
  )) as unknown as [{ rows: string }];
  return Number(visited.rows);
};

test('a page of a proof reads its own segments and a few before it, however many those are', async () => {
  const { commit, database } = await open('postgresql');
  await commit(recording(), ...minutes(0, 2000));
  await database.read((queries) => queries.execute(sql`vacuum analyze`));
  const { heads, rows } = await database.write(async (tx) => {
    const read: Database['read'] = (work) => work(tx);
    const chain = await chainOf({ ...database, read })(id, 1900, 10);
    return { ...chain, rows: await segmentsRead(tx) };
  });
  expect(heads).toEqual([{ track: 'video', number: 1900, sha256 }]);
  expect(rows).toBeLessThan(50);
});

test('what a place in the queue costs does not grow with the queue', async () => {
  const { commit, database } = await open('postgresql');
  await commit(recording());
  /** What a timeline of `minutesAt` tells of its first span, and how many segments PostgreSQL reads for it. */
  const asked = async (minutesAt: number) =>
    database.write(async (tx) => {
      const read: Database['read'] = (work) => work(tx);
      const range = { from: begin + minutesAt * minute, to: begin + (minutesAt + 1) * minute };
      const { spans } = await timelineOf({ database: { ...database, read }, now: () => begin })('cam-1', range);
      return { position: spans[0]?.kind === 'pending' ? spans[0].position : null, rows: await segmentsRead(tx) };
    });
  // Statistics, so that nobody thinks the table is empty.
  const analyze = () => database.read((queries) => queries.execute(sql`vacuum analyze`));
  for (let at = 0; at < 1000; at += 500) await commit(...minutes(at, at + 500, pending));
  await analyze();
  const few = await asked(998);
  for (let at = 1000; at < 9000; at += 500) await commit(...minutes(at, at + 500, pending));
  await analyze();
  const many = await asked(8998);
  expect([few.position, many.position]).toEqual([999, 8999]);
  expect(many.rows).toBeLessThan(100);
  expect(many.rows).toBeLessThanOrEqual(few.rows + 10);
});
