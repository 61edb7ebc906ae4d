/** What the index does when its PostgreSQL is lost, silent, or hangs. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createLog, silentLog } from '@weir/runtime';
import {
  freePort,
  openTcpProxy,
  type Postgres,
  runningRecording,
  startPostgres,
  storedSegment,
  type TcpMeddler,
} from '@weir/testkit';
import postgresClient from 'postgres';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type CatalogOptions, openCatalog, type Patience } from './catalog.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const recordingId = 'cccccccc-0000-4000-8000-000000000001';
const noon = Date.UTC(2026, 1, 28, 12);
const everything = { node: 'site', streamPatterns: ['*'] };
const soon = { timeout: 10_000, interval: 20 };
const recording = runningRecording(recordingId, 1, noon, { stream: 'cam-1', record_dir: 'cam-1/1772280000' });

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const keepUntilEnd = <T extends AsyncDisposable>(resource: T): T => {
  onTestFinished(() => resource[Symbol.asyncDispose]());
  return resource;
};
const newUrl = () => postgres.createDatabase(`faults_${randomBytes(6).toString('hex')}`);
const through = (url: string, port: number) => url.replace(`:${postgres.port}/`, `:${port}/`);
const open = async (url: string, more: Partial<CatalogOptions> = {}) =>
  keepUntilEnd(
    await openCatalog(
      // Longer than a test: a driver that waits for it is noticed.
      { url, maxConnections: 1, connectTimeoutSeconds: 60, ...more },
      { now: () => noon, log: silentLog() },
    ),
  );

test.each([
  ['reaches the server', true],
  ['is lost with it', false],
])('a connection that is lost at any message of a commit, which %s, costs that commit alone', async (_how, isHeard) => {
  let seen = 0;
  let cutAt = Number.POSITIVE_INFINITY;
  const meddler = (): TcpMeddler => ({
    fromClient(bytes, forward) {
      const isCut = seen === cutAt;
      seen += 1;
      if (!isCut || isHeard) forward(bytes);
      if (isCut) proxy.cut();
    },
  });
  const proxy = keepUntilEnd(await openTcpProxy(() => postgres.port, meddler));
  const catalog = await open(through(await newUrl(), proxy.port));
  await catalog.commitRows({ spool, after: 0, rows: [recording] }, everything);
  let cursor = 1;
  let lost = 0;
  for (let at = 0; ; at += 1) {
    const rows = [1, 2, 3].map((more) => storedSegment(recordingId, cursor + more, cursor - 1 + more, noon));
    const commit = () => catalog.commitRows({ spool, after: cursor, rows }, everything);
    seen = 0;
    cutAt = at;
    const error = await commit().then(
      () => null,
      (reason: unknown) => reason,
    );
    const wasCut = seen > at;
    cutAt = Number.POSITIVE_INFINITY;
    if (wasCut) expect([at, error]).toMatchObject([at, { code: 'database_unavailable' }]);
    else expect(error).toBeNull();
    lost += wasCut ? 1 : 0;
    expect(await commit()).toEqual({ cursor: cursor + 3, refused: [] });
    cursor += 3;
    if (!wasCut) break;
  }
  // Begin, lock, read, write, sums, commit at least.
  expect(lost).toBeGreaterThan(10);
  const [day] = await catalog.playbackOfStream('cam-1');
  expect(day?.recordings).toMatchObject([{ segments: cursor - 1, duration_ms: (cursor - 1) * 1000 }]);
  const { segments } = await catalog.chainOf(recordingId, 0, 1000);
  expect(segments.map(({ number }) => number)).toEqual(segments.map((_, index) => index + 1));
  expect(await catalog.cursorOf(spool)).toBe(cursor);
});

test('a connection that is lost at any message of the start is a refused start, and nothing else', async () => {
  let seen = 0;
  let cutAt = Number.POSITIVE_INFINITY;
  const meddler = (): TcpMeddler => ({
    fromClient(bytes, forward) {
      if (seen === cutAt) proxy.cut();
      else forward(bytes);
      seen += 1;
    },
  });
  const proxy = keepUntilEnd(await openTcpProxy(() => postgres.port, meddler));
  const url = through(await newUrl(), proxy.port);
  await open(url);
  for (let at = 0; ; at += 1) {
    seen = 0;
    cutAt = at;
    const error = await open(url).then(
      () => null,
      (reason: unknown) => reason,
    );
    if (seen <= at) break;
    expect([at, error]).toMatchObject([at, { code: 'database_unavailable' }]);
  }
  // Hello, two of the password, a question, begin, migrations, commit at least.
  expect(cutAt).toBeGreaterThan(6);
});

/** Between a client and the server; ends both sides after so many bytes of the server, when told to. */
const startByteGate = async () => {
  let left = Number.POSITIVE_INFINITY;
  const server = createServer((client) => {
    const upstream = connect(postgres.port, '127.0.0.1');
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes: Buffer) => {
      const passed = bytes.subarray(0, left);
      left -= passed.length;
      client.write(passed, () => {
        if (left > 0) return;
        left = Number.POSITIVE_INFINITY;
        end();
      });
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return {
    port: (server.address() as AddressInfo).port,
    endAfter(bytes: number) {
      left = bytes;
    },
  };
};

test('an answer of which half came is not mixed with the next one', async () => {
  const gate = await startByteGate();
  const catalog = await open(through(await newUrl(), gate.port));
  const segments = Array.from({ length: 300 }, (_, index) => storedSegment(recordingId, index + 2, index + 1, noon));
  await catalog.commitRows({ spool, after: 0, rows: [recording, ...segments] }, everything);
  const whole = await catalog.chainOf(recordingId, 0, 1000);
  expect(whole.segments).toHaveLength(300);
  gate.endAfter(30_000);
  await expect(catalog.chainOf(recordingId, 0, 1000)).rejects.toMatchObject({ code: 'database_unavailable' });
  expect(await catalog.chainOf(recordingId, 0, 1000)).toEqual(whole);
});

test('max_connections is the most that are open, however much is asked at once', async () => {
  const url = await newUrl();
  const catalog = await open(url, { maxConnections: 3 });
  const other = postgresClient(url, { max: 2 });
  onTestFinished(() => other.end());
  const held = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holding = other.begin(async (sql) => {
    await sql`lock table spools in access exclusive mode`;
    locked.resolve();
    await held.promise;
  });
  await locked.promise;
  const asked = Promise.all(Array.from({ length: 20 }, () => catalog.cursorOf(spool)));
  const count = async () => {
    const [row] = await other`select count(*)::int as opened,
      (count(*) filter (where wait_event_type = 'Lock'))::int as waiting
      from pg_stat_activity where application_name = 'weir' and datname = current_database()`;
    return { ...row };
  };
  await expect.poll(count, soon).toEqual({ opened: 3, waiting: 3 });
  held.resolve();
  await holding;
  expect(await asked).toEqual(Array.from({ length: 20 }, () => 0));
  expect(await count()).toEqual({ opened: 3, waiting: 0 });
});

test('connect_timeout ends the wait for a server that accepts and never answers, at the start and later', async () => {
  const proxy = keepUntilEnd(await openTcpProxy(() => postgres.port));
  const url = through(await newUrl(), proxy.port);
  const options = { connectTimeoutSeconds: 1 };
  proxy.set('stall');
  await expect(open(url, options)).rejects.toMatchObject({
    code: 'database_unavailable',
    message: expect.stringMatching(/(no answer within 1 s|CONNECT_TIMEOUT).*check \[database\] url/),
  });
  proxy.set('pass');
  const catalog = await open(url, options);
  expect(await catalog.cursorOf(spool)).toBe(0);
  proxy.set('refuse');
  proxy.set('stall');
  const asked = async () => {
    await catalog.cursorOf(spool);
  };
  await expect(asked()).rejects.toMatchObject({ code: 'database_unavailable' });
  await expect(asked()).rejects.toMatchObject({ message: expect.stringContaining('CONNECT_TIMEOUT') });
  proxy.set('pass');
  proxy.cut();
  await expect.poll(() => asked().then(() => 'answers', String), soon).toBe('answers');
});

test('query_timeout cuts a statement that another session holds up', async () => {
  const url = await newUrl();
  const catalog = await open(url, { queryTimeoutSeconds: 1 });
  await catalog.commitRows({ spool, after: 0, rows: [recording] }, everything);
  const other = postgresClient(url, { max: 1 });
  onTestFinished(() => other.end());
  const rows = [storedSegment(recordingId, 2, 1, noon)];
  const commit = () => catalog.commitRows({ spool, after: 1, rows }, everything);
  await other.begin(async (sql) => {
    await sql`select * from spools for update`;
    await expect(commit()).rejects.toMatchObject({
      code: 'database_unavailable',
      message: expect.stringContaining('canceling statement due to statement timeout (57014)'),
    });
  });
  expect(await commit()).toEqual({ cursor: 2, refused: [] });
});

const listening = () => {
  const lines: { msg: string; reason: string; left_s: number; level: number }[] = [];
  const write = (line: string) => {
    if (line.includes('waited for')) lines.push(JSON.parse(line));
  };
  return { lines, log: createLog('index', { format: 'json', destination: { write } }) };
};
const openPatiently = async (url: string, patience: Patience, connectTimeoutSeconds: number) => {
  const { lines, log } = listening();
  const opening = openCatalog({ url, maxConnections: 1, connectTimeoutSeconds }, { now: () => noon, log, patience });
  return { lines, opening };
};

test('a service waits for a database that is not there yet, with a line for each time it tried', async () => {
  const proxy = keepUntilEnd(await openTcpProxy(() => postgres.port));
  proxy.set('refuse');
  const { signal } = new AbortController();
  const { lines, opening } = await openPatiently(through(await newUrl(), proxy.port), { signal }, 60);
  await expect.poll(() => lines.length, soon).toBeGreaterThan(1);
  proxy.set('pass');
  const catalog = keepUntilEnd(await opening);
  expect(await catalog.cursorOf(spool)).toBe(0);
  for (const line of lines) {
    expect(line).toMatchObject({ level: 40, msg: 'the database is waited for' });
    expect(line.reason).toMatch(
      /^PostgreSQL 127\.0\.0\.1:\d+\/\w+: .+: check \[database\] url, and that the server runs$/,
    );
  }
});

test('it waits for connect_timeout and no longer, and not for what does not pass by itself', async () => {
  let nowMs = 0;
  const clock = {
    sleep: async (ms: number) => {
      nowMs += Math.max(ms, 100);
    },
  };
  const patience = { signal: new AbortController().signal, clock, monotonicMs: () => nowMs };
  const refused = await openPatiently(`postgres://weir:geheim@127.0.0.1:${await freePort()}/weir`, patience, 30);
  await expect(refused.opening).rejects.toMatchObject({
    code: 'database_unavailable',
    message: expect.stringContaining('ECONNREFUSED'),
  });
  expect(nowMs).toBeGreaterThanOrEqual(30_000);
  expect(nowMs).toBeLessThan(36_000);
  expect(refused.lines.length).toBeGreaterThan(5);
  expect(refused.lines.map((line) => line.left_s)).toEqual(
    refused.lines.map((line) => line.left_s).toSorted((a, b) => b - a),
  );
  expect(JSON.stringify(refused.lines)).not.toContain('geheim');
  const strange = await openPatiently(`postgres://weir:wrong@127.0.0.1:${postgres.port}/weir`, patience, 60);
  await expect(strange.opening).rejects.toThrow(/password authentication failed/);
  expect(strange.lines).toEqual([]);
});

test('a stop ends the wait', async () => {
  const stop = new AbortController();
  const url = `postgres://weir:geheim@127.0.0.1:${await freePort()}/weir`;
  const { lines, opening } = await openPatiently(url, { signal: stop.signal }, 60);
  await expect.poll(() => lines.length, soon).toBeGreaterThan(0);
  stop.abort();
  await expect(opening).rejects.toThrow();
});
