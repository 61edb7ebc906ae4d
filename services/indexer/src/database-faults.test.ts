/** The indexer while its database crashes, hangs, or is locked: it goes on by itself, and every row is there once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createLog } from '@weir/runtime';
import { commitWatch, openTcpProxy, startPostgres, type TcpMeddler } from '@weir/testkit';
import postgresClient from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { begin, keepUntilEnd, ledgerOf, recordingId, soon, spool, startIndexer, startNode } from './indexer-fixture.ts';

const SEGMENTS = 1200;
const whole = { segments: SEGMENTS, duration_ms: SEGMENTS * 1000 };

type Indexer = Awaited<ReturnType<typeof startIndexer>>;

/** Every row once, in the tables and in the sums. */
const expectWhole = async ({ catalog }: Indexer) => {
  await expect.poll(() => catalog.cursorOf(spool).catch(() => -1), { ...soon, timeout: 25_000 }).toBe(SEGMENTS + 1);
  const [day] = await catalog.playbackOfStream('cam-1');
  expect(day?.recordings).toMatchObject([whole]);
  const numbers: number[] = [];
  for (let page = await catalog.chainOf(recordingId, 0, 1000); page.segments.length > 0; ) {
    numbers.push(...page.segments.map(({ number }) => number));
    page = await catalog.chainOf(recordingId, numbers.at(-1) ?? 0, 1000);
  }
  expect(numbers).toEqual(Array.from({ length: SEGMENTS }, (_, index) => index + 1));
};

test.each([
  ['in the middle of a transaction', 'insert', true],
  ['before it hears of the commit', 'commit', false],
  ['as it commits', 'commit', true],
])(
  'a PostgreSQL that crashes %s has every row once when it is back, and a cursor that fits',
  async (_when, message, isHeard) => {
    const { directory, secrets } = await begin();
    const postgres = keepUntilEnd(await startPostgres({ fsync: true }));
    const crashed = Promise.withResolvers<void>();
    let inserts = 0;
    let isOver = false;
    const meddler = (): TcpMeddler => {
      const isCommit = commitWatch();
      return {
        fromClient(bytes, forward) {
          const isInsert = /insert into "segments"/i.test(bytes.toString('latin1'));
          // The second page of rows: the first is committed, the third comes behind it.
          inserts += isInsert ? 1 : 0;
          const isHit = message === 'insert' ? isInsert : isCommit(bytes);
          const isNow = isHit && !isOver && inserts >= 2;
          if (!isNow || isHeard) forward(bytes);
          if (!isNow) return;
          isOver = true;
          void postgres.crash().then(crashed.resolve, crashed.reject);
        },
      };
    };
    const proxy = keepUntilEnd(await openTcpProxy(() => postgres.port, meddler));
    const databaseUrl = postgres.url.replace(`:${postgres.port}/`, `:${proxy.port}/`);
    const node = await startNode(secrets, ledgerOf(SEGMENTS));
    const nodes = [{ alias: 'site', url: node.url }];
    const indexer = await startIndexer({ secrets, directory, databaseUrl, nodes, pullSeconds: 1 });
    await crashed.promise;
    await expect.poll(() => indexer.counts.failedCommits + indexer.counts.failedPulls, soon).toBeGreaterThan(0);
    expect(await indexer.ready()).toBe(503);
    proxy.set('refuse');
    await postgres.resume();
    // What it came back with, before the indexer goes on.
    const sql = postgresClient(postgres.url, { max: 1 });
    const [found] = await sql`select (select cursor from spools)::int as cursor, max(stamp)::int as stamp,
    count(*)::int as segments, (select segments from recording_sessions)::int as sum from segments`;
    await sql.end();
    const committed = isHeard && message === 'commit' ? [500, 1000] : [500];
    expect(committed).toContain(found?.cursor);
    expect(found).toMatchObject({ stamp: found?.cursor, segments: found?.cursor - 1, sum: found?.cursor - 1 });
    proxy.set('pass');
    await expectWhole(indexer);
    await expect.poll(indexer.ready, soon).toBe(200);
  },
);

