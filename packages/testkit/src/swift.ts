import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { freePort, startChild } from './child-process.ts';
import { onPath } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** OpenStack Swift with its S3 interface: proxy, account, container and object server, one replica, on 127.0.0.1. */
export type Swift = {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const run = promisify(execFile);
const backends = ['object', 'container', 'account'] as const;
const programs = ['swift-ring-builder', ...['proxy', ...backends].map((name) => `swift-${name}-server`)];
const identity = { accessKey: 'weir:site', secretKey: 'correct' };

/** What to install on Debian where `startSwift` cannot work; `undefined` where it can. */
export const swiftMissing = (): string | undefined => {
  const missing = programs.filter((name) => onPath(name) === undefined);
  if (missing.length === 0) return undefined;
  const packages = ['proxy', ...backends].map((name) => `swift-${name}`).join(' ');
  return `${missing.join(', ')} missing: apt-get install -y --no-install-recommends ${packages}`;
};

const program = (name: string): string => onPath(name) ?? name;

const section = (name: string, lines: Record<string, string | number>): string =>
  `[${name}]\n${Object.entries(lines)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')}`;

const common = (directory: string, port: number) => ({
  bind_ip: '127.0.0.1',
  bind_port: port,
  workers: 0,
  user: userInfo().username,
  swift_dir: directory,
});

const backendConfig = (directory: string, name: string, port: number): string => {
  const disk = { devices: join(directory, 'disks'), mount_check: 'false', disable_fallocate: 'true' };
  const recon = { recon_cache_path: join(directory, 'cache') };
  return [
    section('DEFAULT', { ...common(directory, port), ...disk, ...recon }),
    section('pipeline:main', { pipeline: `${name}-server` }),
    section(`app:${name}-server`, { use: `egg:swift#${name}` }),
  ].join('');
};

const proxyConfig = (directory: string, port: number): string => {
  const filters = [
    'catch_errors',
    'gatekeeper',
    'healthcheck',
    'cache',
    'listing_formats',
    's3api',
    'tempauth',
    'copy',
  ];
  const extra: Record<string, Record<string, string>> = {
    // Nobody listens there: what would be cached is asked again.
    cache: { use: 'egg:swift#memcache', memcache_servers: '127.0.0.1:9' },
    tempauth: { use: 'egg:swift#tempauth', user_weir_site: `${identity.secretKey} .admin` },
  };
  return [
    section('DEFAULT', common(directory, port)),
    section('pipeline:main', { pipeline: [...filters, 'slo', 'proxy-server'].join(' ') }),
    ...[...filters, 'slo'].map((name) => section(`filter:${name}`, extra[name] ?? { use: `egg:swift#${name}` })),
    section('app:proxy-server', { use: 'egg:swift#proxy', account_autocreate: 'true' }),
  ].join('');
};

const buildRing = async (directory: string, name: string, port: number): Promise<void> => {
  const builder = join(directory, `${name}.builder`);
  const build = (...args: string[]) => run(program('swift-ring-builder'), [builder, ...args]);
  await build('create', '4', '1', '0');
  await build('add', `r1z1-127.0.0.1:${port}/d1`, '1');
  await build('rebalance');
};

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** Swift says nothing when it is ready: its port does. */
const startServer = async (directory: string, name: string, port: number, config: string) => {
  const path = join(directory, `${name}.conf`);
  writeFileSync(path, config);
  const command = ['-c', 'echo started; exec "$0" "$1"', program(`swift-${name}-server`), path];
  const child = await startChild('/bin/sh', command, { ready: /^started$/ });
  const deadline = performance.now() + 30_000;
  while (!(await answers(port))) {
    if (performance.now() > deadline) {
      await child.stop();
      throw new Error(`swift-${name}-server does not listen\n${child.output.slice(-20).join('\n')}`);
    }
    await pause(50);
  }
  return child;
};

const createBucket = async (port: number, bucket: string): Promise<void> => {
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = identity;
  const credentials = { accessKeyId, secretAccessKey };
  const signer = new SignatureV4({
    credentials,
    region: 'us-east-1',
    service: 's3',
    sha256: Sha256,
    uriEscapePath: false,
  });
  const host = `127.0.0.1:${port}`;
  const request = { method: 'PUT', protocol: 'http:', hostname: '127.0.0.1', path: `/${bucket}`, headers: { host } };
  const { headers } = await signer.sign(request);
  const answer = await fetch(`http://${host}/${bucket}`, { method: 'PUT', headers });
  if (!answer.ok) throw new Error(`Swift made no bucket ${bucket}: ${answer.status} ${await answer.text()}`);
};

/** Starts it empty but for the buckets, in a temporary directory whose file system must have extended attributes. */
export const startSwift = async (buckets: readonly string[]): Promise<Swift> => {
  const missing = swiftMissing();
  if (missing !== undefined) throw new Error(missing);
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(temporaryDirectory('swift')).path;
  mkdirSync(join(directory, 'disks', 'd1'), { recursive: true });
  mkdirSync(join(directory, 'cache'));
  for (const name of backends) {
    const port = await freePort();
    await buildRing(directory, name, port);
    stack.use(await startServer(directory, name, port, backendConfig(directory, name, port)));
  }
  const port = await freePort();
  stack.use(await startServer(directory, 'proxy', port, proxyConfig(directory, port)));
  for (const bucket of buckets) await createBucket(port, bucket);
  const owned = stack.move();
  const stop = (): Promise<void> => owned.disposeAsync();
  return { endpoint: `http://127.0.0.1:${port}`, ...identity, stop, [Symbol.asyncDispose]: stop };
};
