/** What stands around the services, each behind a proxy: broker, bucket, database; and the clocks that may be wrong. */
import { join } from 'node:path';
import {
  commitWatch,
  type Mosquitto,
  openTcpProxy,
  type Postgres,
  type S3Server,
  startMosquitto,
  startS3Server,
  type TcpProxy,
} from '@weir/testkit';
import { type Clocks, shiftedClocks } from './clocks.ts';
import { type Meddling, mqttMeddler, newMeddling } from './mqtt-meddler.ts';
import type { Plan } from './plan.ts';

/** Credentials of the bucket. */
export const bucketIdentity = { accessKey: 'weir-access', secretKey: 'weir-secret-key' };

/** The bucket and the prefix of its keys. */
export const bucketPlace = { bucket: 'recordings', root: 'kept' };

/** A run's database server outlives it: each run has a database of its own there. */
export type DatabaseServer = Pick<Postgres, 'createDatabase' | 'crash' | 'resume' | 'port'>;

/** See the top of this file. */
export type Surroundings = AsyncDisposable & {
  s3: S3Server;
  clocks: Clocks;
  meddling: Meddling;
  broker: { stop(): Promise<void>; start(): Promise<void> };
  database: { url: string; server: DatabaseServer | null; onCommit(hit: () => void): void };
  proxies: Record<'siteBroker' | 'cloudBroker' | 'bucket' | 'database', TcpProxy>;
};

/** Tells a listener when a client of PostgreSQL commits, before the server hears of it. */
const commitListener = () => {
  let waiting: (() => void) | null = null;
  return {
    onCommit: (hit: () => void) => {
      waiting = hit;
    },
    meddler: () => {
      const isCommit = commitWatch();
      return {
        fromClient: (bytes: Buffer, forward: (bytes: Buffer) => void) => {
          forward(bytes);
          if (!isCommit(bytes) || waiting === null) return;
          const hit = waiting;
          waiting = null;
          hit();
        },
      };
    },
  };
};

/** Starts them in a directory. */
export const startSurroundings = async (
  plan: Plan,
  directory: string,
  server: DatabaseServer,
  random: () => number,
): Promise<Surroundings> => {
  await using stack = new AsyncDisposableStack();
  const clocks = shiftedClocks(directory);
  const s3 = await startS3Server({
    ...bucketIdentity,
    region: 'us-east-1',
    buckets: [bucketPlace.bucket],
    now: () => Date.now() + clocks.offsetMs('bucket'),
  });
  stack.defer(() => s3.stop());
  let mosquitto: Mosquitto | null = await startMosquitto();
  const brokerPort = mosquitto.port;
  const stop = async (): Promise<void> => {
    const running = mosquitto;
    mosquitto = null;
    await running?.stop();
  };
  stack.defer(stop);
  const start = async (): Promise<void> => {
    mosquitto ??= await startMosquitto({ port: brokerPort });
  };
  const meddling = newMeddling();
  const broker = () => openTcpProxy(() => brokerPort, mqttMeddler(meddling, random));
  const commits = commitListener();
  const proxies = {
    siteBroker: stack.use(await broker()),
    cloudBroker: stack.use(await broker()),
    bucket: stack.use(await openTcpProxy(() => s3.port)),
    database: stack.use(await openTcpProxy(() => server.port, commits.meddler)),
  };
  const name = `run_${plan.seed}_${Date.now()}`;
  const databaseUrl =
    plan.database === 'sqlite'
      ? `sqlite://${join(directory, 'index.db')}`
      : (await server.createDatabase(name)).replace(`:${server.port}/`, `:${proxies.database.port}/`);
  const owned = stack.move();
  return {
    s3,
    clocks,
    meddling,
    broker: { stop, start },
    database: {
      url: databaseUrl,
      server: plan.database === 'sqlite' ? null : server,
      onCommit: commits.onCommit,
    },
    proxies,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};
