/**
 * What is known of nodes and their streams. Hints come from the bus, the truth from the nodes themselves; whichever
 * came last counts. A node is *running* while it was heard of within the last 15 s and did not say goodbye: its status
 * on the bus and its own answer over HTTP count alike, so that neither a dead broker nor a dead link alone hides it.
 * A last will of a process that is no longer the current one says nothing.
 */
import { matchesPattern, type NodeInfo, type NodeStatus, type StreamInfo, type StreamSummary } from '@weir/contracts';
import { overlayUrl } from '@weir/overlay';
import { viewOfSummary } from './stream-view.ts';

/** A node of `[[nodes]]`, reached directly. */
export type StaticNode = { alias: string; url: string; token?: string | undefined; streams: readonly string[] };

/** Where a node's HTTP API is, and the static token it wants, if any. */
export type NodeAddress = { alias: string; url: string; token: string | undefined };

/** What a status changed: `arrived` when the node came online or is another process than before. */
export type StatusNews = 'arrived' | 'left' | 'repeated' | 'ignored';

/** How old the last sign of a running node may be, in milliseconds. */
export const STATUS_LIFE_MS = 15_000;

type Bounds = { maxNodes: number; maxStreams: number };

type Entry = {
  alias: string;
  fixed: StaticNode | undefined;
  status: NodeStatus | undefined;
  /** When the bus last told it; what the node answers itself does not count here. */
  heardMs: number;
  online: boolean;
  lastSeenMs: number;
  streams: Map<string, StreamInfo>;
};

/** The cluster as the gateway knows it. */
export type Cluster = ReturnType<typeof openCluster>;

const emptyEntry = (alias: string, fixed?: StaticNode): Entry => ({
  alias,
  fixed,
  status: undefined,
  heardMs: Number.NEGATIVE_INFINITY,
  online: false,
  lastSeenMs: 0,
  streams: new Map(),
});

