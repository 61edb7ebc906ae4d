/** What tests of the indexer start beside it: a node, a broker, the site's side of the bus; all ends with the test. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
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
  type Log,
  loadOrCreateKeyPair,
  openScope,
  type Secrets,
  silentLog,
  startBroker,
} from '@weir/runtime';
import { runningRecording, storedSegment, temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished } from 'vitest';
import { openIndexer } from './service.ts';

/** The spool of the tests. */
export const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
/** Of its one recording. */
export const recordingId = 'cccccccc-0000-4000-8000-000000000001';
/** When its recording began, in wall milliseconds. */
export const noon = Date.UTC(2026, 1, 28, 12);
const prefix = 'weir/v1';
const log = silentLog();
/** How long a test waits at most, in milliseconds. */
export const soon = { timeout: 10_000, interval: 20 };

/** Closes a resource when the test is over. */
export const keepUntilEnd = <T extends AsyncDisposable>(resource: T): T => {
  onTestFinished(() => resource[Symbol.asyncDispose]());
  return resource;
};

const newDirectory = (): string => {
  const directory = temporaryDirectory('indexer');
  onTestFinished(() => directory[Symbol.dispose]());
  return directory.path;
};

/** The row of its recording. */
export const recording = (stamp: number, stream = 'cam-1'): LedgerRow =>
  runningRecording(recordingId, stamp, noon, { stream, record_dir: `${stream}/1772280000` });

/** A segment of a second of that recording. */
export const segment = (stamp: number, number: number): LedgerRow => storedSegment(recordingId, stamp, number, noon);

/** A ledger with a recording at stamp 1 and segments at the stamps after it. */
export const ledgerOf = (segments: number): LedgerRow[] => [
  recording(1),
  ...Array.from({ length: segments }, (_, index) => segment(index + 2, index + 1)),
];

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** A node with one spool, as far as the indexer sees it over HTTP. */
export const startNode = async (secrets: Secrets, rows: LedgerRow[], alias = 'site') => {
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

/** A broker for all. */
export const newBroker = async (port = 0): Promise<Broker> =>
  keepUntilEnd(
    await startBroker({
      listen: { address: '127.0.0.1', port },
      users: [{ username: 'all', password: 'secret', publish: ['#'], subscribe: ['#'] }],
      log,
    }),
  );

/** What a site's processes do on the bus: say rows and status, hear acknowledgements. */
export const joinBus = async (url: string) => {
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

/** What an indexer of the tests starts with; `pullSeconds` is 60 and `log` silent unless given. */
type Start = {
  secrets: Secrets;
  directory: string;
  mqttUrl?: string;
  databaseUrl?: string;
  /** The same database, as the test looks at it. */
  catalogUrl?: string;
  nodes?: object[];
  pullSeconds?: number;
  queryTimeoutSeconds?: number;
  log?: Log;
};

/** An indexer in this process, and its index as another client sees it. */
export const startIndexer = async ({
  secrets,
  directory,
  mqttUrl,
  databaseUrl,
  catalogUrl,
  nodes = [],
  pullSeconds = 60,
  queryTimeoutSeconds = 30,
  log = silentLog(),
}: Start) => {
  const scope = keepUntilEnd(openScope());
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const url = databaseUrl ?? `sqlite://${join(directory, 'weir.db')}`;
  const config = weirConfig.parse({
    data_dir: directory,
    net4mqtt: { alias: 'cloud', ...(mqttUrl === undefined ? {} : { mqtt_url: mqttUrl }) },
    database: { url, connect_timeout: 5, query_timeout: queryTimeoutSeconds },
    indexer: { listen: '127.0.0.1:0', pull_seconds: pullSeconds },
    nodes,
  });
  const indexer = await openIndexer({ config, secrets, profile: 'alone', scope, signal: abort.signal, log });
  const catalog = keepUntilEnd(
    await openCatalog({ url: catalogUrl ?? url, maxConnections: 1, connectTimeoutSeconds: 5 }, { now: Date.now, log }),
  );
  const ready = async () => (await fetch(`http://127.0.0.1:${indexer.port}/readyz`)).status;
  const stop = async () => {
    abort.abort();
    await scope[Symbol.asyncDispose]();
  };
  return { ...indexer, catalog, ready, stop, counts: indexer.replication.counts };
};

/** A data directory with secrets. */
export const begin = async () => {
  const directory = newDirectory();
  return { directory, secrets: await openSecretsOf(directory) };
};
