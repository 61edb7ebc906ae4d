/**
 * Server-sent events of the gateway (HTML Living Standard §9.2): the streams as an unnamed event, as live777 sends
 * them, `nodes`, and `playback` when recordings have changed. A client gets a snapshot when it connects and whatever
 * changes afterwards; events have no ids because the next snapshot makes every missed one good.
 */
import type { ServerResponse } from 'node:http';
import { WeirError } from '@weir/runtime';
import type { Cluster } from './cluster.ts';

/** Bounds of the feed; times in milliseconds. */
export type LiveFeedOptions = {
  maxClients?: number;
  /** A client with more bytes than this unsent is closed; it comes back and starts with a snapshot. */
  maxUnsentBytes?: number;
  /** Changes within so long are told at once. */
  gatherMs?: number;
  /** How often a silent feed says that it lives, and looks for nodes that fell silent. */
  beatMs?: number;
};

/** The feed of all clients. */
export type LiveFeed = Disposable & {
  /** Starts the answer of a client and keeps it fed until it leaves, or until `untilMs`, when its token ends. */
  attach(response: ServerResponse, headers: Readonly<Record<string, string>>, untilMs?: number): void;
  /** Tells that recordings have changed. */
  playbackChanged(): void;
  readonly counts: { dropped: number };
  clients(): number;
};

const frame = (event: string | null, data: string): string =>
  `${event === null ? '' : `event: ${event}\n`}data: ${data}\n\n`;

/** Opens the feed of a cluster. */
export const openLiveFeed = (
  cluster: Pick<Cluster, 'nodes' | 'streams' | 'subscribe'>,
  now: () => number,
  { maxClients = 200, maxUnsentBytes = 1_048_576, gatherMs = 200, beatMs = 5_000 }: LiveFeedOptions = {},
): LiveFeed => {
  const clients = new Map<ServerResponse, number>();
  const counts = { dropped: 0 };
  const pending = new Set<'cluster' | 'playback'>();
  const told = { streams: '', nodes: '' };
  let timer: NodeJS.Timeout | undefined;

  // When a node was last seen changes with every status; a client can see that it is running.
  const nodesText = () => JSON.stringify(cluster.nodes().map((node) => ({ ...node, last_seen_ms: 0 })));
  const snapshot = () => ({ streams: JSON.stringify(cluster.streams()), nodes: nodesText() });

  const write = (text: string): void => {
    for (const [client, untilMs] of clients) {
      if (now() >= untilMs) client.end();
      else if (client.writableLength > maxUnsentBytes) {
        counts.dropped += 1;
        client.destroy();
      } else client.write(text);
    }
  };

  const tellCluster = (): void => {
    const fresh = snapshot();
    if (fresh.streams !== told.streams) write(frame(null, fresh.streams));
    if (fresh.nodes !== told.nodes) write(frame('nodes', fresh.nodes));
    Object.assign(told, fresh);
  };
  const tell = (): void => {
    timer = undefined;
    const isPlayback = pending.delete('playback');
    const isCluster = pending.delete('cluster');
    if (clients.size === 0) return;
    if (isCluster) tellCluster();
    if (isPlayback) write(frame('playback', JSON.stringify({ at_ms: now() })));
  };
  const soon = (what: 'cluster' | 'playback') => {
    pending.add(what);
    timer ??= setTimeout(tell, gatherMs).unref();
  };

  const unsubscribe = cluster.subscribe(() => soon('cluster'));
  const beat = setInterval(() => {
    write(': alive\n\n');
    soon('cluster');
  }, beatMs).unref();

  return {
    counts,
    clients: () => clients.size,
    playbackChanged: () => soon('playback'),
    attach(response, headers, untilMs = Number.POSITIVE_INFINITY) {
      if (clients.size >= maxClients)
        throw new WeirError('overloaded', `${clients.size} clients listen already: try again later`, {
          headers: { 'retry-after': '10' },
        });
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      // What others are still to be told is told now, so that all stand at the same state.
      tellCluster();
      clients.set(response, untilMs);
      response.on('close', () => clients.delete(response));
      response.write(`retry: 2000\n\n${frame(null, told.streams)}${frame('nodes', told.nodes)}`);
    },
    [Symbol.dispose]() {
      unsubscribe();
      clearInterval(beat);
      clearTimeout(timer);
      for (const client of clients.keys()) client.end();
    },
  };
};
