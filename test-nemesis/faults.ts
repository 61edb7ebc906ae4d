/**
 * How each kind of fault is brought about and taken back. A fault answers with what it may cost: stretches of time in
 * which frames may be missing. Most may cost nothing, and have none.
 */
import type { S3Fault } from '@weir/testkit';
import type { Allowance } from './accounting.ts';
import type { ClockName } from './clocks.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { Installation } from './installation.ts';
import type { NumberedPublisher } from './numbered-publisher.ts';
import type { Plan, PlannedFault } from './plan.ts';
import type { ProxyHolds } from './proxy-holds.ts';
import type { ServiceProcess } from './service-process.ts';
import type { Surroundings } from './surroundings.ts';

/** A disk that can be filled. */
export type SpoolDisk = { leaveFree(bytes: number): void; giveBack(): void };

/** Everything a fault may reach for. */
export type World = {
  around: Surroundings;
  installation: Installation;
  publishers: readonly NumberedPublisher[];
  hold: ProxyHolds;
  disk: SpoolDisk | null;
  evict: Plan['evict'];
};

type Apply = (world: World, fault: PlannedFault) => Promise<Allowance[]>;

const HOUR_MS = 3_600_000;
// The tap sends ten times a second; what the node had not sent yet dies with it.
const IN_HAND_MS = 500;
// What was written last before a disk was full had not been synced.
const UNSYNCED_MS = 1_500;
const READY_MS = 60_000;
// The recorder looks for room again every second, and begins at the next key frame.
const RESUME_MS = 4_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const killed = async (services: readonly ServiceProcess[], downMs: number): Promise<Allowance[]> => {
  await Promise.all(services.map((one) => one.kill()));
  await pause(downMs);
  for (const one of services) one.start();
  return [];
};

const picked = <T>(from: readonly T[], pick: number): T[] => {
  // One of several, or all of them at once.
  const which = Math.floor(pick * (from.length + 1));
  return which >= from.length ? [...from] : from.slice(which, which + 1);
};

const bucketFault = (fault: S3Fault, everyNth = 1): Apply => {
  return async ({ around: { s3, proxies } }, { lastsMs }) => {
    let isActive = true;
    let count = 0;
    s3.faults.add({ fault, times: Number.POSITIVE_INFINITY, match: () => isActive && count++ % everyNth === 0 });
    await pause(lastsMs);
    isActive = false;
    // What hangs would hang for as long as the uploader's patience lasts: the outage ends as a restart of the bucket.
    if (fault.kind === 'hang') proxies.bucket.cut();
    return [];
  };
};

const nodeKilled: Apply = async ({ installation: { services, node }, publishers }, { kind, lastsMs }) => {
  const fromMs = Date.now() - IN_HAND_MS;
  await services.node.kill();
  await pause(lastsMs);
  services.node.start();
  await awaitReady(`${node.url}/healthz`);
  return Promise.all(
    publishers.map(async (one) => ({ fault: kind, stream: one.stream, fromMs, toMs: await one.reconnect() })),
  );
};

/** Waits until `look` says so, for a minute at most: what cannot start is a failure of the run, not a wait without end. */
export const awaitTrue = async (what: string, look: () => Promise<boolean>): Promise<void> => {
  const untilMs = performance.now() + READY_MS;
  while (!(await look())) {
    if (performance.now() >= untilMs) throw new Error(`${what} within ${READY_MS / 1000} s: see the logs of the run`);
    await pause(50);
  }
};

/** Waits until a service answers. */
export const awaitReady = (url: string): Promise<void> =>
  awaitTrue(`${url} did not answer`, async () => {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
    return response?.ok === true;
  });

const publisherGone =
  (how: 'leave' | 'die'): Apply =>
  async ({ publishers }, { kind, lastsMs, pick }) => {
    const one = publishers[Math.floor(pick * publishers.length)];
    if (one === undefined) return [];
    const fromMs = Date.now() - IN_HAND_MS;
    return [{ fault: kind, stream: one.stream, fromMs, toMs: await one[how](pause(lastsMs)) }];
  };

const databaseCrash: Apply = async ({ around: { database }, installation: { services } }, { lastsMs, pick }) => {
  const { server } = database;
  // SQLite lives in its clients: it crashes when they do.
  if (server === null) return killed([...services.indexers, services.gateway], Math.min(lastsMs, 1_000));
  const committing = new Promise<void>((resolve) => database.onCommit(resolve));
  // Without a commit in time it crashes idle.
  await Promise.race([committing, pause(1_500)]);
  await server.crash();
  await pause(lastsMs * pick);
  await server.resume();
  return [];
};

