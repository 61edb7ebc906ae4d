/**
 * Plain `tcp` and `udp` of net4mqtt at one end, either: which sessions there are, and what is said of them. No framing,
 * no sequence, no acknowledgement: a message is up to 4,096 bytes as they are, an empty one of `tcp` closes; one of `udp`
 * is a datagram. A session is known by its topic.
 *
 * ```
 * tcp   (none) ──first bytes (agent), open (local)──▶ open ──empty message of either, idle, way lost──▶ lingering ──▶ (none)
 * udp   (none) ──the same──▶ open ──idle, closed here──▶ (none)
 * ```
 * Invariants: at most `maxSessions` are open. Bytes that come late for a session that was closed here open none again, or
 * they would reach the target as the beginning of another connection. A broker connection that was lost may have lost
 * messages, which nobody could tell from the bytes: it ends every session of `tcp`.
 */
import { encodeOverlayTopic, type OverlayPlace } from './topics.ts';

/** Where a message of plain `tcp` or `udp` belongs. */
export type PlainPlace = OverlayPlace & { kind: 'stream'; protocol: 'tcp' | 'udp' };

/** True for a place that `tcp` or `udp` has. */
export const isPlain = (place: OverlayPlace | null): place is PlainPlace =>
  place?.kind === 'stream' && place.protocol !== 'mux';

/** What is to be published, in this order. */
export type PlainMessage = { topic: string; payload: Uint8Array };

/** What happened; `isWhole`: the peer closed, and nothing that it said is missing. */
export type PlainEvent =
  | { kind: 'opened'; key: string; place: PlainPlace }
  | { kind: 'data'; key: string; bytes: Uint8Array }
  | { kind: 'closed'; key: string; isWhole: boolean; reason: string };

/** What a call led to. */
export type PlainStep = { messages: PlainMessage[]; events: PlainEvent[] };

export type PlainSessionsOptions = {
  role: 'agent' | 'local';
  /** The first level of the topics. */
  prefix: string;
  /** Sessions at once; more are refused, none is pushed out. Default 1,024. */
  maxSessions?: number;
  /** Silence after which a session is over. Default 300 s for `udp`, as net4mqtt has it, and an hour for `tcp`. */
  idleMs?: { tcp: number; udp: number };
};

/** What an end counts. */
export type PlainCounts = {
  opened: number;
  /** Sessions refused because there are too many. */
  crowded: number;
  /** Messages of sessions that are not, or not any more. */
  stray: number;
  /** Datagrams that fit into no message. */
  oversized: number;
};

export type PlainSessions = {
  readonly counts: Readonly<PlainCounts>;
  readonly size: number;
  /** Opens a session at a local: its key, or null when there are too many, or the place has one. */
  open(place: PlainPlace, nowMs: number): string | null;
  receive(place: PlainPlace, payload: Uint8Array, nowMs: number): PlainStep;
  /** Bytes to the peer; null for a session that is no more. */
  send(key: string, bytes: Uint8Array, nowMs: number): PlainMessage[] | null;
  /** This end closes, or refuses what was opened. */
  close(key: string, nowMs: number): PlainMessage[];
  /** The broker is away. */
  lost(nowMs: number): PlainStep;
  /** It is back: says of what was closed meanwhile that it is. */
  returned(): PlainMessage[];
  /** A peer of this name said that it is gone. */
  gone(name: string): PlainStep;
  /** Ends what has been silent for too long; to be called now and then. */
  sweep(nowMs: number): PlainStep;
};

/** Most bytes of a message. */
export const MAX_PLAIN_BYTES = 4_096;
/** How long a closed session is remembered after the last message that came for it. */
const LINGER_MS = 10_000;
/** A peer that goes on sending is told again, but not for each message. */
const TELL_MS = 1_000;

const nothing = new Uint8Array(0);

type Session = { place: PlainPlace; topic: string; lastMs: number };
type Lingering = { topic: string; untilMs: number; toldMs: number };

