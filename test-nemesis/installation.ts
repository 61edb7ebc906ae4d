/** Site and cloud as processes, each side with its own configuration file and none of the other's. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadOrCreateSecret } from '@weir/runtime';
import { freePort, openTcpProxy, type TcpProxy } from '@weir/testkit';
import { type Mutation, mutatedEnvironment } from './mutations.ts';
import type { Plan } from './plan.ts';
import { type ServiceProcess, serviceProcess } from './service-process.ts';
import { bucketIdentity, bucketPlace, type Surroundings } from './surroundings.ts';

/** What calls on the node's and the gateway's API. */
export type Api = { url: string; token: string };

/** See the top of this file. */
export type Installation = AsyncDisposable & {
  node: Api;
  gateway: Api;
  spool: string;
  cloudDirectory: string;
  /** What a command at the cloud needs to run as the services there do, with their clock. */
  cloudEnv: Readonly<Record<string, string>>;
  services: Record<'node' | 'recorder' | 'gateway', ServiceProcess> & {
    uploaders: readonly ServiceProcess[];
    indexers: readonly ServiceProcess[];
  };
  all: readonly ServiceProcess[];
  /** Between site and cloud: the gateway as the site reaches it, the node as the cloud does. */
  proxies: Record<'gateway' | 'node', TcpProxy>;
};

/** Where a run is, and what runs there. */
export type InstallationOptions = {
  plan: Plan;
  directory: string;
  spool: string;
  /** The tree of Weir's source. */
  source: string;
  /** A known-bad build; null: the tree as it is. */
  mutation: Mutation | null;
  endedByItself(name: string, how: string): void;
};

const SITE_TOKEN = 'token-of-the-site-for-tests-alone';
const MB = 1_000_000;

const storageConfig = ({ proxies }: Surroundings): string => `
[recorder.storage]
type = "s3"
bucket = "${bucketPlace.bucket}"
root = "/${bucketPlace.root}"
region = "us-east-1"
endpoint = "http://127.0.0.1:${proxies.bucket.port}"
access_key_id = "${bucketIdentity.accessKey}"
secret_access_key = "${bucketIdentity.secretKey}"
`;

const cloudConfig = (around: Surroundings): string => `
[database]
url = "${around.database.url}"
connect_timeout = 3
[net4mqtt]
mqtt_url = "mqtt://127.0.0.1:${around.proxies.cloudBroker.port}"
[indexer]
pull_seconds = 2
${storageConfig(around)}`;

const siteConfig = (
  { plan, spool }: InstallationOptions,
  around: Surroundings,
  gateway: { port: number; token: string; publicKey: string },
): string => `
[net4mqtt]
mqtt_url = "mqtt://127.0.0.1:${around.proxies.siteBroker.port}"
alias = "site-1"
[auth]
gateway_public_key = "${gateway.publicKey}"
tokens = ["${SITE_TOKEN}"]
[tap]
ring_seconds = ${plan.faults.some(({ kind }) => kind === 'disk_full') ? 3 : 20}
[recorder]
auto_streams = ["*"]
segment_seconds = 1
reserve_bytes = ${2 * MB}
evict = "${plan.evict}"
local_retention_seconds = 1
[recorder.upload]
enabled = ${plan.upload === 'presigned'}
liveman_url = "http://127.0.0.1:${gateway.port}"
liveman_token = "${gateway.token}"
presign_ttl_seconds = 30
interval_ms = 200
local_dir = "${spool}"
${plan.upload === 'own' ? storageConfig(around) : ''}`;