const held =
  (which: (world: World) => Parameters<ProxyHolds>[0]): Apply =>
  async (world, { lastsMs, pick }) => {
    const release = world.hold(which(world), pick < 0.5 ? 'refuse' : 'stall');
    await pause(lastsMs);
    release();
    return [];
  };

const brokerDown =
  (downMs: (fault: PlannedFault) => number): Apply =>
  async ({ around: { broker } }, fault) => {
    await broker.stop();
    await pause(downMs(fault));
    await broker.start();
    return [];
  };

const diskFull: Apply = async ({ disk, evict }, { kind, lastsMs, pick }) => {
  if (disk === null) return [];
  // By its policy the oldest that nobody else has goes first, whenever it came.
  const fromMs = evict === 'unsent' ? 0 : Date.now() - UNSYNCED_MS;
  disk.leaveFree(pick < 0.5 ? 0 : 1_000_000);
  // Longer than the ring of such a run.
  await pause(lastsMs + 3_000);
  disk.giveBack();
  return [{ fault: kind, stream: null, fromMs, toMs: Date.now() + RESUME_MS }];
};

const setOff =
  (which: ClockName, byMs: (fault: PlannedFault) => number): Apply =>
  async ({ around: { clocks } }, fault) => {
    clocks.setOff(which, byMs(fault));
    await pause(fault.lastsMs);
    clocks.setOff(which, 0);
    return [];
  };

const uplink = ({ around, installation }: World) => [
  around.proxies.siteBroker,
  around.proxies.bucket,
  installation.proxies.gateway,
  installation.proxies.node,
];

// The clocks go on in the middle of it, and stay there: what was begun before is hours old when the uplink is back.
const uplinkHours: Apply = async (world, { lastsMs, pick }) => {
  const release = world.hold(uplink(world), pick < 0.5 ? 'refuse' : 'stall');
  await pause(lastsMs / 2);
  world.around.clocks.pass(Math.round((2 + 2 * pick) * HOUR_MS));
  await pause(lastsMs / 2);
  release();
  return [];
};

const meddled: Apply = async ({ around: { meddling } }, { lastsMs }) => {
  meddling.isActive = true;
  await pause(lastsMs);
  meddling.isActive = false;
  return [];
};

/** Each kind of fault. */
export const faults: Record<FaultKind, Apply> = {
  recorder_killed: ({ installation }, { lastsMs }) => killed([installation.services.recorder], lastsMs),
  uploader_killed: ({ installation }, { lastsMs, pick }) =>
    killed(picked(installation.services.uploaders, pick), lastsMs),
  indexer_killed: ({ installation }, { lastsMs, pick }) =>
    killed(picked(installation.services.indexers, pick), lastsMs),
  gateway_killed: ({ installation }, { lastsMs }) => killed([installation.services.gateway], lastsMs),
  node_killed: nodeKilled,
  publisher_away: publisherGone('leave'),
  publisher_killed: publisherGone('die'),
  bucket_500: bucketFault({ kind: 'status', status: 500, code: 'InternalError' }),
  bucket_503: bucketFault({ kind: 'status', status: 503, code: 'SlowDown', retryAfterS: 1 }),
  bucket_slow: bucketFault({ kind: 'late', waitMs: 700 }),
  bucket_hangs: bucketFault({ kind: 'hang' }),
  bucket_lost_reply: bucketFault({ kind: 'lost-reply' }, 2),
  urls_expire: setOff('bucket', () => HOUR_MS),
  site_clock: setOff('site', ({ pick }) => (pick < 0.5 ? HOUR_MS : -HOUR_MS)),
  broker_stopped: brokerDown(({ lastsMs }) => lastsMs),
  broker_emptied: brokerDown(() => 0),
  broker_partitioned: (world, fault) =>
    held(({ around: { proxies } }) => [fault.pick % 0.5 < 0.25 ? proxies.siteBroker : proxies.cloudBroker])(
      world,
      fault,
    ),
  messages_meddled: meddled,
  database_crash: databaseCrash,
  uplink_away: held(uplink),
  uplink_hours: uplinkHours,
  disk_full: diskFull,
};
