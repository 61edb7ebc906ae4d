/**
 * The cloud's end, or whoever else wants to reach agents: opens streams to them. All streams to one agent share a
 * connection, which is made when it is needed and given up when the agent turns out to be another process than before.
 */
import type { Duplex } from 'node:stream';
import { escapeName } from '@weir/contracts';
import { muxConnection } from './mux-connection.ts';
import { type MuxLink, muxLink } from './mux-link.ts';
import { decodePacket } from './mux-packet.ts';
import type { OverlayBus } from './overlay-bus.ts';
import { machineClock, type OverlayClock } from './overlay-clock.ts';
import { OverlayError } from './overlay-error.ts';
import { decodePresence } from './overlay-presence.ts';
import { decodeOverlayTopic, encodeOverlayTopic } from './topics.ts';

export type OverlayLocalOptions = {
  bus: OverlayBus;
  /** The first level of the topics. */
  prefix: string;
  /** What this end calls itself: a site's alias, or `_gw-<id>` of a gateway. */
  name: string;
  /** Session id of this process, 16 hex digits, new with each start. */
  session: string;
  clock?: OverlayClock;
  /** Agents known at once; of more nothing is kept. Default 20,000. */
  maxAgents?: number;
};

/** A stream that is wanted; `token` makes what allows it, for the agent's session of now. */
export type Wanted = {
  /** The agent's alias. */
  agent: string;
  target: string;
  token: (session: string) => Promise<string>;
  /** How long an agent that is not there is waited for. Default 5 s. */
  timeoutMs?: number;
};

/** What a local counts. */
export type LocalCounts = { malformed: number; dropped: number };

/** An end that opens streams. */
export type OverlayLocal = AsyncDisposable & {
  readonly counts: Readonly<LocalCounts>;
  /** The session of an agent that is online, else null. */
  sessionOf(agent: string): string | null;
  /**
   * Opens a stream. It may be written at once; a refusal comes as its error. Rejects with OverlayError `unreachable` when
   * the agent is not online, or the broker is away.
   */
  connect(wanted: Wanted): Promise<Duplex>;
  connections(): number;
};

type Connection = { session: string; link: MuxLink };

const WAIT_MS = 5_000;

/** Begins to listen for agents. */
export const openOverlayLocal = async (options: OverlayLocalOptions): Promise<OverlayLocal> => {
  const { bus, prefix, name, session, clock = machineClock, maxAgents = 20_000 } = options;
  const online = new Map<string, string>();
  const connections = new Map<string, Connection>();
  const waiting = new Map<string, Set<() => void>>();
  const counts: LocalCounts = { malformed: 0, dropped: 0 };
  let generation = 0;

  const drop = (agent: string, reason: string): void => {
    const known = connections.get(agent);
    connections.delete(agent);
    known?.link.close(reason);
  };

  const onPresence = (topic: string, payload: Uint8Array): void => {
    const place = decodeOverlayTopic(prefix, topic);
    if (place?.kind !== 'status' || place.role !== 'agent') return;
    const now = decodePresence(payload);
    const agent = place.name;
    if (now === null) {
      // Its streams stay: a last will comes late, and whoever is gone is noticed by its silence.
      online.delete(agent);
      return;
    }
    if (!online.has(agent) && online.size >= maxAgents) {
      counts.dropped += 1;
      return;
    }
    online.set(agent, now);
    if (connections.get(agent)?.session !== now) drop(agent, 'the agent was restarted');
    for (const call of waiting.get(agent) ?? []) call();
  };

  const onPacket = (topic: string, payload: Uint8Array): void => {
    const place = decodeOverlayTopic(prefix, topic);
    const packet = decodePacket(payload);
    const known = place?.kind === 'stream' && place.label === 'o' ? connections.get(place.agent) : undefined;
    if (packet === null || known === undefined) {
      counts.malformed += packet === null ? 1 : 0;
      return;
    }
    known.link.connection.receive(packet, clock.nowMs());
    known.link.wake();
  };

  const begin = (agent: string, peer: string): MuxLink => {
    const place = { kind: 'stream', agent, local: name, label: 'i', protocol: 'mux', src: session, dst: '-' } as const;
    const topic = encodeOverlayTopic(prefix, place);
    generation += 1;
    const link = muxLink({
      connection: muxConnection({ role: 'opener', own: session, peer, generation, nowMs: clock.nowMs() }),
      clock,
      publish: (packet) => void bus.publish(topic, packet, { qos: 0 }),
      // An agent opens nothing; the connection has refused it already.
      opened: ({ refuse }) => refuse('protocol', 'only the opener opens'),
      closed: () => {
        if (connections.get(agent)?.link === link) connections.delete(agent);
      },
    });
    connections.set(agent, { session: peer, link });
    return link;
  };

  const arrival = async (agent: string, timeoutMs: number): Promise<string> => {
    const known = online.get(agent);
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers<void>();
    const calls = waiting.get(agent) ?? new Set();
    waiting.set(agent, calls.add(resolve));
    const stop = clock.after(timeoutMs, resolve);
    await promise;
    stop();
    calls.delete(resolve);
    if (calls.size === 0) waiting.delete(agent);
    const found = online.get(agent);
    if (found !== undefined) return found;
    throw new OverlayError('unreachable', `it is not online at the broker: check that it runs and has joined`);
  };

  const undo = [
    await bus.subscribe(`${prefix}/+/-/v/-`, onPresence, { qos: 0 }),
    await bus.subscribe(`${prefix}/+/${name}/o/mux/${session}/+`, onPacket, { qos: 0 }),
  ];
  const all = () => [...connections.values()];
  const silence = [
    bus.onConnect(() => {
      for (const { link } of all()) link.setOnline(true);
    }),
    bus.onDisconnect(() => {
      for (const { link } of all()) link.setOnline(false);
    }),
  ];
  return {
    counts,
    sessionOf: (agent) => online.get(escapeName(agent)) ?? null,
    connections: () => connections.size,
    async connect({ agent: alias, target, token, timeoutMs = WAIT_MS }) {
      const agent = escapeName(alias);
      if (!bus.connected) throw new OverlayError('unreachable', 'the broker is away: try again when it is back');
      const peer = await arrival(agent, timeoutMs);
      const proof = await token(peer);
      const known = connections.get(agent);
      const link = known?.session === peer && !known.link.connection.isClosed ? known.link : begin(agent, peer);
      return link.open(target, proof);
    },
    async [Symbol.asyncDispose]() {
      for (const stop of silence) stop();
      for (const agent of [...connections.keys()]) drop(agent, 'this end stops');
      await Promise.all(undo.map((stop) => stop()));
    },
  };
};
