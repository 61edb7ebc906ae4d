import { type NodeStatus, nodeStatus, spoolId, type WeirConfig } from '@weir/contracts';

/** A node as the indexer knows it. `url` is null while it can be reached by messages alone. */
export type KnownNode = {
  alias: string;
  url: string | null;
  streamPatterns: readonly string[];
  status: NodeStatus | null;
  /** When that came, in monotonic milliseconds. */
  statusAtMs: number;
};

/** A spool that a node's status lists. */
export type ListedSpool = { alias: string; spool: string };

/** Who there is: the nodes of `[[nodes]]`, and those whose status was heard. */
export type NodeDirectory = {
  node(alias: string): KnownNode;
  nodes(): KnownNode[];
  /** Takes a status; says whether the node has just come, or come back as another process. Null: not taken. */
  onStatus(status: NodeStatus): 'arrived' | 'same' | 'left' | null;
  /** The node that now has a spool: the one whose status lists it, else the one that last sent rows of it. */
  holderOf(spool: string): KnownNode | null;
  /** Notes that a node sent rows of a spool. */
  onSpool(spool: string, alias: string): void;
  spools(): ListedSpool[];
  readonly counts: { dropped: number; stale: number };
};

const maxNodes = 10_000;
const maxSpools = 10_000;
const anyStream = ['*'] as const;

/** Opens the directory with the nodes of `[[nodes]]`; at most 10,000 nodes and 10,000 spools, the rest is counted. */
export const openNodeDirectory = (
  configured: WeirConfig['nodes'],
  monotonicMs: () => number = () => performance.now(),
): NodeDirectory => {
  const nodes = new Map<string, KnownNode>();
  const holders = new Map<string, string>();
  const counts = { dropped: 0, stale: 0 };
  for (const { alias, url, streams } of configured)
    nodes.set(alias, { alias, url: url.replace(/\/+$/, ''), streamPatterns: streams, status: null, statusAtMs: 0 });
  const fixed = new Set(nodes.keys());
  const node = (alias: string): KnownNode =>
    nodes.get(alias) ?? { alias, url: null, streamPatterns: anyStream, status: null, statusAtMs: 0 };
  const onSpool = (spool: string, alias: string): void => {
    if (!spoolId.safeParse(spool).success) counts.dropped += 1;
    else if (holders.has(spool) || holders.size < maxSpools) holders.set(spool, alias);
    else counts.dropped += 1;
  };
  return {
    node,
    nodes: () => [...nodes.values()],
    onStatus(status) {
      const before = node(status.alias);
      if (!nodes.has(status.alias) && nodes.size >= maxNodes) {
        counts.dropped += 1;
        return null;
      }
      // The will of a process that is gone may come after its successor's first word.
      const isCurrent = before.status === null || before.status.process_id === status.process_id;
      if (!status.online && !isCurrent) {
        counts.stale += 1;
        return null;
      }
      const url = fixed.has(status.alias) ? before.url : (status.http?.replace(/\/+$/, '') ?? null);
      nodes.set(status.alias, { ...before, url, status, statusAtMs: monotonicMs() });
      for (const { spool } of status.spools) onSpool(spool, status.alias);
      if (!status.online) return 'left';
      return before.status?.online === true && isCurrent ? 'same' : 'arrived';
    },
    holderOf(spool) {
      const alias = holders.get(spool);
      return alias === undefined ? null : node(alias);
    },
    onSpool,
    spools: () => [...holders].map(([spool, alias]) => ({ alias, spool })),
    counts,
  };
};

/** Reads a node's answer to `GET /api/node`; null when it is none. */
export const readNodeStatus = (body: unknown): NodeStatus | null => nodeStatus.safeParse(body).data ?? null;
