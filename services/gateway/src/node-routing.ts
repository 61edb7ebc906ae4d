/**
 * Which node a request goes to. A stream belongs to the node that holds it; a new one to the node with the lowest
 * load. Where this gateway sent a publisher is remembered for a while, for the cluster hears of it a moment later.
 */
import { WeirError } from '@weir/runtime';
import type { Cluster, NodeAddress } from './cluster.ts';
import type { ClusterFeed } from './cluster-feed.ts';

/** A session made through this gateway. */
export type KnownSession = { alias: string; stream: string; maker: string };

/** The routing of one gateway. */
export type NodeRouting = {
  /** The node a publisher goes to; throws `node_unreachable` (503) when no node can take it. */
  forPublisher(stream: string): Promise<NodeAddress>;
  /** Forgets where a publisher was sent, when that node did not take it. */
  notPlaced(stream: string): void;
  /** The node that holds a stream; throws `stream_not_found`, or `node_unreachable` when no node is there at all. */
  forStream(stream: string): Promise<NodeAddress>;
  /** The node of a session, and who made it; `maker` is null when another gateway, or this one's last life, made it. */
  forSession(stream: string, session: string): Promise<{ node: NodeAddress; maker: string | null }>;
  remember(session: string, known: KnownSession): void;
  forget(session: string): void;
  readonly counts: { forgotten: number };
};

const placementLifeMs = 15_000;

const nobodyThere = () =>
  new WeirError('node_unreachable', 'no node is online: start an edge node, or wait until one is back', {
    status: 503,
    headers: { 'retry-after': '5' },
  });

/** A map that forgets the oldest entry beyond `max`. */
const boundedMap = <V>(max: number, onForgotten: () => void) => {
  const map = new Map<string, V>();
  return {
    get: (key: string) => map.get(key),
    delete: (key: string) => map.delete(key),
    set(key: string, value: V) {
      map.delete(key);
      map.set(key, value);
      const oldest = map.size > max ? map.keys().next().value : undefined;
      if (oldest === undefined) return;
      map.delete(oldest);
      onForgotten();
    },
  };
};

/** Opens the routing; at most `maxSessions` sessions are remembered, the oldest is forgotten first. */
export const openNodeRouting = (
  cluster: Cluster,
  feed: Pick<ClusterFeed, 'lookAgain' | 'hint'>,
  now: () => number,
  maxSessions = 20_000,
): NodeRouting => {
  const counts = { forgotten: 0 };
  const sessions = boundedMap<KnownSession>(maxSessions, () => {
    counts.forgotten += 1;
  });
  const placements = boundedMap<{ alias: string; atMs: number }>(1_000, () => undefined);

  const placedAt = (stream: string): NodeAddress | null => {
    const placement = placements.get(stream);
    if (placement === undefined || now() - placement.atMs > placementLifeMs) return null;
    return cluster.address(placement.alias);
  };
  const known = (stream: string): NodeAddress | null => cluster.holder(stream) ?? placedAt(stream);
  const isEmpty = () => cluster.nodes().every(({ status }) => status === 'stopped');

  const forStream = async (stream: string): Promise<NodeAddress> => {
    const node = known(stream);
    if (node !== null) return node;
    await feed.lookAgain();
    const found = known(stream);
    if (found !== null) return found;
    if (isEmpty()) throw nobodyThere();
    const behind = cluster.stream(stream)?.node;
    if (behind !== undefined)
      throw new WeirError('node_unreachable', `node ${behind} has ${stream} but no address: set its http.public`);
    throw new WeirError('stream_not_found', `no node has a stream ${stream}: publish it first, or check the name`);
  };

  return {
    counts,
    forStream,
    async forPublisher(stream) {
      if (isEmpty()) await feed.lookAgain();
      const node = known(stream) ?? cluster.freest(stream);
      if (node === null) throw nobodyThere();
      placements.set(stream, { alias: node.alias, atMs: now() });
      return node;
    },
    notPlaced(stream) {
      placements.delete(stream);
    },
    async forSession(stream, session) {
      const known = sessions.get(session);
      const node = known?.stream === stream ? cluster.address(known.alias) : null;
      if (known !== undefined && node !== null) return { node, maker: known.maker };
      return { node: await forStream(stream), maker: null };
    },
    remember(session, known) {
      sessions.set(session, known);
      feed.hint(known.alias);
    },
    forget(session) {
      const known = sessions.get(session);
      sessions.delete(session);
      if (known !== undefined) feed.hint(known.alias);
    },
  };
};
