import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { openCatalog } from '@weir/catalog';
import {
  type AckPage,
  decodeEvent,
  encodeEvent,
  encodeTopic,
  type LedgerRow,
  type NodeStatus,
  type RowsRequest,
  rowsRequest,
  weirConfig,
} from '@weir/contracts';
import {
  type Broker,
  type Bus,
  connectBus,
  createAuthenticator,
  loadOrCreateKeyPair,
  openScope,
  type Secrets,
  silentLog,
  startBroker,
} from '@weir/runtime';
import { freePort, runningRecording, startMosquitto, startPostgres, temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openIndexer } from './service.ts';
import { MAX_WAITING_PAGES } from './spool-lane.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const recordingId = 'cccccccc-0000-4000-8000-000000000001';
const sha256 = 'ab'.repeat(32);
const noon = Date.UTC(2026, 1, 28, 12);
const prefix = 'weir/v1';
const log = silentLog();
const soon = { timeout: 10_000, interval: 20 };

const keepUntilEnd = <T extends AsyncDisposable>(resource: T): T => {
  onTestFinished(() => resource[Symbol.asyncDispose]());
  return resource;
};

const newDirectory = (): string => {
  const directory = temporaryDirectory('indexer');
  onTestFinished(() => directory[Symbol.dispose]());
  return directory.path;
};

const recording = (stamp: number, stream = 'cam-1'): LedgerRow =>
  runningRecording(recordingId, stamp, noon, { stream, record_dir: `${stream}/1772280000` });

const segment = (stamp: number, number: number): LedgerRow => ({
  kind: 'segment',
  stamp,
  recording_id: recordingId,
  number,
  period: 1,
  start_ms: noon + number * 1000,
  duration_ms: 1000,
  key_frame: true,
  tracks: [{ track: 'video', base_time: 0, duration: 90_000, timescale: 90_000, samples: 30, bytes: 1000, sha256 }],
  local: 'present',
  remote: 'stored',
  stored_stamp: stamp,
  refused_reason: null,
});

/** A ledger with a recording at stamp 1 and segments at the stamps after it. */
const ledgerOf = (segments: number): LedgerRow[] => [
  recording(1),
  ...Array.from({ length: segments }, (_, index) => segment(index + 2, index + 1)),
];

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** A node with one spool, as far as the indexer sees it over HTTP. */
const startNode = async (secrets: Secrets, rows: LedgerRow[], alias = 'site') => {
  const told: RowsRequest[] = [];
  const authenticator = createAuthenticator({ gatewayPublicKey: secrets.gatewayPublicKey, alias });
  const server: Server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) => response.writeHead(status).end(JSON.stringify(body));
    const identity = await authenticator.authenticate(request.headers.authorization);
    if (identity?.kind !== 'index') return answer(403, { code: 'forbidden' });
    if (request.url === '/api/node') return answer(200, { ...status, http: null });
    const body = rowsRequest.parse(JSON.parse(await bodyOf(request)));
    told.push(body);
    const after = rows.filter((row) => row.stamp > body.since);
    return answer(200, { rows: after.slice(0, body.limit), last: rows.at(-1)?.stamp ?? 0 });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const status: NodeStatus = {
    online: true,
    alias,
    node_id: 'node-id',
    process_id: 'process-1',
    version: '1',
    http: url,
    streams: 1,
    sessions: 0,
    max_sessions: 10,
    features: [],
    spools: [{ spool, last_stamp: rows.at(-1)?.stamp ?? 0, free_bytes: 0, level: 'ok' }],
  };
  return { url, status, told, rows };
};

const openSecretsOf = async (directory: string): Promise<Secrets> => {
  const keys = await loadOrCreateKeyPair(join(directory, 'gateway.key'));
  return {
    tapToken: '',
    apiToken: '',
    jwtSecret: '',
    bucketSigning: Buffer.alloc(0),
    gatewayPublicKey: keys.publicKey,
    gatewayPrivateKey: keys.privateKey,
    indexId: keys.fingerprint,
    broker: () => ({ username: 'all', password: 'secret' }),
  };
};

const newBroker = async (port = 0): Promise<Broker> =>
  keepUntilEnd(
    await startBroker({
      listen: { address: '127.0.0.1', port },
      users: [{ username: 'all', password: 'secret', publish: ['#'], subscribe: ['#'] }],
      log,
    }),
  );

