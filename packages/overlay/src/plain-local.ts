/** The other end of plain `tcp` and `udp`: opens sessions to agents of net4mqtt, and hears what they say of themselves. */
import type { Duplex } from 'node:stream';
import type { OverlayBus } from './overlay-bus.ts';
import { machineClock, type OverlayClock } from './overlay-clock.ts';
import { OverlayError } from './overlay-error.ts';
import { plainLink } from './plain-link.ts';
import { tellData, tellPresence } from './plain-presence.ts';
import { decodeOverlayTopic } from './topics.ts';

export type PlainLocalOptions = {
  bus: OverlayBus;
  /** The first level of the topics. */
  prefix: string;
  /** What this end calls itself; one of this name at a time. */
  name: string;
  /** Takes what an end publishes under a key (`x`); without it nothing is asked for. */
  data?: (name: string, key: string, payload: Uint8Array) => void;
  clock?: OverlayClock;
  /** Sessions at once. Default 1,024. */
  maxSessions?: number;
};

/** A session that is wanted. */
export type PlainWanted = {
  agent: string;
  protocol: 'tcp' | 'udp';
  /** The client, `ip:port`: sessions of one client to one target are one. */
  src: string;
  /** `host:port`, or `-` for what the agent has as its default. */
  dst: string;
};

/** An end that opens sessions. */
export type PlainLocal = AsyncDisposable & {
  counts(): { opened: number; crowded: number; stray: number; lost: number };
  sessions(): number;
  /** Names of agents that say that they are there. */
  agents(): string[];
  /**
   * Opens a session; the agent hears of it by the first bytes. Throws OverlayError when the broker is away, or there are
   * too many; RangeError for a name that cannot stand in a topic. Of `udp` each chunk is a datagram.
   */
  connect(wanted: PlainWanted): Duplex;
  /** Publishes data under a key (`x`). */
  tell(key: string, payload: Uint8Array): Promise<boolean>;
};

/** Begins to listen for agents. */
export const openPlainLocal = async (options: PlainLocalOptions): Promise<PlainLocal> => {
  const { bus, prefix, name, data, clock = machineClock, maxSessions } = options;
  const agents = new Set<string>();
  const link = await plainLink({
    role: 'local',
    bus,
    prefix,
    clock,
    filter: `${prefix}/+/${name}/o/#`,
    peers: `${prefix}/+/-/v/-`,
    opened: () => undefined,
    seen: (agent, isThere) => void (isThere ? agents.add(agent) : agents.delete(agent)),
    ...(maxSessions === undefined ? {} : { maxSessions }),
  });
  const onData = (topic: string, payload: Uint8Array): void => {
    const place = decodeOverlayTopic(prefix, topic);
    if (place?.kind === 'data') data?.(place.name, place.key, payload);
  };
  const deafen = data === undefined ? null : await bus.subscribe(`${prefix}/+/+/x/#`, onData, { qos: 0 });
  const speaker = { bus, prefix, role: 'local', name } as const;
  const presence = tellPresence(speaker);
  return {
    counts: () => {
      const { opened, crowded, stray } = link.sessions.counts;
      return { opened, crowded, stray, lost: link.overflowed() };
    },
    sessions: () => link.sessions.size,
    agents: () => [...agents],
    connect: ({ agent, protocol, src, dst }) => {
      if (!bus.connected) throw new OverlayError('unreachable', 'the broker is away: try again when it is back');
      const stream = link.open({ kind: 'stream', agent, local: name, label: 'i', protocol, src, dst });
      if (stream === null) throw new OverlayError('too_many', `no further session for ${src}: close some`);
      return stream;
    },
    tell: (key, payload) => tellData(speaker, key, payload),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await deafen?.();
      await presence[Symbol.asyncDispose]();
    },
  };
};
