/**
 * Keeps the index equal to all spools: rows come by messages, and what these lost is pulled: at the start, when a node
 * arrives, at a hole, and every `pullEveryMs`. So the broker only makes it fast.
 */
import { randomUUID } from 'node:crypto';
import type { Catalog } from '@weir/catalog';
import { decodeEvent, decodeTopic, encodeEvent, encodeTopic, type NodeStatus, topicFilter } from '@weir/contracts';
import { type Bus, type Clock, isAbort, isWeirError, type Log, oneLine, retry } from '@weir/runtime';
import { type Acknowledge, acknowledge } from './acknowledgement.ts';
import type { NodeClient } from './node-client.ts';
import { type KnownNode, type NodeDirectory, readNodeStatus } from './node-directory.ts';
import { type LaneCounts, openSpoolLane, type SpoolLane } from './spool-lane.ts';
import { LEASE_MS, openSpoolLeases, type SpoolLeases } from './spool-leases.ts';
import { type Announce, openSpoolWatch } from './spool-watch.ts';
import { turnstile } from './turnstile.ts';

/** What the replication needs; `bus` is null where there is no broker. */
export type ReplicationDeps = {
  catalog: Catalog;
  directory: NodeDirectory;
  client: NodeClient;
  bus: Pick<Bus, 'publish' | 'subscribe'> | null;
  prefix: string;
  indexId: string;
  /** Names this indexer among those on the same database; the same after a restart. */
  holder: string;
  pullEveryMs: number;
  /** How long a spool may be missing at its node, which is online, before it is lost; 0: for ever. */
  orphanAfterMs: number;
  log: Log;
  clock: Clock;
  /** Milliseconds that never step. */
  monotonicMs: () => number;
};

/** The running replication; closing it ends what runs. */
export type Replication = AsyncDisposable & {
  readonly counts: LaneCounts & { undecodable: number; droppedSpools: number };
  spools(): number;
  /** Spools that this indexer works on. */
  heldSpools(): number;
  /** Spools that are lost, as it looked a minute ago at most. */
  lostSpools(): number;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
};

const maxLanes = 10_000;
const pullsAtOnce = 8;
const noteNodeEveryMs = 60_000;

const newCounts = (): Replication['counts'] => ({
  committedRows: 0,
  refusedRows: 0,
  droppedPages: 0,
  leftPages: 0,
  holes: 0,
  pulledRows: 0,
  failedPulls: 0,
  failedCommits: 0,
  undecodable: 0,
  droppedSpools: 0,
});

/** Makes lanes when their spools are first heard of; at most 10,000, the others are counted. */
const openLanes = (
  deps: ReplicationDeps,
  leases: SpoolLeases,
  tell: Acknowledge,
  counts: Replication['counts'],
  signal: AbortSignal,
) => {
  const { catalog, client, directory, indexId, log, clock } = deps;
  const lanes = new Map<string, SpoolLane>();
  const inTurn = turnstile(pullsAtOnce);
  const lane = (spool: string): SpoolLane | null => {
    const found = lanes.get(spool);
    if (found !== undefined) return found;
    if (lanes.size >= maxLanes) {
      counts.droppedSpools += 1;
      return null;
    }
    const holder = () => directory.holderOf(spool);
    const made = openSpoolLane(spool, {
      catalog,
      client,
      leases,
      acknowledge: tell,
      indexId,
      holder,
      inTurn,
      counts,
      log,
      clock,
      signal,
    });
    lanes.set(spool, made);
    return made;
  };
  return { lane, all: () => [...lanes.values()] };
};

/** Writes nodes into the index: when they come and go, and once a minute. */
const nodeNotes = ({ catalog, directory, log, clock }: ReplicationDeps) => {
  const notedMs = new Map<string, number>();
  return async (status: NodeStatus, isNews: boolean): Promise<void> => {
    const last = notedMs.get(status.alias);
    if (!isNews && last !== undefined && clock.now() - last < noteNodeEveryMs) return;
    notedMs.set(status.alias, clock.now());
    try {
      await catalog.noteNode(status, directory.node(status.alias).streamPatterns);
    } catch (error) {
      notedMs.delete(status.alias);
      log.warn({ node: status.alias, reason: oneLine(error) }, 'node not noted');
    }
  };
};

type Lanes = ReturnType<typeof openLanes>;

