import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isPlain,
  MAX_PLAIN_BYTES,
  type PlainMessage,
  type PlainPlace,
  type PlainSessions,
  plainSessions,
} from './plain-sessions.ts';
import { decodeOverlayTopic } from './topics.ts';

const prefix = 'net4mqtt';
const placeOf = (src: string, protocol: 'tcp' | 'udp' = 'tcp'): PlainPlace => ({
  kind: 'stream',
  agent: 'edge-1',
  local: 'a',
  label: 'i',
  protocol,
  src,
  dst: '-',
});
const place = placeOf('127.0.0.1:4242');
const bytes = (text: string): Uint8Array => Buffer.from(text);
const empty = new Uint8Array(0);

const readPlace = (topic: string): PlainPlace => {
  const read = decodeOverlayTopic(prefix, topic);
  if (!isPlain(read)) throw new Error(`${topic} is of no plain session`);
  return read;
};

/** A way between a local and an agent that keeps order, as a broker does for one topic. */
const way = () => {
  const local = plainSessions({ role: 'local', prefix });
  const agent = plainSessions({ role: 'agent', prefix });
  const got = new Map<string, { agent: Uint8Array[]; local: Uint8Array[]; closed: string[] }>();
  const of = (key: string) => {
    const known = got.get(key) ?? { agent: [], local: [], closed: [] };
    got.set(key, known);
    return known;
  };
  const messages: PlainMessage[] = [];
  const carry = (out: readonly PlainMessage[]): void => {
    messages.push(...out);
    for (const { topic, payload } of out) {
      const to = readPlace(topic);
      const role = to.label === 'i' ? 'agent' : 'local';
      const step = (role === 'agent' ? agent : local).receive(to, payload, 0);
      for (const event of step.events) {
        if (event.kind === 'data') of(event.key)[role].push(event.bytes);
        if (event.kind === 'closed') of(event.key).closed.push(role);
      }
      carry(step.messages);
    }
  };
  return { local, agent, of, carry, messages };
};

type Action = { session: number; side: 'agent' | 'local'; size: number };

/** Says what the actions have each session say; by session and receiver what should arrive. */
const talk = ({ local, agent, carry }: ReturnType<typeof way>, keys: readonly string[], actions: readonly Action[]) => {
  const expected = new Map(keys.map((key) => [key, { agent: [] as number[], local: [] as number[] }]));
  let next = 0;
  for (const { session, side, size } of actions) {
    const key = keys[session] as string;
    const block = Uint8Array.from({ length: size }, () => next++ % 251);
    const out = (side === 'local' ? local : agent).send(key, block, 0);
    // An agent knows a session when its first bytes have come.
    if (out === null) continue;
    expected.get(key)?.[side === 'local' ? 'agent' : 'local'].push(...block);
    carry(out);
  }
  return expected;
};

