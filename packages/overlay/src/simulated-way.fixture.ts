/** Two processes with a broker between them that loses, repeats, reorders and restarts; in simulated time. */
import { type MuxConnection, type MuxEvent, muxConnection } from './mux-connection.ts';
import { decodePacket } from './mux-packet.ts';

export type WayOptions = {
  /** In [0, 1), the same for the same seed. */
  random: () => number;
  loss?: number;
  repetition?: number;
  /** One way, in ms; each message takes up to `jitterMs` more, and so overtakes others. */
  delayMs?: number;
  jitterMs?: number;
  /** What the broker moves in a ms, each way; a message waits for those before it. Default: anything at once. */
  bytesPerMs?: number;
};

export type Side = { connection: MuxConnection; on: (event: MuxEvent) => void };

/** Sorted by time; few enough under way for a plain insertion. */
type Delivery = { atMs: number; to: Side; packet: Uint8Array };

export type Way = {
  readonly opener: Side;
  readonly acceptor: Side;
  nowMs(): number;
  /** The broker is gone for so long: what is under way is lost, and both ends know that it is away. */
  restartBroker(forMs: number): void;
  /** Runs until nothing is due, or `until` is true; throws after `limitMs` of simulated time. */
  run(limitMs: number, until?: () => boolean): void;
  /** Most bytes that were under way at once. */
  readonly peakBytes: number;
};

const [one, two] = ['00000000000000a1', '00000000000000b2'];

export const simulatedWay = (options: WayOptions): Way => {
  const {
    random,
    loss = 0,
    repetition = 0,
    delayMs = 1,
    jitterMs = 0,
    bytesPerMs = Number.POSITIVE_INFINITY,
  } = options;
  let nowMs = 0;
  let onlineAtMs = Number.POSITIVE_INFINITY;
  let [flying, peak] = [0, 0];
  let deliveries: Delivery[] = [];
  const side = (role: 'opener' | 'acceptor', own: string, peer: string): Side => ({
    connection: muxConnection({ role, own, peer, generation: 1, nowMs }),
    on: () => undefined,
  });
  const [opener, acceptor] = [side('opener', one, two), side('acceptor', two, one)];
  const freeAtMs = new Map<Side, number>();

  const insert = (delivery: Delivery): void => {
    let at = deliveries.length;
    while (at > 0 && (deliveries[at - 1] as Delivery).atMs > delivery.atMs) at -= 1;
    deliveries.splice(at, 0, delivery);
    flying += delivery.packet.length;
    peak = Math.max(peak, flying);
  };

  const carry = (to: Side, packet: Uint8Array): void => {
    const times = random() < loss ? 0 : random() < repetition ? 2 : 1;
    const begins = Math.max(nowMs, freeAtMs.get(to) ?? 0);
    const ends = begins + packet.length / bytesPerMs;
    freeAtMs.set(to, ends);
    // A copy, as a broker makes: the sender may stamp its own once more.
    for (let time = 0; time < times; time++)
      insert({ atMs: ends + delayMs + random() * jitterMs, to, packet: packet.slice() });
  };

  const step = (from: Side, to: Side): void => {
    const { packets, events } = from.connection.step(nowMs);
    for (const packet of packets) carry(to, packet);
    for (const event of events) from.on(event);
    // What a listener did in turn is due at once.
    if (events.length > 0) step(from, to);
  };

  const stepBoth = (): void => {
    step(opener, acceptor);
    step(acceptor, opener);
  };

  const nextMs = (): number =>
    Math.min(
      deliveries[0]?.atMs ?? Number.POSITIVE_INFINITY,
      opener.connection.deadlineMs(),
      acceptor.connection.deadlineMs(),
      onlineAtMs,
    );

  const deliver = (): void => {
    while (deliveries[0] !== undefined && deliveries[0].atMs <= nowMs) {
      const { to, packet } = deliveries.shift() as Delivery;
      flying -= packet.length;
      const read = decodePacket(packet);
      if (read === null) throw new Error('a message of ours cannot be read');
      to.connection.receive(read, nowMs);
    }
  };

  return {
    opener,
    acceptor,
    nowMs: () => nowMs,
    get peakBytes() {
      return peak;
    },
    restartBroker: (forMs) => {
      deliveries = [];
      flying = 0;
      onlineAtMs = nowMs + forMs;
      for (const { connection } of [opener, acceptor]) connection.setOnline(false, nowMs);
    },
    run: (limitMs, until = () => false) => {
      stepBoth();
      while (!until()) {
        const next = nextMs();
        if (next === Number.POSITIVE_INFINITY) return;
        if (next > limitMs) throw new Error(`still busy after ${limitMs} ms`);
        nowMs = Math.max(nowMs, next);
        if (nowMs >= onlineAtMs) {
          onlineAtMs = Number.POSITIVE_INFINITY;
          for (const { connection } of [opener, acceptor]) connection.setOnline(true, nowMs);
        }
        deliver();
        stepBoth();
      }
    },
  };
};