test('rows wait while another session holds up the statement, which is cut each time, and are taken afterwards', async () => {
  const { directory, secrets } = await begin();
  const postgres = keepUntilEnd(await startPostgres());
  const node = await startNode(secrets, ledgerOf(SEGMENTS));
  const lines: string[] = [];
  const log = createLog('indexer', { format: 'json', destination: { write: (line) => void lines.push(line) } });
  const start = { secrets, directory, databaseUrl: postgres.url, queryTimeoutSeconds: 1, log };
  const indexer = await startIndexer({ ...start, nodes: [{ alias: 'site', url: node.url }], pullSeconds: 1 });
  await expectWhole(indexer);
  const sql = postgresClient(postgres.url, { max: 1 });
  onTestFinished(() => sql.end());
  await sql.begin(async (tx) => {
    await tx`lock table spools in access exclusive mode`;
    node.rows.push(...ledgerOf(SEGMENTS + 1).slice(-1));
    await expect.poll(() => indexer.counts.failedCommits + indexer.counts.failedPulls, soon).toBeGreaterThan(1);
  });
  await expect.poll(() => indexer.catalog.cursorOf(spool), soon).toBe(SEGMENTS + 2);
  expect(lines.join('')).toContain('canceling statement due to statement timeout (57014)');
});

/** Another process that holds SQLite's lock until it is killed. */
const holdLock = async (path: string): Promise<ChildProcess> => {
  const program = `const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(process.argv[1], { timeout: 10000 });
    database.exec('BEGIN IMMEDIATE');
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
};

test('a file of SQLite that another process locks for longer than the indexer waits costs nothing', async () => {
  const { directory, secrets } = await begin();
  const node = await startNode(secrets, []);
  const nodes = [{ alias: 'site', url: node.url }];
  const indexer = await startIndexer({ secrets, directory, nodes, pullSeconds: 1, queryTimeoutSeconds: 1 });
  const holder = await holdLock(join(directory, 'weir.db'));
  node.rows.push(...ledgerOf(SEGMENTS));
  await expect.poll(() => indexer.counts.failedCommits + indexer.counts.failedPulls, soon).toBeGreaterThan(1);
  expect(await indexer.catalog.cursorOf(spool)).toBe(0);
  // It only reads: a player finds what there is.
  expect(await indexer.ready()).toBe(200);
  holder.kill('SIGKILL');
  await expectWhole(indexer);
});

test('an indexer that loses its database while it starts learns of the spools when it is back', async () => {
  const { directory, secrets } = await begin();
  const postgres = keepUntilEnd(await startPostgres());
  const node = await startNode(secrets, ledgerOf(SEGMENTS));
  const nodes = [{ alias: 'site', url: node.url }];
  const first = await startIndexer({ secrets, directory, databaseUrl: postgres.url, nodes, pullSeconds: 1 });
  await expectWhole(first);
  await first.stop();
  let isLost = false;
  const meddler = (): TcpMeddler => ({
    fromClient(bytes, forward) {
      if (/from "spools"/.test(bytes.toString('latin1')) && !isLost) {
        isLost = true;
        proxy.set('refuse');
      } else forward(bytes);
    },
  });
  const proxy = keepUntilEnd(await openTcpProxy(() => postgres.port, meddler));
  const through = postgres.url.replace(`:${postgres.port}/`, `:${proxy.port}/`);
  // No node is named to it: the index alone knows of the spool.
  const waiting = startIndexer({ secrets, directory, databaseUrl: through, catalogUrl: postgres.url, pullSeconds: 1 });
  const indexer = await waiting;
  await expect.poll(() => isLost, soon).toBe(true);
  expect(indexer.replication.spools()).toBe(0);
  proxy.set('pass');
  await expect.poll(indexer.replication.spools, soon).toBe(1);
});
