/** Every service as a process of its own: site and cloud, with Mosquitto, PostgreSQL and an S3 server between them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadOrCreateSecret } from '@weir/runtime';
import { freePort, type Postgres, startMosquitto, startPostgres, startS3Server } from '@weir/testkit';
import { freePorts, type Installation, portFlags, startWeir, type WeirProcess } from './weir-process.ts';

const [accessKey, secretKey] = ['weir-access', 'weir-secret-key'];
const broker = { cloud: 'word-of-the-cloud', site: 'word-of-the-site' };

/** What runs around the services. */
export type Surroundings = AsyncDisposable & {
  databaseUrl: string;
  /** The server of the index; null where that is a file. */
  postgres: Postgres | null;
  /** Where nobody listens when there is no broker: nodes are named to the cloud then. */
  brokerUrl: string;
  hasBroker: boolean;
  s3: Awaited<ReturnType<typeof startS3Server>>;
};

const startBucket = () => startS3Server({ accessKey, secretKey, region: 'us-east-1', buckets: ['recordings'] });

/** Starts the servers that Weir uses and does not bring along. */
export const startSurroundings = async (): Promise<Surroundings> => {
  const stack = new AsyncDisposableStack();
  const postgres = stack.use(await startPostgres());
  const mosquitto = stack.use(
    await startMosquitto({
      users: {
        cloud: {
          password: broker.cloud,
          topics: ['readwrite weir/#', 'write net4mqtt/+/+/i/#', 'read net4mqtt/+/+/o/#', 'read net4mqtt/+/-/v/-'],
        },
        site: {
          password: broker.site,
          topics: [
            'readwrite weir/#',
            'read net4mqtt/site-1/+/i/#',
            'write net4mqtt/site-1/+/o/#',
            'write net4mqtt/site-1/-/v/-',
          ],
        },
      },
    }),
  );
  const s3 = await startBucket();
  stack.defer(() => s3.stop());
  return {
    databaseUrl: postgres.url,
    postgres,
    brokerUrl: mosquitto.url,
    hasBroker: true,
    s3,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};

/** A bucket alone: the index is a file of SQLite, and the broker that is configured never was started. */
export const startWithoutBroker = async (databasePath: string): Promise<Surroundings> => {
  const s3 = await startBucket();
  return {
    databaseUrl: `sqlite://${databasePath}`,
    postgres: null,
    brokerUrl: `mqtt://127.0.0.1:${await freePort()}`,
    hasBroker: false,
    s3,
    [Symbol.asyncDispose]: () => s3.stop(),
  };
};

const namedNode = (http: number): string => `
[[nodes]]
alias = "site-1"
url = "http://127.0.0.1:${http}"
[indexer]
pull_seconds = 1
`;

const cloudConfig = ({ databaseUrl, brokerUrl, hasBroker, s3 }: Surroundings, http: number): string => `
[database]
url = "${databaseUrl}"
[net4mqtt]
mqtt_url = "${brokerUrl}"
username = "cloud"
password = "${broker.cloud}"
[recorder.storage]
type = "s3"
bucket = "recordings"
root = "/kept"
region = "us-east-1"
endpoint = "${s3.endpoint}"
access_key_id = "${accessKey}"
secret_access_key = "${secretKey}"
${hasBroker ? '' : namedNode(http)}`;

const siteConfig = ({ brokerUrl }: Surroundings, gateway: string, token: string, publicKey: string): string => `
[net4mqtt]
mqtt_url = "${brokerUrl}"
username = "site"
password = "${broker.site}"
alias = "site-1"
[auth]
gateway_public_key = "${publicKey}"
[recorder]
auto_streams = ["*"]
[recorder.upload]
enabled = true
liveman_url = "${gateway}"
liveman_token = "${token}"
local_dir = "./spool"
`;

const publicKeyOf = async (directory: string): Promise<string> => {
  const command = startWeir(directory, ['public-key']);
  if ((await command.end('SIGCONT')) !== 0) throw new Error(command.output());
  return command.output().trim();
};

/** A site and a cloud of five processes. */
export type WeirServices = AsyncDisposable &
  Installation & {
    processes: Record<string, WeirProcess>;
    ports: Awaited<ReturnType<typeof freePorts>>;
    /** Starts one of the cloud's services again, after its end. */
    startAgain(service: 'indexer' | 'gateway'): void;
  };

/** Starts the cloud's two services and the site's three, each from the configuration file of its side alone. */
export const startWeirServices = async (directory: string, around: Surroundings): Promise<WeirServices> => {
  const stack = new AsyncDisposableStack();
  const [cloud, site] = ['cloud', 'site'].map((name) => join(directory, name)) as [string, string];
  for (const side of [cloud, site]) mkdirSync(side);
  const ports = await freePorts();
  const url = `http://127.0.0.1:${ports.gateway}`;
  writeFileSync(join(cloud, 'weir.toml'), cloudConfig(around, ports.http));
  const publicKey = await publicKeyOf(cloud);
  const token = await loadOrCreateSecret(join(cloud, 'data/secrets/api-token'));
  writeFileSync(join(site, 'weir.toml'), siteConfig(around, url, token, publicKey));
  const processes: Record<string, WeirProcess> = {};
  const start = (side: string, service: string) => {
    processes[service] = stack.use(startWeir(side, [service, ...portFlags(ports)]));
  };
  for (const service of ['indexer', 'gateway']) start(cloud, service);
  for (const service of ['edge-node', 'recorder-worker', 'uploader']) start(site, service);
  const startAgain = (service: string) => start(cloud, service);
  return {
    url,
    token,
    directory: cloud,
    processes,
    ports,
    startAgain,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};