const followBus = (deps: ReplicationDeps, lanes: Lanes, counts: Replication['counts']) => {
  const { bus, directory, prefix } = deps;
  const note = nodeNotes(deps);
  const onRows = (topic: string, payload: Buffer): void => {
    const place = decodeTopic(prefix, topic);
    const event = decodeEvent(payload, 'weir.rows');
    if (place?.kind !== 'rows' || event === null) {
      counts.undecodable += 1;
      return;
    }
    directory.onSpool(event.data.spool, place.alias);
    lanes.lane(event.data.spool)?.offer(event.data, directory.node(place.alias));
  };
  const onStatus = async (topic: string, payload: Buffer): Promise<void> => {
    if (payload.length === 0) return;
    const place = decodeTopic(prefix, topic);
    const event = decodeEvent(payload, 'weir.node.status');
    if (place?.kind !== 'status' || event === null || event.data.alias !== place.alias) {
      counts.undecodable += 1;
      return;
    }
    const news = directory.onStatus(event.data);
    if (news === 'arrived') for (const { spool } of event.data.spools) lanes.lane(spool)?.wishPull();
    if (news !== null) await note(event.data, news !== 'same');
  };
  if (bus === null) return Promise.resolve([]);
  return Promise.all([
    bus.subscribe(topicFilter(prefix, 'rows'), onRows),
    bus.subscribe(topicFilter(prefix, 'status'), onStatus),
  ]);
};

/** Asks a node of `[[nodes]]` for its spools, as without a broker nothing else tells them. */
const askSpools = async ({ client, directory, log }: ReplicationDeps, node: KnownNode): Promise<void> => {
  if (node.url === null) return;
  try {
    const status = readNodeStatus(await client.status({ alias: node.alias, url: node.url }));
    if (status !== null && status.alias === node.alias) directory.onStatus(status);
  } catch (error) {
    if (!isAbort(error)) log.debug({ node: node.alias, reason: oneLine(error) }, 'node does not tell its spools');
  }
};

/** Learns which spools the index knows; while the database is away it tries again, however long. */
const learnSpools = async ({ catalog, directory, log, clock }: ReplicationDeps, signal: AbortSignal) => {
  const spools = await retry(() => catalog.spools(), signal, {
    retryable: (error) => isWeirError(error, 'database_unavailable'),
    onRetry: (error) => log.warn({ reason: oneLine(error) }, 'the spools of the index are not known yet'),
    clock,
  });
  // What was heard meanwhile is newer.
  for (const { spool_id, node } of spools) if (directory.holderOf(spool_id) === null) directory.onSpool(spool_id, node);
};

const pullForever = async (deps: ReplicationDeps, lanes: Lanes, fixed: readonly string[], signal: AbortSignal) => {
  const { directory, pullEveryMs, clock, log } = deps;
  await learnSpools(deps, signal).catch((error: unknown) => {
    // A mistake of ours: the spools whose nodes are heard are indexed all the same.
    if (!signal.aborted) log.error({ err: error }, 'the spools of the index are not known');
  });
  while (!signal.aborted) {
    await Promise.all(fixed.map((alias) => askSpools(deps, directory.node(alias))));
    for (const { spool } of directory.spools()) lanes.lane(spool)?.remindPull();
    await clock.sleep(pullEveryMs, signal).catch(() => undefined);
  }
};

/** Says what becomes of spools, under the alias of the node that had them. */
const announcer =
  ({ bus, prefix, indexId, clock }: ReplicationDeps): Announce =>
  (type, data) => {
    const time = new Date(clock.now()).toISOString();
    const event = encodeEvent({ id: randomUUID(), source: `/index/${indexId}`, type, time, data } as never);
    void bus?.publish(encodeTopic(prefix, { kind: 'event', alias: data.node, type }), event, { qos: 1 });
  };

/** Starts the replication: the spools the index knows are asked at once. */
export const openReplication = async (deps: ReplicationDeps): Promise<Replication> => {
  const { directory, bus, prefix, indexId, clock } = deps;
  const controller = new AbortController();
  const counts = newCounts();
  const tell = acknowledge({ bus, prefix, indexId, now: () => clock.now() });
  const leases = openSpoolLeases({
    ...deps,
    leaseMs: LEASE_MS,
    // A reminder, not a wish: a node that does not answer is not asked any sooner for it.
    onFree: (spool) => lanes.lane(spool)?.remindPull(),
  });
  const lanes = openLanes(deps, leases, tell, counts, controller.signal);
  const fixed = directory.nodes().map(({ alias }) => alias);
  const undo = await followBus(deps, lanes, counts);
  const pulling = pullForever(deps, lanes, fixed, controller.signal);
  const watch = openSpoolWatch({ ...deps, holds: leases.take, announce: announcer(deps) });
  const watching = watch.watch(clock, controller.signal);
  const idle = async () => {
    for (const lane of lanes.all()) await lane.idle();
  };
  return {
    counts,
    spools: () => lanes.all().length,
    heldSpools: leases.held,
    lostSpools: watch.lost,
    idle,
    async [Symbol.asyncDispose]() {
      await Promise.all(undo.map((stop) => stop()));
      controller.abort();
      await Promise.all([pulling, watching]);
      await idle();
      await leases[Symbol.asyncDispose]();
    },
  };
};