describe('between a local and an agent', () => {
  test('bytes of any sessions arrive whole, in messages of at most 4,096 bytes, and each is closed once', () => {
    const action = fc.record({
      session: fc.nat({ max: 3 }),
      side: fc.constantFrom('agent' as const, 'local' as const),
      size: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 20_000 })),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), fc.boolean(), (actions, isLocalFirst) => {
        const both = way();
        const { local, agent, of, carry, messages } = both;
        const keys = [1, 2, 3, 4].map((port) => local.open(placeOf(`127.0.0.1:${port}`), 0) as string);
        for (const [key, expected] of talk(both, keys, actions)) {
          expect(Buffer.concat(of(key).agent)).toEqual(Buffer.from(expected.agent));
          expect(Buffer.concat(of(key).local)).toEqual(Buffer.from(expected.local));
        }
        expect(messages.every(({ payload }) => payload.length > 0 && payload.length <= MAX_PLAIN_BYTES)).toBe(true);
        const closers = isLocalFirst ? [local, agent] : [agent, local];
        for (const closer of closers) for (const key of keys) carry(closer.close(key, 0));
        expect([agent.size, local.size]).toEqual([0, 0]);
        expect(keys.every((key) => of(key).closed.length <= 1)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test('each datagram is a message, an empty one too, and one that fits into none is counted', () => {
    const { local, agent, of, carry } = way();
    const key = local.open(placeOf('127.0.0.1:1', 'udp'), 0) as string;
    for (const size of [3, 0, 4096, 4097]) carry(local.send(key, new Uint8Array(size), 0) as PlainMessage[]);
    expect(of(key).agent.map(({ length }) => length)).toEqual([3, 0, 4096]);
    expect([local.counts.oversized, agent.size]).toEqual([1, 1]);
  });
});

/** What an agent is made to do; the messages that it says. */
const hostile: Record<string, (agent: PlainSessions, opened: string[], nowMs: number) => PlainMessage[]> = {
  nothing: () => [],
  close: (agent, opened, nowMs) => opened.flatMap((key) => agent.close(key, nowMs)),
  lost: (agent, _opened, nowMs) => agent.lost(nowMs).messages,
  back: (agent) => agent.returned(),
  gone: (agent) => agent.gone('a').messages,
  sweep: (agent, _opened, nowMs) => agent.sweep(nowMs).messages,
};

test('whatever comes, and whenever, an agent answers only where it was asked, and opens no more than it may', () => {
  const message = fc.record({
    agent: fc.constantFrom('edge-1', 'edge-2'),
    local: fc.constantFrom('a', 'b'),
    label: fc.constantFrom('i' as const, 'o' as const),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    src: fc.constantFrom('1.1.1.1:1', '[--1]:2', 'x'),
    dst: fc.constantFrom('-', '10.0.0.1:80'),
  });
  const turn = fc.record({
    message,
    size: fc.constantFrom(0, 1, 5000),
    afterMs: fc.constantFrom(0, 1, 1000, 11_000, 400_000),
    next: fc.constantFrom(...Object.keys(hostile)),
  });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), (turns) => {
      const agent = plainSessions({ role: 'agent', prefix, maxSessions: 3 });
      const asked = new Set<string>();
      let nowMs = 0;
      for (const { message: from, size, afterMs, next } of turns) {
        nowMs += afterMs;
        if (from.label === 'i') asked.add(`${from.agent} ${from.local} ${from.protocol} ${from.src} ${from.dst}`);
        const step = agent.receive({ kind: 'stream', ...from }, new Uint8Array(size), nowMs);
        const opened = step.events.flatMap((event) => (event.kind === 'opened' ? [event.key] : []));
        const said = [...step.messages, ...(hostile[next]?.(agent, opened, nowMs) ?? [])];
        const to = said.map(({ topic }) => readPlace(topic));
        expect(to.filter((p) => !asked.has(`${p.agent} ${p.local} ${p.protocol} ${p.src} ${p.dst}`))).toEqual([]);
        expect(said.every(({ payload }) => payload.length === 0) && to.every(({ label }) => label === 'o')).toBe(true);
        expect(agent.size).toBeLessThanOrEqual(3);
      }
    }),
    { numRuns: 300 },
  );
});

describe('an agent', () => {
  const opened = (agent: PlainSessions, nowMs = 0): string => {
    const [event] = agent.receive(place, bytes('GET'), nowMs).events;
    if (event?.kind !== 'opened') throw new Error('not opened');
    return event.key;
  };

  test('takes what comes late for a session that it closed for no new one, and says again that it is closed', () => {
    const agent = plainSessions({ role: 'agent', prefix });
    const close = [{ topic: 'net4mqtt/edge-1/a/o/tcp/127.0.0.1:4242/-', payload: empty }];
    expect(agent.close(opened(agent), 0)).toEqual(close);
    expect(agent.receive(place, bytes('late'), 10)).toEqual({ messages: [], events: [] });
    expect(agent.receive(place, bytes('later'), 1_010)).toEqual({ messages: close, events: [] });
    expect(agent.receive(place, empty, 1_020)).toEqual({ messages: [], events: [] });
    expect(opened(agent, 1_030)).toMatch(/4242/);
  });

  test('opens again when a client comes back with the same port after long', () => {
    const agent = plainSessions({ role: 'agent', prefix });
    agent.close(opened(agent), 0);
    expect(opened(agent, 10_000)).toMatch(/4242/);
  });

  test('refuses what is too much with a close, and keeps what it has', () => {
    const agent = plainSessions({ role: 'agent', prefix, maxSessions: 1 });
    opened(agent);
    const step = agent.receive(placeOf('127.0.0.1:9'), bytes('x'), 0);
    expect(step).toEqual({
      messages: [{ topic: 'net4mqtt/edge-1/a/o/tcp/127.0.0.1:9/-', payload: empty }],
      events: [],
    });
    expect([agent.size, agent.counts.crowded]).toEqual([1, 1]);
  });

  test('ends tcp sessions with the connection to the broker, and says so when it is back', () => {
    const agent = plainSessions({ role: 'agent', prefix });
    const key = opened(agent);
    agent.receive(placeOf('127.0.0.1:7', 'udp'), bytes('x'), 0);
    expect(agent.lost(5).events).toMatchObject([{ kind: 'closed', key, isWhole: false }]);
    expect([agent.size, agent.returned().length, agent.returned().length]).toEqual([1, 1, 0]);
  });

  test('ends what is silent, and what is of a local that says it is gone', () => {
    const agent = plainSessions({ role: 'agent', prefix });
    opened(agent);
    agent.receive(placeOf('127.0.0.1:7', 'udp'), bytes('x'), 0);
    expect(agent.sweep(299_999).events).toEqual([]);
    expect(agent.sweep(300_000).events).toHaveLength(1);
    expect(agent.gone('b').events).toEqual([]);
    expect(agent.gone('a').events).toHaveLength(1);
    expect(agent.size).toBe(0);
  });
});
