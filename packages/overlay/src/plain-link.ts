/** Runs an end of plain `tcp` and `udp` in real time: messages are published, sessions become Node streams. */
import type { Duplex } from 'node:stream';
import type { OverlayBus } from './overlay-bus.ts';
import type { OverlayClock } from './overlay-clock.ts';
import { isOnline } from './overlay-presence.ts';
import { type PlainDuplex, plainDuplex } from './plain-duplex.ts';
import {
  isPlain,
  type PlainEvent,
  type PlainMessage,
  type PlainPlace,
  type PlainSessions,
  type PlainStep,
  plainSessions,
} from './plain-sessions.ts';
import { decodeOverlayTopic } from './topics.ts';

export type PlainLinkDeps = {
  role: 'agent' | 'local';
  bus: OverlayBus;
  /** The first level of the topics. */
  prefix: string;
  clock: OverlayClock;
  /** Filter of what is sent to this end. */
  filter: string;
  /** Filter of what its peers say of themselves. */
  peers: string;
  maxSessions?: number;
  /** A session that a peer opened. */
  opened: (place: PlainPlace, stream: Duplex) => void;
  /** A peer is there or gone. */
  seen?: (name: string, isThere: boolean) => void;
};

/** An end that runs. */
export type PlainLink = AsyncDisposable & {
  readonly sessions: Pick<PlainSessions, 'counts' | 'size'>;
  /** Sessions that ended, and datagrams that were lost, because their reader was too slow. */
  overflowed(): number;
  /** Opens a session; null when there are too many. */
  open(place: PlainPlace): Duplex | null;
};

const SWEEP_MS = 1_000;

/** Runs until it is closed, which closes every session. */
export const plainLink = async (deps: PlainLinkDeps): Promise<PlainLink> => {
  const { role, bus, prefix, clock, filter, peers, maxSessions, opened, seen } = deps;
  const sessions = plainSessions({ role, prefix, ...(maxSessions === undefined ? {} : { maxSessions }) });
  const streams = new Map<string, PlainDuplex>();
  let overflowed = 0;

  const publish = async (messages: readonly PlainMessage[]): Promise<boolean> => {
    const sent = await Promise.all(messages.map(({ topic, payload }) => bus.publish(topic, payload, { qos: 0 })));
    return sent.every((isSent) => isSent);
  };

  const add = (key: string, { protocol }: PlainPlace): Duplex => {
    const made = plainDuplex({
      protocol,
      send: (bytes) => {
        const messages = sessions.send(key, bytes, clock.nowMs());
        return messages === null ? null : publish(messages);
      },
      close: () => {
        // Another of the same name may have come since.
        if (streams.get(key) !== made) return;
        streams.delete(key);
        void publish(sessions.close(key, clock.nowMs()));
      },
      overflowed: () => {
        overflowed += 1;
      },
    });
    streams.set(key, made);
    return made.stream;
  };

  const happened = (event: PlainEvent): void => {
    const { key } = event;
    if (event.kind === 'opened') opened(event.place, add(key, event.place));
    else if (event.kind === 'data') streams.get(key)?.data(event.bytes);
    else {
      const stream = streams.get(key);
      streams.delete(key);
      stream?.closed(event.isWhole, event.reason);
    }
  };
  const carryOut = ({ messages, events }: PlainStep): void => {
    void publish(messages);
    for (const event of events) happened(event);
  };

  const onMessage = (topic: string, payload: Uint8Array): void => {
    const place = decodeOverlayTopic(prefix, topic);
    if (isPlain(place)) carryOut(sessions.receive(place, payload, clock.nowMs()));
  };
  const onStatus = (topic: string, payload: Uint8Array): void => {
    const place = decodeOverlayTopic(prefix, topic);
    if (place?.kind !== 'status' || (place.role === 'agent') === (role === 'agent')) return;
    const isThere = isOnline(payload);
    seen?.(place.name, isThere);
    if (!isThere) carryOut(sessions.gone(place.name));
  };

  let stopSweeping: () => void = () => undefined;
  const sweep = (): void => {
    carryOut(sessions.sweep(clock.nowMs()));
    stopSweeping = clock.after(SWEEP_MS, sweep);
  };
  const undo = [
    await bus.subscribe(peers, onStatus, { qos: 0 }),
    await bus.subscribe(filter, onMessage, { qos: 0 }),
    bus.onConnect(() => void publish(sessions.returned())),
    bus.onDisconnect(() => carryOut(sessions.lost(clock.nowMs()))),
  ];
  stopSweeping = clock.after(SWEEP_MS, sweep);
  return {
    sessions,
    overflowed: () => overflowed,
    open: (place) => {
      const key = sessions.open(place, clock.nowMs());
      return key === null ? null : add(key, place);
    },
    async [Symbol.asyncDispose]() {
      stopSweeping();
      for (const { stream } of [...streams.values()]) stream.destroy();
      for (const stop of undo) await stop();
    },
  };
};