/** Makes both sides and starts their services. */
export const startInstallation = async (options: InstallationOptions, around: Surroundings): Promise<Installation> => {
  const { plan, directory, source, mutation, endedByItself } = options;
  await using stack = new AsyncDisposableStack();
  const [cloud, site, logs] = ['cloud', 'site', 'logs'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const one of [cloud, site, logs]) mkdirSync(one);
  const [http, gateway, udp, tap, recorder] = await Promise.all(Array.from({ length: 5 }, () => freePort()));
  const proxies = {
    gateway: stack.use(await openTcpProxy(() => gateway ?? 0)),
    node: stack.use(await openTcpProxy(() => http ?? 0)),
  };
  writeFileSync(join(cloud, 'weir.toml'), cloudConfig(around));
  const publicKey = execFileSync(process.execPath, [join(source, 'packages/cli/src/main.ts'), 'public-key'], {
    cwd: cloud,
    encoding: 'utf8',
  }).trim();
  const token = await loadOrCreateSecret(join(cloud, 'data/secrets/api-token'));
  writeFileSync(join(site, 'weir.toml'), siteConfig(options, around, { port: proxies.gateway.port, token, publicKey }));
  const preload = (name: string) => `--import=${fileURLToPath(new URL(name, import.meta.url))}`;
  const edited = mutation === null ? null : preload('./mutated-source.mjs');
  const edits = mutation === null ? {} : mutatedEnvironment(mutation);
  const preloads = (...names: (string | null)[]) => names.filter((name) => name !== null).join(' ');
  const envOf = (side: 'site' | 'cloud') => ({
    ...edits,
    NODE_OPTIONS: preloads(preload('./shifted-clock.mjs'), edited),
    NEMESIS_CLOCK: around.clocks.path(side),
  });
  const cloudEnv = envOf('cloud');
  const siteEnv = envOf('site');
  const service = (cwd: string, name: string, args: readonly string[]): ServiceProcess => {
    const env: Record<string, string> = cwd === site ? siteEnv : cloudEnv;
    return stack.use(
      serviceProcess({ name, source, cwd, args, env, logPath: join(logs, `${name}.log`), endedByItself }),
    );
  };
  const listen = (port: number | undefined) => `127.0.0.1:${port}`;
  const several = (count: number, make: (index: number, port: number) => ServiceProcess) =>
    Promise.all(Array.from({ length: count }, async (_, index) => make(index + 1, await freePort())));
  const tapFlag = `--tap.listen=${listen(tap)}`;
  const services = {
    gateway: service(cloud, 'gateway', ['gateway', `--gateway.listen=${listen(gateway)}`]),
    indexers: await several(plan.indexers, (index, port) =>
      service(cloud, `indexer-${index}`, ['indexer', `--indexer.listen=${listen(port)}`]),
    ),
    node: service(site, 'node', [
      'edge-node',
      `--http.listen=${listen(http)}`,
      `--http.public=http://127.0.0.1:${proxies.node.port}`,
      `--webrtc.udp_listen=${listen(udp)}`,
      tapFlag,
    ]),
    recorder: service(site, 'recorder', ['recorder-worker', `--recorder.listen=${listen(recorder)}`, tapFlag]),
    // A data directory each: it has the name under which an uploader holds leases.
    uploaders: await several(plan.uploaders, (index, port) =>
      service(site, `uploader-${index}`, [
        'uploader',
        `--uploader.listen=${listen(port)}`,
        `--data_dir=./data-uploader-${index}`,
      ]),
    ),
  };
  const all = [services.gateway, ...services.indexers, services.node, services.recorder, ...services.uploaders];
  for (const one of all) one.start();
  const owned = stack.move();
  return {
    node: { url: `http://127.0.0.1:${http}`, token: SITE_TOKEN },
    gateway: { url: `http://127.0.0.1:${gateway}`, token },
    spool: options.spool,
    cloudDirectory: cloud,
    cloudEnv,
    services,
    all,
    proxies,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

/** Calls an API and parses the JSON; throws what it answered when that is no success. */
export const call = async ({ url, token }: Api, path: string, init: RequestInit = {}): Promise<unknown> => {
  const signal = AbortSignal.timeout(10_000);
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}${path}`, { ...init, headers, signal });
  const text = await response.text();
  if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${text.slice(0, 300)}`);
  return text === '' ? null : (JSON.parse(text) as unknown);
};