const addressOf = (entry: Entry): NodeAddress | null => {
  const url = entry.fixed?.url ?? entry.status?.http ?? null;
  // A node says its address itself: fetch knows more schemes than these, and through the overlay it has its own alone.
  return url === null || !(/^https?:\/\//i.test(url) || url === overlayUrl(entry.alias))
    ? null
    : { alias: entry.alias, url: url.replace(/\/+$/, ''), token: entry.fixed?.token };
};

const sessionsOf = (entry: Entry): number =>
  entry.status?.sessions ??
  [...entry.streams.values()].reduce(
    (sum, { publish, subscribe }) => sum + publish.sessions.length + subscribe.sessions.length,
    0,
  );

/** Share of its sessions that a node has in use, from 0 to 1; of a node that tells no limit, by the usual one. */
const loadOf = (entry: Entry): number => sessionsOf(entry) / Math.max(1, entry.status?.max_sessions ?? 2_000);

const infoOf = (entry: Entry, running: boolean): NodeInfo => ({
  alias: entry.alias,
  node_id: entry.status?.node_id ?? '',
  status: running ? 'running' : 'stopped',
  version: entry.status?.version ?? '',
  url: addressOf(entry)?.url ?? null,
  streams: running ? entry.streams.size : 0,
  sessions: running ? sessionsOf(entry) : 0,
  spools: (entry.status?.spools ?? []).map(({ spool, level, free_bytes }) => ({ spool, level, free_bytes })),
  last_seen_ms: entry.lastSeenMs,
});

const byAlias = (a: { alias: string }, b: { alias: string }): number => (a.alias < b.alias ? -1 : 1);

/** Opens the cluster with its static nodes; `now` in milliseconds. Beyond the bounds, what comes is dropped and counted. */
export const openCluster = (
  fixed: readonly StaticNode[],
  now: () => number,
  { maxNodes, maxStreams }: Bounds = { maxNodes: 1_000, maxStreams: 10_000 },
) => {
  const entries = new Map(fixed.map((node) => [node.alias, emptyEntry(node.alias, node)]));
  const listeners = new Set<() => void>();
  const counts = { dropped: 0, aliasConflicts: 0 };

  const isRunning = (entry: Entry) => entry.online && now() - entry.lastSeenMs <= STATUS_LIFE_MS;
  const running = () => [...entries.values()].filter(isRunning).sort(byAlias);
  const changed = () => {
    for (const listener of listeners) listener();
  };

  const entryOf = (alias: string): Entry | null => {
    const known = entries.get(alias);
    if (known !== undefined) return known;
    if (entries.size >= maxNodes) {
      const stale = [...entries.values()].find((entry) => entry.fixed === undefined && !isRunning(entry));
      if (stale === undefined) {
        counts.dropped += 1;
        return null;
      }
      entries.delete(stale.alias);
    }
    const entry = emptyEntry(alias);
    entries.set(alias, entry);
    return entry;
  };

  const isForeign = (entry: Entry, status: NodeStatus): boolean => {
    if (entry.status === undefined) return false;
    // A last will comes late: by then its process may have a successor.
    if (!status.online) return entry.status.process_id !== status.process_id;
    if (entry.status.node_id === status.node_id || !isRunning(entry)) return false;
    counts.aliasConflicts += 1;
    return true;
  };

  const onStatus = (status: NodeStatus): StatusNews => {
    const entry = entryOf(status.alias);
    if (entry === null || isForeign(entry, status)) return 'ignored';
    const before = isRunning(entry) ? entry.status?.process_id : undefined;
    entry.status = status;
    entry.heardMs = now();
    if (!status.online) {
      entry.online = false;
      entry.streams.clear();
      changed();
      return before === undefined ? 'repeated' : 'left';
    }
    entry.online = true;
    entry.lastSeenMs = now();
    if (before === status.process_id) return 'repeated';
    entry.streams.clear();
    changed();
    return 'arrived';
  };

  const onAnswered = (alias: string, status: NodeStatus): void => {
    const entry = entries.get(alias);
    if (entry === undefined || status.alias !== alias) return;
    const before = JSON.stringify(infoOf(entry, isRunning(entry)));
    entry.status = status;
    if (JSON.stringify(infoOf(entry, isRunning(entry))) !== before) changed();
  };

  const onSummary = (alias: string, stream: string, summary: StreamSummary | null): void => {
    const entry = entryOf(alias);
    if (entry === null) return;
    if (summary === null) entry.streams.delete(stream);
    else if (entry.streams.has(stream) || entry.streams.size < maxStreams)
      entry.streams.set(stream, viewOfSummary(summary, entry.streams.get(stream)));
    else counts.dropped += 1;
    changed();
  };

  const onListed = (alias: string, streams: readonly StreamInfo[]): void => {
    const entry = entries.get(alias);
    if (entry === undefined) return;
    const before = isRunning(entry) ? JSON.stringify([...entry.streams.values()]) : '';
    counts.dropped += Math.max(0, streams.length - maxStreams);
    entry.streams = new Map(streams.slice(0, maxStreams).map((stream) => [stream.id, stream]));
    entry.online = true;
    entry.lastSeenMs = now();
    if (JSON.stringify([...entry.streams.values()]) !== before) changed();
  };

  const nodesOf = (stream: string): Entry[] => running().filter((entry) => entry.streams.has(stream));
  const holderOf = (stream: string): Entry | undefined => {
    const holders = nodesOf(stream);
    const isPublished = (entry: Entry) => (entry.streams.get(stream)?.publish.sessions.length ?? 0) > 0;
    return holders.find(isPublished) ?? holders[0];
  };
  const viewOf = (entry: Entry, stream: StreamInfo): StreamInfo => ({ ...stream, node: entry.alias });

  return {
    counts,
    /** A node's status from the bus; `ignored` when it is a late will, another node's, or one too many. */
    onStatus,
    /** A node's own answer to what its status is; one of another node, for an address is wrong, says nothing. */
    onAnswered,
    /** True of a node of `[[nodes]]` whose status no broker tells. */
    isSilent: (alias: string): boolean => {
      const entry = entries.get(alias);
      return entry?.fixed !== undefined && now() - entry.heardMs > STATUS_LIFE_MS;
    },
    /** A stream's summary from the bus, null when it was cleared. */
    onSummary,
    /** A node's own list of its streams, which replaces what was known. */
    onListed,
    /** Every node ever heard of, by alias. */
    nodes: (): NodeInfo[] => [...entries.values()].sort(byAlias).map((entry) => infoOf(entry, isRunning(entry))),
    /** Every stream of every running node, by name and node. */
    streams: (): StreamInfo[] =>
      running()
        .flatMap((entry) => [...entry.streams.values()].map((stream) => viewOf(entry, stream)))
        .sort((a, b) => (a.id === b.id ? 0 : a.id < b.id ? -1 : 1)),
    /** A stream as its holder shows it. */
    stream: (name: string): StreamInfo | undefined => {
      const holder = holderOf(name);
      const stream = holder?.streams.get(name);
      return holder === undefined || stream === undefined ? undefined : viewOf(holder, stream);
    },
    /** Nodes that have an address, running or not: those that are worth asking. */
    addresses: (): NodeAddress[] =>
      [...entries.values()].map(addressOf).filter((address): address is NodeAddress => address !== null),
    /** Where a node is, running or not. */
    address: (alias: string): NodeAddress | null => {
      const entry = entries.get(alias);
      return entry === undefined ? null : addressOf(entry);
    },
    /** The running node that has the stream, one with its publisher first. */
    holder: (stream: string): NodeAddress | null => {
      const holder = holderOf(stream);
      return holder === undefined ? null : addressOf(holder);
    },
    /** The running, reachable node with the lowest load that may have the stream. */
    freest: (stream: string): NodeAddress | null => {
      const able = running()
        .filter((entry) => addressOf(entry) !== null && matchesPattern(entry.fixed?.streams ?? ['*'], stream))
        .sort((a, b) => loadOf(a) - loadOf(b) || a.streams.size - b.streams.size || byAlias(a, b));
      return able[0] === undefined ? null : addressOf(able[0]);
    },
    /** Tells of every change until the returned function is called. */
    subscribe: (listener: () => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};
