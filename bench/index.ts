/**
 * How fast the index is: a day's timeline and manifest among ten million segments (`--rows`), and segments committed into
 * it a second (`--seconds`), by the code that indexer and gateway run. `--only=sqlite` or `--only=postgresql`. PostgreSQL syncs unless
 * `--fsync=off`.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { type Catalog, dayOf, openCatalog } from '@weir/catalog';
import type { LedgerRow } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { randomFrom, requireProgram, startPostgres, temporaryDirectory } from '@weir/testkit';
import { encodeDayManifest } from '../services/gateway/src/day-manifest.ts';
import { beginSql, daySql, type LoadedDay, loadedDays, segmentsOfDay } from './index-load.ts';
import { showTable } from './statistics.ts';

type Dialect = 'sqlite' | 'postgresql';

const dayMs = 86_400_000;
const targets = { sqlite: 5_000, postgresql: 10_000, timelineMs: 20 };
const pageRows = 1_000;
const recordingsOfSpool = 10;

const loadSqlite = (path: string, days: readonly LoadedDay[]): void => {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;');
  database.exec(beginSql);
  for (const day of days) database.exec(`BEGIN; ${daySql(day, false)} COMMIT;`);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE);');
  database.close();
};

const loadPostgres = async (url: string, days: readonly LoadedDay[]): Promise<void> => {
  const psql = spawn(requireProgram('psql'), [url, '-X', '-q', '-v', 'ON_ERROR_STOP=1'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(psql, 'exit');
  const send = async (sql: string) => {
    if (!psql.stdin.write(`${sql}\n`)) await once(psql.stdin, 'drain');
  };
  // Without the triggers of foreign keys, which every row would fire.
  await send(`SET session_replication_role = replica; ${beginSql}`);
  for (const day of days) await send(`BEGIN; ${daySql(day, true)} COMMIT;`);
  await send('SET statement_timeout = 0; VACUUM ANALYZE;');
  psql.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`psql ended with ${code}`);
};

type Figures = { p50: number; p99: number };

const timesOf = async (count: number, work: () => Promise<unknown>): Promise<Figures> => {
  // The first ones compile code and warm the cache.
  for (let at = 0; at < 20; at += 1) await work();
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
};

const queriesOf = async (catalog: Catalog, days: readonly LoadedDay[], count: number) => {
  const random = randomFrom(1);
  const pick = (list: readonly LoadedDay[]) => list[Math.floor(random() * list.length)] as LoadedDay;
  const timeline = ({ stream, fromMs }: LoadedDay) => catalog.timelineOf(stream, { from: fromMs, to: fromMs + dayMs });
  const ended = days.filter((day) => !day.isOpen);
  const open = days.filter((day) => day.isOpen);
  const check = await timeline(pick(open));
  const kinds = Object.entries(Object.groupBy(check.spans, ({ kind }) => kind)).map(
    ([k, list]) => `${list?.length} ${k}`,
  );
  console.log(`a timeline of today has ${kinds.join(', ')}`);
  return {
    'timeline of a day': await timesOf(count, () => timeline(pick(ended.length === 0 ? open : ended))),
    'timeline of today': await timesOf(count, () => timeline(pick(open))),
    "a day's segments": await timesOf(count, async () => {
      const { stream, fromMs } = pick(ended.length === 0 ? open : ended);
      const { year, month, day } = dayOf(fromMs);
      let segments = 0;
      for (const recording of await catalog.recordingsOfDay(stream, year, month, day))
        for (const _ of recording.segments) segments += 1;
      if (segments === 0) throw new Error(`nothing of ${stream} on ${year}-${month}-${day}`);
    }),
    "a day's manifest": await timesOf(count, async () => {
      const { stream, fromMs } = pick(ended.length === 0 ? open : ended);
      const { year, month, day } = dayOf(fromMs);
      return encodeDayManifest(stream, await catalog.recordingsOfDay(stream, year, month, day));
    }),
    "a stream's days": await timesOf(count, () => catalog.playbackOfStream(pick(days).stream)),
  };
};

/** Pages of a spool with ten recordings whose segments come in turn, from the start of a day on. */
const pagesOf = function* (spool: string): Generator<LedgerRow[]> {
  const ids = Array.from({ length: recordingsOfSpool }, () => randomUUID());
  const startMs = Date.UTC(2027, 0, 1);
  const sha256 = 'cd'.repeat(32);
  let stamp = 0;
  yield ids.map((recording_id, index) => ({
    kind: 'recording',
    stamp: ++stamp,
    recording_id,
    node_id: 'node',
    node_alias: 'site',
    stream: `commit-${spool.slice(0, 8)}-${index}`,
    record: startMs / 1000,
    record_dir: `commit-${spool.slice(0, 8)}-${index}/1`,
    status: 'recording',
    start_ms: startMs,
    end_ms: null,
    end_cause: null,
  }));
  for (let number = 1; ; ) {
    const rows: LedgerRow[] = [];
    for (; rows.length < pageRows; number += 1)
      for (const recording_id of ids)
        rows.push({
          kind: 'segment',
          stamp: ++stamp,
          recording_id,
          number,
          period: 1,
          start_ms: startMs + (number - 1) * 4000,
          duration_ms: 4000,
          key_frame: true,
          tracks: [
            {
              track: 'video',
              base_time: number * 360_000,
              duration: 360_000,
              timescale: 90_000,
              samples: 120,
              bytes: 1_000_000,
              sha256,
            },
            {
              track: 'audio',
              base_time: number * 192_000,
              duration: 192_000,
              timescale: 48_000,
              samples: 200,
              bytes: 32_000,
              sha256,
            },
          ],
          local: 'present',
          remote: 'stored',
          stored_stamp: stamp,
          refused_reason: null,
        });
    yield rows;
  }
};

