/**
 * Feeds the cluster: hints from the bus, and the nodes' own answers to `GET /api/streams`, which are asked for when a
 * node arrives, when a hint came, and every `askEveryMs` in any case. So nothing depends on messages that were kept or
 * lost, and a gateway works without a broker as long as it can reach the nodes: those of `[[nodes]]` whose status no broker
 * tells are asked for it too.
 */
import { decodeEvent, decodeTopic, nodeStatus, streamInfo, topicFilter } from '@weir/contracts';
import { type Bus, type Log, oneLine } from '@weir/runtime';
import { z } from 'zod';
import type { Cluster, NodeAddress } from './cluster.ts';
import type { CallNode } from './node-client.ts';

/** What the feed needs; `bus` is null where there is no broker. Times in milliseconds. */
export type ClusterFeedDeps = {
  cluster: Cluster;
  bus: Pick<Bus, 'subscribe'> | null;
  prefix: string;
  callNode: CallNode;
  log: Log;
  now: () => number;
  /** Called when the index has taken rows. */
  onIndexed: () => void;
  askEveryMs?: number;
  gatherMs?: number;
};

/** The running feed. */
export type ClusterFeed = AsyncDisposable & {
  /** Asks all nodes again, at most once a second; resolves when each has answered or failed. */
  lookAgain(): Promise<void>;
  /** Asks one node soon, after something was done there. */
  hint(alias: string): void;
  readonly counts: { undecodable: number; unanswered: number };
};

const streamList = z.array(streamInfo);
const maxListBytes = 8 * 1024 * 1024;
const askTimeoutMs = 4_000;
const farewellMs = 3_000;

/** Asks nodes for their streams; each at most once at a time, a wish in between is granted afterwards. */
const asker = ({ cluster, callNode, log }: ClusterFeedDeps, counts: { unanswered: number }) => {
  const running = new Map<string, Promise<void>>();
  const wanted = new Set<string>();
  const silent = new Set<string>();

  /** Without a broker this alone says which process it is and what spools it has. */
  const askStatus = async (address: NodeAddress): Promise<void> => {
    const answer = await callNode(address, { method: 'GET', path: '/api/node', timeoutMs: askTimeoutMs });
    // One of before has no such route.
    if (answer.status === 404) return;
    if (answer.status !== 200) throw new Error(`GET /api/node answered ${answer.status}, expected 200`);
    cluster.onAnswered(address.alias, nodeStatus.parse(JSON.parse(new TextDecoder().decode(answer.body))));
  };

  const askOnce = async (alias: string): Promise<void> => {
    const address = cluster.address(alias);
    if (address === null) return;
    try {
      const request = { method: 'GET', path: '/api/streams', maxBytes: maxListBytes, timeoutMs: askTimeoutMs };
      const answer = await callNode(address, request);
      if (answer.status !== 200) throw new Error(`GET /api/streams answered ${answer.status}, expected 200`);
      cluster.onListed(alias, streamList.parse(JSON.parse(new TextDecoder().decode(answer.body))));
      if (cluster.isSilent(alias)) await askStatus(address);
      if (silent.delete(alias)) log.info({ node: alias }, 'node answers again');
    } catch (error) {
      counts.unanswered += 1;
      const level = silent.has(alias) ? 'debug' : 'warn';
      silent.add(alias);
      log[level]({ node: alias, reason: oneLine(error) }, 'node does not tell its streams, or its status');
    }
  };
  const ask = (alias: string): Promise<void> => {
    const now = running.get(alias);
    if (now !== undefined) {
      wanted.add(alias);
      return now;
    }
    const work = askOnce(alias).finally(() => {
      running.delete(alias);
      if (wanted.delete(alias)) void ask(alias);
    });
    running.set(alias, work);
    return work;
  };
  return ask;
};

const followBus = async (
  { cluster, bus, prefix, onIndexed }: ClusterFeedDeps,
  counts: { undecodable: number },
  ask: (alias: string) => Promise<void>,
  hint: (alias: string, afterMs?: number) => void,
): Promise<(() => Promise<void>)[]> => {
  if (bus === null) return [];
  const onStatus = (topic: string, payload: Buffer): void => {
    const place = decodeTopic(prefix, topic);
    const event = decodeEvent(payload, 'weir.node.status');
    if (place?.kind !== 'status' || event === null || event.data.alias !== place.alias) {
      counts.undecodable += payload.length === 0 ? 0 : 1;
      return;
    }
    const news = cluster.onStatus(event.data);
    if (news === 'arrived') void ask(place.alias);
    // A goodbye may be the last will of a connection while the node lives on; one that really ends needs a moment.
    if (news === 'left') hint(place.alias, farewellMs);
  };
  const onStream = (topic: string, payload: Buffer): void => {
    const place = decodeTopic(prefix, topic);
    if (place?.kind !== 'stream') return;
    const event = payload.length === 0 ? null : decodeEvent(payload, 'weir.stream.summary');
    if (event === null && payload.length > 0) {
      counts.undecodable += 1;
      return;
    }
    cluster.onSummary(place.alias, place.stream, event?.data ?? null);
    hint(place.alias);
  };
  const onAck = (_topic: string, payload: Buffer): void => {
    if (decodeEvent(payload, 'weir.ack') === null) counts.undecodable += 1;
    else onIndexed();
  };
  return Promise.all([
    bus.subscribe(topicFilter(prefix, 'status'), onStatus),
    bus.subscribe(topicFilter(prefix, 'stream'), onStream),
    bus.subscribe(topicFilter(prefix, 'ack'), onAck),
  ]);
};

/** Starts the feed, and asks all nodes that have an address; it does not wait for their answers. */
export const openClusterFeed = async (deps: ClusterFeedDeps): Promise<ClusterFeed> => {
  const { cluster, now, askEveryMs = 5_000, gatherMs = 300 } = deps;
  const counts = { undecodable: 0, unanswered: 0 };
  const hinted = new Map<string, NodeJS.Timeout>();
  const ask = asker(deps, counts);
  let lastLookMs = Number.NEGATIVE_INFINITY;
  let lastLook: Promise<void> = Promise.resolve();

  const askAll = async (): Promise<void> => {
    await Promise.all(cluster.addresses().map(({ alias }) => ask(alias)));
  };
  const hint = (alias: string, afterMs = gatherMs): void => {
    if (hinted.has(alias)) return;
    const timer = setTimeout(() => {
      hinted.delete(alias);
      void ask(alias);
    }, afterMs);
    hinted.set(alias, timer.unref());
  };

  const undo = await followBus(deps, counts, ask, hint);
  void askAll();
  const timer = setInterval(() => void askAll(), askEveryMs).unref();
  return {
    counts,
    hint,
    lookAgain() {
      if (now() - lastLookMs >= 1_000) {
        lastLookMs = now();
        lastLook = askAll();
      }
      return lastLook;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      for (const one of hinted.values()) clearTimeout(one);
      await Promise.all(undo.map((stop) => stop()));
    },
  };
};
