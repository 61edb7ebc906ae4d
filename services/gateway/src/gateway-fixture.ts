/** A gateway as tests use it: real index on SQLite, real bucket, everything in one temporary directory. */
import type { KeyObject } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Catalog, openCatalog } from '@weir/catalog';
import { type LedgerRow, type NodeStatus, type StreamInfo, weirConfig } from '@weir/contracts';
import {
  createAuthenticator,
  type HttpApp,
  issueToken,
  openScope,
  openSecrets,
  type Right,
  type Secrets,
  silentLog,
} from '@weir/runtime';
import { openGateway } from './service.ts';

type Table = { [key: string]: unknown };

/** A running gateway for tests. */
export type GatewayFixture = AsyncDisposable & {
  app: HttpApp;
  url: string;
  secrets: Secrets;
  directory: string;
  catalog: Catalog;
  /** Headers of a token with every right. */
  admin: { authorization: string };
  /** Headers of a user's token for a stream. */
  user(subject: string, streams: string, rights: readonly Right[]): Promise<{ authorization: string }>;
  clock: { nowMs: number };
};

/** Opens a gateway with a bucket in a directory, unless `storage` says otherwise. */
export const openFixture = async (change: Table = {}, storage?: Table): Promise<GatewayFixture> => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-gateway-'));
  const bucket = join(directory, 'bucket');
  await mkdir(bucket);
  const pageDirectory = join(directory, 'page');
  await mkdir(join(pageDirectory, 'assets'), { recursive: true });
  await writeFile(join(pageDirectory, 'index.html'), '<!doctype html><title>Weir</title>');
  await writeFile(join(pageDirectory, 'assets', 'main-1a2b3c.js'), 'export {};');
  const url = `sqlite://${join(directory, 'index.db')}`;
  const config = weirConfig.parse({
    data_dir: directory,
    gateway: { listen: '127.0.0.1:0' },
    database: { url },
    recorder: { storage: storage ?? { type: 'fs', root: bucket } },
    ...change,
  });
  const secrets = await openSecrets(config, 'alone');
  const scope = openScope();
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  const clock = { nowMs: 0 };
  const now = () => Date.now() + clock.nowMs;
  const controller = new AbortController();
  const log = silentLog();
  const options = { url: config.database.url, maxConnections: 2, connectTimeoutSeconds: 5 };
  const catalog = scope.use(await openCatalog(options, { now, log }));
  const deps = {
    config,
    secrets,
    profile: 'alone',
    scope,
    signal: controller.signal,
    log,
    now,
    pageDirectory,
  } as const;
  const gateway = await openGateway(deps);
  scope.defer(() => controller.abort());
  return {
    app: gateway.app,
    url: gateway.url,
    secrets,
    directory,
    catalog,
    clock,
    admin: { authorization: `Bearer ${secrets.apiToken}` },
    user: async (subject, streams, rights) => {
      const claims = { subject, streams, rights: new Set(rights), ttlSeconds: 3600 };
      return { authorization: `Bearer ${await issueToken(secrets.jwtSecret, claims, now)}` };
    },
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
};

/** A request as a fake node saw it. */
export type SeenRequest = { method: string; url: string; body: string; headers: Record<string, unknown> };

/** A node's HTTP API, as small as the gateway needs it; it takes only tokens that the gateway signed for its alias. */
export const startFakeNode = async (alias: string, publicKey: Promise<KeyObject>) => {
  const seen: SeenRequest[] = [];
  const streams: StreamInfo[] = [];
  const answers = new Map<string, { status: number; headers?: Record<string, string>; body?: string }>();
  const status: NodeStatus = {
    online: true,
    alias,
    node_id: `id-of-${alias}`,
    process_id: `process-of-${alias}`,
    version: '0.1.0',
    http: null,
    streams: 0,
    sessions: 0,
    max_sessions: 100,
    features: [],
    spools: [{ spool: 'aaaaaaaa-0000-4000-8000-000000000001', last_stamp: 9, free_bytes: 1_000, level: 'ok' }],
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    const gatewayPublicKey = await publicKey;
    const identity = await createAuthenticator({ gatewayPublicKey, alias }).authenticate(headers.authorization);
    if (identity?.kind !== 'gateway') return response.writeHead(401).end();
    if (method === 'GET' && url === '/api/streams')
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(streams));
    if (method === 'GET' && url === '/api/node')
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(status));
    seen.push({ method, url, body: Buffer.concat(chunks).toString(), headers });
    const answer = answers.get(`${method} ${url}`) ?? { status: 404 };
    return response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    streams,
    answers,
    stop: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};

/** A stream as a node lists it, with its publisher. */
export const liveStream = (id: string): StreamInfo => ({
  id,
  createdAt: 1_000,
  publish: { leaveAt: 0, sessions: [{ id: 'p1', createdAt: 1_000, state: 'connected' }] },
  subscribe: { leaveAt: 0, sessions: [] },
  codecs: [],
  recording: null,
  recorder: 'idle',
  recorder_reason: null,
});

/** The ledger rows of a recording with one period and `count` stored segments of 4 s. */
export const storedRecording = (
  recordingId: string,
  stream: string,
  recordDir: string,
  startMs: number,
  count: number,
): LedgerRow[] => {
  const sha256 = 'a'.repeat(64);
  const base = { recording_id: recordingId };
  const stored = { local: 'present', remote: 'stored', stored_stamp: 1, refused_reason: null } as const;
  const init = { ...base, kind: 'init', period: 1, bytes: 900, sha256, ...stored } as const;
  const video = { track: 'video', codec: 'avc1.42e01f', timescale: 90_000, width: 640, height: 360 } as const;
  const audio = { track: 'audio', codec: 'opus', timescale: 48_000, sample_rate: 48_000, channels: 2 } as const;
  let stamp = 0;
  const stamped = <T extends object>(row: T) => {
    stamp += 1;
    return { ...row, stamp };
  };
  return [
    stamped({
      ...base,
      kind: 'recording' as const,
      node_id: 'node-1',
      node_alias: 'site-1',
      stream,
      record: Math.floor(startMs / 1000),
      record_dir: recordDir,
      status: 'ended' as const,
      start_ms: startMs,
      end_ms: startMs + count * 4000,
      end_cause: 'deleted' as const,
    }),
    stamped({ ...init, ...video, sample_rate: null, channels: null }),
    stamped({ ...init, ...audio, width: null, height: null }),
    ...Array.from({ length: count }, (_, index) =>
      stamped({
        ...base,
        kind: 'segment' as const,
        number: index + 1,
        period: 1,
        start_ms: startMs + index * 4000,
        duration_ms: 4000,
        key_frame: true,
        tracks: [
          {
            track: 'video' as const,
            base_time: index * 360_000,
            duration: 360_000,
            timescale: 90_000,
            samples: 120,
            bytes: 100_000,
            sha256,
          },
          {
            track: 'audio' as const,
            base_time: index * 192_000,
            duration: 192_000,
            timescale: 48_000,
            samples: 200,
            bytes: 10_000,
            sha256,
          },
        ],
        ...stored,
      }),
    ),
  ];
};