/** What a site's processes do on the bus: say rows and status, hear acknowledgements. */
const joinBus = async (url: string) => {
  const bus: Bus = keepUntilEnd(
    await connectBus({ url, clientId: 'site', username: 'all', password: 'secret', log, random: () => 0 }),
  );
  const acks: AckPage[] = [];
  await bus.subscribe(encodeTopic(prefix, { kind: 'ack', alias: 'site' }), (_topic, payload) => {
    const event = decodeEvent(payload, 'weir.ack');
    if (event !== null) acks.push(event.data);
  });
  const envelope = { id: 'an-id', source: '/node/site', time: new Date(noon).toISOString() };
  return {
    acks,
    /** Speaks until the indexer hears it: it subscribes in its own time. */
    async untilHeard({ counts }: { counts: { undecodable: number } }) {
      await expect
        .poll(async () => {
          await bus.publish(encodeTopic(prefix, { kind: 'rows', alias: 'site' }), 'hello');
          return counts.undecodable;
        }, soon)
        .toBeGreaterThan(0);
    },
    sayRows: (after: number, rows: LedgerRow[]) =>
      bus.publish(
        encodeTopic(prefix, { kind: 'rows', alias: 'site' }),
        encodeEvent({ ...envelope, type: 'weir.rows', data: { spool, after, rows } }),
      ),
    sayStatus: (status: NodeStatus) =>
      bus.publish(
        encodeTopic(prefix, { kind: 'status', alias: 'site' }),
        encodeEvent({ ...envelope, type: 'weir.node.status', data: status }),
        { retain: true },
      ),
  };
};

type Start = {
  secrets: Secrets;
  directory: string;
  mqttUrl?: string;
  databaseUrl?: string;
  nodes?: object[];
  pullSeconds?: number;
};

const startIndexer = async ({ secrets, directory, mqttUrl, databaseUrl, nodes = [], pullSeconds = 60 }: Start) => {
  const scope = keepUntilEnd(openScope());
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const url = databaseUrl ?? `sqlite://${join(directory, 'weir.db')}`;
  const config = weirConfig.parse({
    data_dir: directory,
    net4mqtt: { alias: 'cloud', ...(mqttUrl === undefined ? {} : { mqtt_url: mqttUrl }) },
    database: { url, connect_timeout: 5 },
    indexer: { listen: '127.0.0.1:0', pull_seconds: pullSeconds },
    nodes,
  });
  const indexer = await openIndexer({ config, secrets, profile: 'alone', scope, signal: abort.signal, log });
  const catalog = keepUntilEnd(
    await openCatalog({ url, maxConnections: 1, connectTimeoutSeconds: 5 }, { now: Date.now, log }),
  );
  const ready = async () => (await fetch(`http://127.0.0.1:${indexer.port}/readyz`)).status;
  const stop = async () => {
    abort.abort();
    await scope[Symbol.asyncDispose]();
  };
  return { ...indexer, catalog, ready, stop, counts: indexer.replication.counts };
};

const begin = async () => {
  const directory = newDirectory();
  return { directory, secrets: await openSecretsOf(directory) };
};

test('rows that come by messages are committed once, however often they come, and acknowledged', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const { catalog, counts } = await startIndexer({ secrets, directory, mqttUrl });
  await site.untilHeard({ counts });
  const rows = ledgerOf(3);
  await site.sayRows(0, rows.slice(0, 2));
  await site.sayRows(2, rows.slice(2));
  await site.sayRows(0, rows.slice(0, 2));
  await site.sayRows(2, rows.slice(2));
  await expect.poll(() => site.acks.map(({ cursor }) => cursor), soon).toEqual([2, 4, 4, 4]);
  expect(site.acks[0]).toEqual({ index: secrets.indexId, spool, cursor: 2, refused: [] });
  expect(await catalog.playbackDays()).toMatchObject([{ stream: 'cam-1', duration_ms: 3000, recordings: 1 }]);
  expect(counts).toMatchObject({ holes: 0, failedCommits: 0 });
});

test('what a lost message brought is pulled from the node, page by page, until it has been told the last commit', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = (await startMosquitto().then(keepUntilEnd)).url;
  const node = await startNode(secrets, ledgerOf(1200));
  const site = await joinBus(mqttUrl);
  const { catalog, counts } = await startIndexer({ secrets, directory, mqttUrl });
  await site.untilHeard({ counts });
  await site.sayRows(1200, [segment(1201, 1200)]);
  await expect.poll(() => counts.holes, soon).toBe(1);
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(0);
  await site.sayStatus(node.status);
  await expect.poll(() => node.told.map(({ since }) => since), soon).toEqual([0, 500, 1000, 1201]);
  expect(await catalog.cursorOf(spool)).toBe(1201);
  expect(await catalog.playbackDays()).toMatchObject([{ duration_ms: 1_200_000 }]);
  expect(await catalog.nodes()).toMatchObject([{ alias: 'site', stream_patterns: ['*'] }]);
  await site.sayRows(1201, [segment(1202, 1201)]);
  await expect.poll(() => catalog.cursorOf(spool), soon).toBe(1202);
});

test('nodes of the configuration are indexed without a broker, and rows of strange streams are named to them', async () => {
  const { directory, secrets } = await begin();
  const rows = [recording(1, 'door'), segment(2, 1)];
  const node = await startNode(secrets, rows);
  const nodes = [{ alias: 'site', url: `${node.url}/`, streams: ['cam-*'] }];
  const { catalog, stop } = await startIndexer({ secrets, directory, nodes, pullSeconds: 1 });
  await expect
    .poll(() => node.told.find(({ since }) => since === 2)?.refused.map(({ stamp }) => stamp), soon)
    .toEqual([1, 2]);
  expect(await catalog.playbackDays()).toEqual([]);
  await stop();
  node.told.length = 0;
  await startIndexer({ secrets, directory, nodes });
  await expect.poll(() => node.told[0]?.refused.map(({ stamp }) => stamp), soon).toEqual([2, 1]);
});