/** Opens an end without sessions. */
export const plainSessions = (options: PlainSessionsOptions): PlainSessions => {
  const { role, prefix, maxSessions = 1024, idleMs = { tcp: 3_600_000, udp: 300_000 } } = options;
  const [heard, said] = role === 'agent' ? (['i', 'o'] as const) : (['o', 'i'] as const);
  const sessions = new Map<string, Session>();
  const lingering = new Map<string, Lingering>();
  const farewells = new Map<string, PlainMessage>();
  const counts: PlainCounts = { opened: 0, crowded: 0, stray: 0, oversized: 0 };

  const keyOf = (place: PlainPlace): string => encodeOverlayTopic(prefix, { ...place, label: 'i' });
  const topicOf = (place: PlainPlace): string => encodeOverlayTopic(prefix, { ...place, label: said });

  const linger = (key: string, topic: string, nowMs: number): void => {
    lingering.delete(key);
    lingering.set(key, { topic, untilMs: nowMs + LINGER_MS, toldMs: nowMs });
    const [oldest] = lingering.keys();
    if (lingering.size > 4 * maxSessions && oldest !== undefined) lingering.delete(oldest);
  };

  const begin = (key: string, place: PlainPlace, nowMs: number): void => {
    lingering.delete(key);
    farewells.delete(key);
    sessions.set(key, { place, topic: topicOf(place), lastMs: nowMs });
    counts.opened += 1;
  };

  const closeHere = (key: string, { place, topic }: Session, nowMs: number): PlainMessage[] => {
    sessions.delete(key);
    if (place.protocol === 'udp') return [];
    linger(key, topic, nowMs);
    return [{ topic, payload: nothing }];
  };

  /** A message of no session here: `tcp` that is not over for its sender is told to be. */
  const strayed = (key: string, place: PlainPlace, payload: Uint8Array, nowMs: number): PlainStep => {
    const known = lingering.get(key);
    counts.stray += 1;
    if (place.protocol === 'udp') return { messages: [], events: [] };
    if (payload.length === 0) {
      lingering.delete(key);
      return { messages: [], events: [] };
    }
    const toldMs = known?.toldMs ?? Number.NEGATIVE_INFINITY;
    const isDue = nowMs - toldMs >= TELL_MS;
    linger(key, topicOf(place), nowMs);
    if (isDue) return { messages: [{ topic: topicOf(place), payload: nothing }], events: [] };
    (lingering.get(key) as Lingering).toldMs = toldMs;
    return { messages: [], events: [] };
  };

  const first = (key: string, place: PlainPlace, payload: Uint8Array, nowMs: number): PlainStep => {
    const late = lingering.get(key);
    const isLate = late !== undefined && nowMs < late.untilMs;
    const isNone = place.protocol === 'tcp' && payload.length === 0;
    if (role === 'local' || isLate || isNone) return strayed(key, place, payload, nowMs);
    if (sessions.size >= maxSessions) {
      counts.crowded += 1;
      return strayed(key, place, payload, nowMs);
    }
    begin(key, place, nowMs);
    return {
      messages: [],
      events: [
        { kind: 'opened', key, place },
        { kind: 'data', key, bytes: payload },
      ],
    };
  };

  return {
    counts,
    get size() {
      return sessions.size;
    },
    open: (place, nowMs) => {
      const key = keyOf(place);
      if (sessions.has(key)) return null;
      if (sessions.size >= maxSessions) {
        counts.crowded += 1;
        return null;
      }
      begin(key, place, nowMs);
      return key;
    },
    receive: (place, payload, nowMs) => {
      if (place.label !== heard) return { messages: [], events: [] };
      const key = keyOf(place);
      const session = sessions.get(key);
      if (session === undefined) return first(key, place, payload, nowMs);
      session.lastMs = nowMs;
      if (place.protocol === 'udp' || payload.length > 0)
        return { messages: [], events: [{ kind: 'data', key, bytes: payload }] };
      sessions.delete(key);
      return { messages: [], events: [{ kind: 'closed', key, isWhole: true, reason: 'the peer closed it' }] };
    },
    send: (key, bytes, nowMs) => {
      const session = sessions.get(key);
      if (session === undefined) return null;
      session.lastMs = nowMs;
      const { place, topic } = session;
      if (place.protocol === 'udp') {
        if (bytes.length <= MAX_PLAIN_BYTES) return [{ topic, payload: bytes }];
        counts.oversized += 1;
        return [];
      }
      const pieces: PlainMessage[] = [];
      for (let at = 0; at < bytes.length; at += MAX_PLAIN_BYTES)
        pieces.push({ topic, payload: bytes.subarray(at, at + MAX_PLAIN_BYTES) });
      return pieces;
    },
    close: (key, nowMs) => {
      const session = sessions.get(key);
      return session === undefined ? [] : closeHere(key, session, nowMs);
    },
    lost: (nowMs) => {
      const events: PlainEvent[] = [];
      for (const [key, session] of sessions) {
        if (session.place.protocol === 'udp') continue;
        for (const message of closeHere(key, session, nowMs)) farewells.set(key, message);
        events.push({ kind: 'closed', key, isWhole: false, reason: 'the connection to the broker was lost' });
      }
      return { messages: [], events };
    },
    returned: () => {
      const messages = [...farewells.values()];
      farewells.clear();
      return messages;
    },
    gone: (name) => {
      const events: PlainEvent[] = [];
      for (const [key, { place }] of sessions) {
        if ((role === 'agent' ? place.local : place.agent) !== name) continue;
        sessions.delete(key);
        events.push({ kind: 'closed', key, isWhole: false, reason: `${name} is gone` });
      }
      return { messages: [], events };
    },
    sweep: (nowMs) => {
      const step: PlainStep = { messages: [], events: [] };
      for (const [key, session] of sessions) {
        if (nowMs - session.lastMs < idleMs[session.place.protocol]) continue;
        step.messages.push(...closeHere(key, session, nowMs));
        step.events.push({ kind: 'closed', key, isWhole: false, reason: 'nothing was said for too long' });
      }
      for (const [key, { untilMs }] of lingering) if (nowMs >= untilMs) lingering.delete(key);
      return step;
    },
  };
};
