/**
 * The site's end: takes what locals send to this agent, and asks `admit` about each stream that they open. It opens no
 * port and dials nobody by itself.
 */
import type { Duplex } from 'node:stream';
import { escapeName } from '@weir/contracts';
import { muxAcceptor } from './mux-acceptor.ts';
import type { MuxConnection } from './mux-connection.ts';
import { type MuxLink, muxLink, type OpenRequest } from './mux-link.ts';
import { decodePacket, type ResetCode } from './mux-packet.ts';
import type { OverlayBus } from './overlay-bus.ts';
import { machineClock, type OverlayClock } from './overlay-clock.ts';
import { OverlayError } from './overlay-error.ts';
import { encodePresence } from './overlay-presence.ts';
import { isPlain } from './plain-sessions.ts';
import { decodeOverlayTopic, encodeOverlayTopic, type OverlayPlace } from './topics.ts';

/** A stream that asks to be let in. `local` is what its sender calls itself; only the token proves anything. */
export type StreamRequest = { target: string; token: string; local: string };

/** Serves a stream that was let in; called as well with one that is gone meanwhile, to let go of what was dialled for it. */
export type Serve = (stream: Duplex) => void;

export type OverlayAgentOptions = {
  bus: OverlayBus;
  /** The first level of the topics. */
  prefix: string;
  /** Its name, escaped in topics. */
  alias: string;
  /** Session id of this process, 16 hex digits, new with each start. */
  session: string;
  /** Lets a stream in; throws OverlayError with the reason for one that it refuses. */
  admit: (request: StreamRequest) => Promise<Serve>;
  clock?: OverlayClock;
  /** Requests that wait to be let in; more are refused. Default 1,024. */
  maxAdmissions?: number;
};

/** What an agent counts. */
export type AgentCounts = {
  /** Messages that are none, or none for this agent. */
  malformed: number;
  /** Messages of plain `tcp` and `udp`, which are another's: {@link file://./plain-agent.ts}. */
  plain: number;
  opened: number;
  refused: number;
  /** Streams refused because too many waited to be let in. */
  crowded: number;
};

/** An agent that can be reached while its bus is connected. */
export type OverlayAgent = AsyncDisposable & {
  readonly counts: Readonly<AgentCounts>;
  connections(): number;
  streams(): number;
};

type StreamPlace = OverlayPlace & { kind: 'stream' };

const PRESENCE_MS = 5_000;
const SWEEP_MS = 10_000;

const refusalOf = (error: unknown): { code: ResetCode; reason: string } =>
  error instanceof OverlayError
    ? { code: error.code, reason: error.message }
    : { code: 'unreachable', reason: 'the agent failed' };

/** Makes an agent known by its alias and serves it. */
export const openOverlayAgent = async (options: OverlayAgentOptions): Promise<OverlayAgent> => {
  const { bus, prefix, alias, session, admit, clock = machineClock, maxAdmissions = 1024 } = options;
  const name = escapeName(alias);
  const acceptor = muxAcceptor({ own: session });
  const links = new Map<MuxConnection, MuxLink>();
  const counts: AgentCounts = { malformed: 0, plain: 0, opened: 0, refused: 0, crowded: 0 };
  let admissions = 0;

  const decide = async (request: OpenRequest, local: string): Promise<void> => {
    admissions += 1;
    try {
      const serve = await admit({ target: request.target, token: request.token, local });
      if (!request.stream.destroyed) counts.opened += 1;
      // One that is gone already as well: what was dialled for it has to be let go.
      serve(request.stream);
    } catch (error) {
      counts.refused += 1;
      const { code, reason } = refusalOf(error);
      request.refuse(code, reason);
    } finally {
      admissions -= 1;
    }
  };

  const opened = (request: OpenRequest, local: string): void => {
    if (admissions < maxAdmissions) {
      void decide(request, local);
      return;
    }
    counts.crowded += 1;
    request.refuse('too_many', `${maxAdmissions} streams wait to be let in: try again`);
  };

  const publisher = (place: StreamPlace) => {
    const topic = encodeOverlayTopic(prefix, { ...place, label: 'o' });
    return (packet: Uint8Array) => void bus.publish(topic, packet, { qos: 0 });
  };

  const begin = (connection: MuxConnection, place: StreamPlace): MuxLink => {
    const link = muxLink({
      connection,
      clock,
      publish: publisher(place),
      opened: (request) => opened(request, place.local),
      closed: () => links.delete(connection),
    });
    links.set(connection, link);
    return link;
  };

  const receive = (topic: string, payload: Uint8Array): void => {
    const place = decodeOverlayTopic(prefix, topic);
    if (isPlain(place)) {
      counts.plain += 1;
      return;
    }
    const packet = decodePacket(payload);
    if (place?.kind !== 'stream' || place.label !== 'i' || place.agent !== name || packet === null) {
      counts.malformed += 1;
      return;
    }
    // An answer goes where `src` says: whoever speaks in the name of another process must not be heard.
    if (place.protocol !== 'mux' || place.src !== packet.from) {
      counts.malformed += 1;
      return;
    }
    const accepted = acceptor.receive(packet, clock.nowMs());
    if (accepted.kind === 'answer') publisher(place)(accepted.packet);
    if (accepted.kind !== 'taken') return;
    (links.get(accepted.connection) ?? begin(accepted.connection, place)).wake();
  };

  const presence = encodeOverlayTopic(prefix, { kind: 'status', role: 'agent', name });
  const tell = (said: string) => bus.publish(presence, said, { qos: 0, retain: true });
  let stopTelling: () => void = () => undefined;
  const tellAgain = (): void => {
    if (bus.connected) void tell(encodePresence(session));
    stopTelling = clock.after(PRESENCE_MS, tellAgain);
  };
  let stopSweeping: () => void = () => undefined;
  const sweep = (): void => {
    acceptor.sweep();
    stopSweeping = clock.after(SWEEP_MS, sweep);
  };

  const unsubscribe = await bus.subscribe(`${prefix}/${name}/+/i/#`, receive, { qos: 0 });
  const all = () => [...links.values()];
  const undo = [
    bus.onConnect(() => {
      void tell(encodePresence(session));
      for (const link of all()) link.setOnline(true);
    }),
    bus.onDisconnect(() => {
      for (const link of all()) link.setOnline(false);
    }),
  ];
  stopTelling = clock.after(PRESENCE_MS, tellAgain);
  stopSweeping = clock.after(SWEEP_MS, sweep);
  return {
    counts,
    connections: () => links.size,
    streams: () => all().reduce((sum, { connection }) => sum + connection.streams(), 0),
    async [Symbol.asyncDispose]() {
      stopTelling();
      stopSweeping();
      for (const stop of undo) stop();
      for (const link of all()) link.close('the agent stops');
      if (bus.connected) await tell(encodePresence(null));
      await unsubscribe();
    },
  };
};