test('an index restored from a backup takes again what it lost', async () => {
  const { directory, secrets } = await begin();
  const node = await startNode(secrets, ledgerOf(5));
  const nodes = [{ alias: 'site', url: node.url }];
  const first = await startIndexer({ secrets, directory, nodes });
  await expect.poll(() => node.told.at(-1)?.since, soon).toBe(6);
  await first.stop();
  const { catalog } = await startIndexer({ secrets, directory, nodes, databaseUrl: `sqlite://${directory}/backup.db` });
  await expect.poll(() => catalog.cursorOf(spool), soon).toBe(6);
  expect(await catalog.playbackDays()).toMatchObject([{ duration_ms: 5000 }]);
});

test('a node that is reached by messages alone is told the cursor from which to send again', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const node = await startNode(secrets, ledgerOf(3));
  await site.sayStatus({ ...node.status, http: null });
  const { catalog } = await startIndexer({ secrets, directory, mqttUrl });
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(0);
  await site.sayRows(0, node.rows);
  await expect.poll(() => catalog.cursorOf(spool), soon).toBe(4);
  expect(node.told).toEqual([]);
});

test('a broker that comes late or goes is no failure', async () => {
  const { directory, secrets } = await begin();
  const port = await freePort();
  const mqttUrl = `mqtt://127.0.0.1:${port}`;
  const node = await startNode(secrets, ledgerOf(2));
  const indexer = await startIndexer({
    secrets,
    directory,
    mqttUrl,
    nodes: [{ alias: 'site', url: node.url }],
    pullSeconds: 1,
  });
  await expect.poll(() => indexer.catalog.cursorOf(spool), soon).toBe(3);
  expect(await indexer.ready()).toBe(200);
  const broker = await newBroker(port);
  const site = await joinBus(mqttUrl);
  await expect
    .poll(async () => {
      await site.sayRows(3, [segment(4, 3)]);
      return site.acks.at(-1)?.cursor;
    }, soon)
    .toBe(4);
  await broker.close();
  node.rows.push(segment(4, 3), segment(5, 4));
  await expect.poll(() => indexer.catalog.cursorOf(spool), soon).toBe(5);
});

test('what is none of ours on the bus is counted and changes nothing', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const node = await startNode(secrets, ledgerOf(2));
  const { counts, catalog } = await startIndexer({ secrets, directory, mqttUrl });
  await site.untilHeard({ counts });
  const before = counts.undecodable;
  await site.sayRows(0, [{ ...recording(1), stream: '../etc' } as LedgerRow]);
  await site.sayStatus({ ...node.status, alias: 'another' });
  await expect.poll(() => counts.undecodable, soon).toBeGreaterThanOrEqual(before + 2);
  expect(await catalog.spools()).toEqual([]);
});

/** Stands before a database and can be gone, as its server is while it restarts. */
const startGate = async (target: number) => {
  const sockets = new Set<Socket>();
  const listen = async (port: number) => {
    const server = createTcpServer((client) => {
      const upstream = dial(target, '127.0.0.1');
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      }
      client.pipe(upstream).pipe(client);
    });
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return {
    port,
    close,
    async open() {
      server = await listen(port);
    },
  };
};

test('while the database is away rows wait, are dropped beyond the bound, and are all there afterwards', async () => {
  const { directory, secrets } = await begin();
  const postgres = keepUntilEnd(await startPostgres());
  const gate = await startGate(postgres.port);
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const pages = MAX_WAITING_PAGES + 20;
  const node = await startNode(secrets, ledgerOf(pages));
  await site.sayStatus({ ...node.status, spools: [] });
  const databaseUrl = postgres.url.replace(`:${postgres.port}/`, `:${gate.port}/`);
  const indexer = await startIndexer({ secrets, directory, mqttUrl, databaseUrl, pullSeconds: 1 });
  await site.untilHeard(indexer);
  await site.sayRows(0, node.rows.slice(0, 1));
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(1);
  expect(await indexer.ready()).toBe(200);
  await gate.close();
  await expect.poll(indexer.ready, soon).toBe(503);
  for (const row of node.rows.slice(1)) await site.sayRows(row.stamp - 1, [row]);
  await expect.poll(() => indexer.counts.droppedPages, soon).toBeGreaterThan(0);
  expect(indexer.counts.failedCommits).toBeGreaterThan(0);
  await gate.open();
  await expect.poll(indexer.ready, soon).toBe(200);
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(pages + 1);
  await vi.waitFor(async () => {
    expect(await indexer.catalog.playbackDays()).toMatchObject([{ duration_ms: pages * 1000 }]);
  }, soon);
});