const commitsOf = async (catalog: Catalog, spools: number, seconds: number): Promise<number> => {
  let committed = 0;
  const start = performance.now();
  const isOver = () => performance.now() - start >= seconds * 1000;
  const commit = async (spool: string): Promise<void> => {
    let after = 0;
    for (const rows of pagesOf(spool)) {
      const { cursor, refused } = await catalog.commitRows(
        { spool, after, rows },
        { node: 'site', streamPatterns: ['*'] },
      );
      if (refused.length > 0) throw new Error(`refused: ${refused[0]?.reason}`);
      after = cursor;
      committed += rows.filter((row) => row.kind === 'segment').length;
      if (isOver()) return;
    }
  };
  await Promise.all(Array.from({ length: spools }, () => commit(randomUUID())));
  return committed / ((performance.now() - start) / 1000);
};

const measure = async (
  dialect: Dialect,
  { rows, count, seconds, fsync }: { rows: number; count: number; seconds: number; fsync: boolean },
): Promise<boolean> => {
  await using stack = new AsyncDisposableStack();
  const days = loadedDays(rows);
  const directory = stack.use(temporaryDirectory('bench-index'));
  const path = join(directory.path, 'weir.db');
  const postgres = dialect === 'postgresql' ? stack.use(await startPostgres({ fsync })) : null;
  const url = postgres?.url ?? `sqlite://${path}`;
  const now = () => (days.at(-1)?.fromMs ?? 0) + dayMs;
  const open = () => openCatalog({ url, maxConnections: 8, connectTimeoutSeconds: 10 }, { now, log: silentLog() });
  await (await open())[Symbol.asyncDispose]();
  const start = performance.now();
  if (postgres === null) loadSqlite(path, days);
  else await loadPostgres(url, days);
  const loaded = ((performance.now() - start) / 1000).toFixed(0);
  console.log(
    `${dialect}: ${days.length * segmentsOfDay} segments in ${days.length} recordings, loaded in ${loaded} s`,
  );
  const catalog = stack.use(await open());
  const queries = await queriesOf(catalog, days, count);
  const lines = Object.entries(queries).map(([name, { p50, p99 }]) => [name, p50.toFixed(1), p99.toFixed(1)]);
  console.log(showTable([[dialect, 'p50 ms', 'p99 ms'], ...lines]));
  const one = await commitsOf(catalog, 1, seconds);
  const four = await commitsOf(catalog, 4, seconds);
  console.log(`${dialect}: ${one.toFixed(0)} segments/s from one spool, ${four.toFixed(0)} from four`);
  const isFast = Math.max(one, four) >= targets[dialect];
  const isShort = Math.max(queries['timeline of a day'].p99, queries['timeline of today'].p99) <= targets.timelineMs;
  console.log(
    `${dialect}: at least ${targets[dialect]} segments/s: ${isFast ? 'kept' : 'MISSED'}; ` +
      `timeline p99 at most ${targets.timelineMs} ms: ${isShort ? 'kept' : 'MISSED'}`,
  );
  return isFast && isShort;
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '10000000' },
      queries: { type: 'string', default: '300' },
      seconds: { type: 'string', default: '10' },
      only: { type: 'string', default: 'sqlite,postgresql' },
      fsync: { type: 'string', default: 'on' },
    },
  });
  let isKept = true;
  for (const dialect of ['sqlite', 'postgresql'] as const)
    if (values.only.split(',').includes(dialect))
      isKept =
        (await measure(dialect, {
          rows: Number(values.rows),
          count: Number(values.queries),
          seconds: Number(values.seconds),
          fsync: values.fsync === 'on',
        })) && isKept;
  process.exitCode = isKept ? 0 : 1;
};

await main();
