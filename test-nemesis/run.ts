/** One run: site and cloud from nothing, streams and faults for some seconds, then peace, and an account of every frame. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { within } from '@weir/runtime';
import { randomFrom } from '@weir/testkit';
import { mountSmallDisk } from '../test-e2e/small-disk.ts';
import { type Account, type Allowance, accountOf, isSound, type Window } from './accounting.ts';
import { framesInBucket } from './bucket-reading.ts';
import type { Clocks } from './clocks.ts';
import { awaitReady, awaitTrue, faults, type World } from './faults.ts';
import { call, type Installation, startInstallation } from './installation.ts';
import type { Mutation } from './mutations.ts';
import type { FrameSource } from './numbered-frames.ts';
import { type NumberedPublisher, startNumberedPublisher } from './numbered-publisher.ts';
import type { Plan } from './plan.ts';
import { proxyHolds } from './proxy-holds.ts';
import { refusedRows, settle, timelineOf } from './settling.ts';
import { bucketPlace, type DatabaseServer, startSurroundings } from './surroundings.ts';

const run = promisify(execFile);

/** What a run is given. */
export type RunOptions = {
  plan: Plan;
  /** An empty directory of its own. */
  directory: string;
  source: FrameSource;
  database: DatabaseServer;
  /** The tree of Weir's source that runs. */
  tree: string;
  /** A known-bad build of it; null: as it is. */
  mutation: Mutation | null;
  settleMs: number;
  said(line: string): void;
};

/** What came of it: it passed when `failures` is empty. */
export type RunResult = { accounts: Account[]; failures: string[]; seconds: number };

const STREAMS = ['cam-1', 'cam-2', 'cam-3'];
const DISK_BYTES = 32_000_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const startedUp = async ({ node, gateway }: Installation): Promise<void> => {
  await Promise.all([awaitReady(`${node.url}/healthz`), awaitReady(`${gateway.url}/healthz`)]);
  await awaitTrue('no recorder attached', async () => {
    const { spools = [] } = ((await call(node, '/api/node').catch(() => ({}))) ?? {}) as { spools?: unknown[] };
    if (spools.length > 0) return true;
    const status = await call(node, `/api/record/${STREAMS[0]}`).catch(() => null);
    return (status as { recorder?: string } | null)?.recorder !== 'absent';
  });
};

const gapsOf = async (installation: Installation, stream: string, clocks: Clocks): Promise<Window[]> => {
  const { spans } = await timelineOf(installation, stream, clocks.siteOffsets);
  const missing = spans.flatMap((span) =>
    span.kind === 'missing' && span.cause !== 'unexplained' ? [{ fromMs: span.from, toMs: span.to }] : [],
  );
  // A gap is told on the site's clock, which may have been off when it came.
  return [...clocks.siteOffsets].flatMap((by) =>
    missing.map(({ fromMs, toMs }) => ({ fromMs: fromMs - by, toMs: toMs - by })),
  );
};

const verifyAll = async (tree: string, { cloudDirectory: cwd, cloudEnv }: Installation): Promise<string[]> => {
  try {
    const env = { ...process.env, ...cloudEnv };
    await run(process.execPath, [join(tree, 'packages/cli/src/main.ts'), 'verify', '--all'], { cwd, env });
    return [];
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return [`weir verify --all: ${(stdout + stderr).trim().slice(-600)}`];
  }
};

// A node that cannot start is a failure of the run, not a wait without end.
const CONNECT_MS = 60_000;

const allConnected = (publishers: readonly NumberedPublisher[]): Promise<unknown> =>
  within(
    Promise.all(publishers.map((one) => one.connected())),
    CONNECT_MS,
    () => new Error(`a publisher was not let in within ${CONNECT_MS / 1000} s: see node.log`),
  );

/** Runs the plan. */
export const runPlan = async (options: RunOptions): Promise<RunResult> => {
  const { plan, directory, source, database, tree, mutation, settleMs, said } = options;
  const beganMs = performance.now();
  const random = randomFrom(plan.seed ^ 0x5eed);
  await using stack = new AsyncDisposableStack();
  const spool = join(directory, 'spool');
  const isDiskSmall = plan.faults.some(({ kind }) => kind === 'disk_full');
  const disk = isDiskSmall ? stack.use(mountSmallDisk(spool, DISK_BYTES)) : null;
  const around = stack.use(await startSurroundings(plan, directory, database, random));
  const failures: string[] = [];
  const endedByItself = (name: string, how: string) => {
    said(`${name} ended by itself: ${how}`);
    // It waits for whatever it needs: broker, database, nodes.
    if (name.startsWith('indexer')) failures.push(`${name} ended by itself: ${how}`);
  };
  const installation = stack.use(
    await startInstallation({ plan, directory, spool, source: tree, mutation, endedByItself }, around),
  );
  await startedUp(installation);
  const publishers = STREAMS.map((stream, index) =>
    startNumberedPublisher({
      url: `${installation.node.url}/whip/${stream}`,
      token: installation.node.token,
      stream,
      source,
      hasSound: index === 0,
    }),
  );
  stack.defer(async () => void (await Promise.all(publishers.map((one) => one.end()))));
  await allConnected(publishers);
  said(`publishing ${((performance.now() - beganMs) / 1000).toFixed(1)} s after the start`);

  const world: World = {
    around,
    installation,
    publishers,
    hold: proxyHolds(),
    disk,
    evict: plan.evict,
  };
  const allowances: Allowance[] = [];
  await Promise.all([
    pause(plan.publishMs),
    ...plan.faults.map(async (fault) => {
      await pause(fault.atMs);
      allowances.push(...(await faults[fault.kind](world, fault)));
    }),
  ]);
  for (const one of installation.all) one.start();
  await allConnected(publishers);
  // Behind the last fault some more, so that what comes after it is seen as well.
  await pause(1_500);
  await Promise.all(publishers.map((one) => one.end()));
  const quietMs = performance.now();
  await settle(installation, STREAMS, { limitMs: settleMs, clocks: around.clocks }).catch((error: Error) =>
    failures.push(error.message),
  );
  said(`settled in ${((performance.now() - quietMs) / 1000).toFixed(1)} s`);

  const accounts: Account[] = [];
  for (const { stream, published } of publishers) {
    const found = await framesInBucket(around.s3.store, bucketPlace.bucket, bucketPlace.root, stream);
    const gaps = await gapsOf(installation, stream, around.clocks).catch(() => []);
    accounts.push(accountOf({ stream, published, found, gaps }, allowances));
  }
  failures.push(...accounts.filter((one) => !isSound(one)).flatMap(({ examples }) => examples));
  failures.push(...refusedRows(spool).map((row) => `refused: ${row}`));
  failures.push(...(await verifyAll(tree, installation)));
  return { accounts, failures, seconds: (performance.now() - beganMs) / 1000 };
};
