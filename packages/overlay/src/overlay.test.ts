import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Bus, type BusOptions, connectBus, silentLog, startBroker } from '@weir/runtime';
import { freePort, randomFrom, startMosquitto } from '@weir/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { decodePacket, encodePacket } from './mux-packet.ts';
import { type OverlayAgent, type OverlayAgentOptions, openOverlayAgent, type Serve } from './overlay-agent.ts';
import { OverlayError } from './overlay-error.ts';
import { type OverlayLocal, openOverlayLocal } from './overlay-local.ts';
import { dialTarget } from './target-dialler.ts';
import { encodeOverlayTopic } from './topics.ts';

const PREFIX = 'net4mqtt';
const AGENT = '00000000000000a1';
const LOCAL = '00000000000000b2';
const log = silentLog();

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});
const keep = <T extends AsyncDisposable>(resource: T): T => {
  opened.push(resource);
  return resource;
};

const embedded = async (): Promise<number> => {
  const everything = { username: 'all', password: 'secret', publish: ['#'], subscribe: ['#'] };
  return keep(await startBroker({ listen: { address: '127.0.0.1', port: 0 }, users: [everything], log })).port;
};
const bus = async (port: number, options: Partial<BusOptions> = {}): Promise<Bus> =>
  keep(
    await connectBus({
      url: `mqtt://127.0.0.1:${port}`,
      clientId: `test-${opened.length}`,
      username: 'all',
      password: 'secret',
      log,
      required: true,
      random: () => 0,
      maxSocketBytes: 64 * 1024 * 1024,
      ...options,
    }),
  );

const echo: Serve = (stream) => void pipeline(stream, stream).catch(() => undefined);

type Pair = { agent: OverlayAgent; local: OverlayLocal; connect: (target?: string) => Promise<Duplex> };

const pairOn = async (port: number, options: Partial<OverlayAgentOptions> = {}): Promise<Pair> => {
  const agent = keep(
    await openOverlayAgent({
      bus: await bus(port),
      prefix: PREFIX,
      alias: 'edge-3',
      session: AGENT,
      admit: async () => echo,
      ...options,
    }),
  );
  const local = keep(await openOverlayLocal({ bus: await bus(port), prefix: PREFIX, name: '_gw-1', session: LOCAL }));
  const connect = (target = 'api') =>
    local.connect({ agent: 'edge-3', target, token: async (session) => `for ${session}` });
  return { agent, local, connect };
};

const bytesOf = (length: number): Buffer => {
  const random = randomFrom(7);
  return Buffer.from(Uint8Array.from({ length }, () => random() * 256));
};

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each([
  ['the embedded broker', embedded],
  ['Mosquitto', async () => keep(await startMosquitto()).port],
])('over %s', (_name, broker) => {
  test('a stream carries bytes both ways, and each end closes its half', async () => {
    const { connect, agent, local } = await pairOn(await broker());
    const sent = bytesOf(5_000_000);
    const stream = await connect();
    stream.end(sent);
    expect(sha256(await buffer(stream))).toBe(sha256(sent));
    expect([agent.counts.opened, local.connections()]).toEqual([1, 1]);
    await expect.poll(() => agent.streams()).toBe(0);
  });

  test('fifty streams at once get each its own bytes', async () => {
    const { connect } = await pairOn(await broker());
    const blocks = Array.from({ length: 50 }, (_, at) => Buffer.alloc(100_000 + at, at));
    const got = await Promise.all(
      blocks.map(async (block) => {
        const stream = await connect();
        stream.end(block);
        return buffer(stream);
      }),
    );
    expect(got.map(sha256)).toEqual(blocks.map(sha256));
  });
});

test('a token is made for the session of the agent that runs now', async () => {
  const seen: string[] = [];
  const { connect } = await pairOn(await embedded(), {
    admit: async ({ token, target, local }) => {
      seen.push(`${token} ${target} ${local}`);
      return echo;
    },
  });
  const stream = await connect('tap');
  stream.end('x');
  await buffer(stream);
  expect(seen).toEqual([`for ${AGENT} tap _gw-1`]);
});

test('a refusal comes with its reason, and the connection goes on', async () => {
  const { connect, agent } = await pairOn(await embedded(), {
    admit: async ({ target }) => {
      if (target === 'db:5432') throw new OverlayError('forbidden', 'db:5432 is not in [net4mqtt] allow');
      return echo;
    },
  });
  const [error] = await once(await connect('db:5432'), 'error');
  expect(error).toMatchObject({ code: 'forbidden', message: 'db:5432 is not in [net4mqtt] allow' });
  const good = await connect('api');
  good.end('still here');
  expect(String(await buffer(good))).toBe('still here');
  expect(agent.counts).toMatchObject({ opened: 1, refused: 1 });
});

test('what was dialled for a stream that was given up meanwhile is closed', async () => {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer((socket) => accepted.resolve(socket.resume())).listen(0, '127.0.0.1');
  opened.push(server);
  await once(server, 'listening');
  const asked = Promise.withResolvers<void>();
  const dialled = Promise.withResolvers<void>();
  const { connect, agent } = await pairOn(await embedded(), {
    admit: async ({ target }) => {
      if (target === 'api') return echo;
      const serve = await dialTarget('tcp', target);
      asked.resolve();
      await dialled.promise;
      return serve;
    },
  });
  const given = await connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  await asked.promise;
  given.destroy();
  // Of one connection, in order: when this one is answered the agent knows that the other is gone.
  const next = await connect('api');
  next.end('next');
  expect(String(await buffer(next))).toBe('next');
  dialled.resolve();
  const socket = await accepted.promise;
  if (!socket.destroyed) await once(socket, 'close');
  expect(agent.counts.opened).toBe(1);
});

test('an agent that never joined is told as unreachable', async () => {
  const { local } = await pairOn(await embedded());
  const wanted = { agent: 'edge-9', target: 'api', token: async () => '', timeoutMs: 50 };
  await expect(local.connect(wanted)).rejects.toMatchObject({
    code: 'unreachable',
    message: /not online at the broker/,
  });
});

test('whoever asks before the agent is there is served when it comes', async () => {
  const port = await embedded();
  const local = keep(await openOverlayLocal({ bus: await bus(port), prefix: PREFIX, name: '_gw-1', session: LOCAL }));
  const coming = local.connect({ agent: 'edge-3', target: 'api', token: async () => '' });
  const options = { prefix: PREFIX, alias: 'edge-3', session: AGENT, admit: async () => echo };
  keep(await openOverlayAgent({ bus: await bus(port), ...options }));
  const stream = await coming;
  stream.end('early');
  expect(String(await buffer(stream))).toBe('early');
});

test('an agent that was restarted resets the streams of before, and serves new ones', async () => {
  const port = await embedded();
  const { agent, connect } = await pairOn(port, { admit: async () => (stream) => stream.resume() });
  const old = await connect();
  old.write('half a request');
  await expect.poll(() => agent.streams()).toBe(1);
  const error = once(old, 'error');
  await agent[Symbol.asyncDispose]();
  const options = { prefix: PREFIX, alias: 'edge-3', session: '00000000000000c3', admit: async () => echo };
  keep(await openOverlayAgent({ bus: await bus(port), ...options }));
  expect(await error).toMatchObject([{ name: 'OverlayError' }]);
  const fresh = await connect();
  fresh.end('again');
  expect(String(await buffer(fresh))).toBe('again');
});

test('streams outlive a broker that is restarted with nothing in it', async () => {
  const port = await freePort();
  const first = await startMosquitto({ port });
  const { connect, agent } = await pairOn(port);
  const sent = bytesOf(3_000_000);
  const stream = await connect();
  const received = buffer(stream);
  stream.write(sent.subarray(0, 1_000_000));
  await expect.poll(() => agent.streams()).toBe(1);
  await first[Symbol.asyncDispose]();
  stream.end(sent.subarray(1_000_000));
  keep(await startMosquitto({ port }));
  expect(sha256(await received)).toBe(sha256(sent));
});

test('a reader that stops holds its own stream up and no other', async () => {
  const { connect } = await pairOn(await embedded());
  const still = await connect();
  let taken = 0;
  const flood = setInterval(() => {
    while (still.writableLength < 1_000_000 && taken < 100_000_000) {
      taken += 65_536;
      still.write(Buffer.alloc(65_536));
    }
  }, 1);
  try {
    const other = await connect();
    other.end(Buffer.alloc(2_000_000, 1));
    expect((await buffer(other)).length).toBe(2_000_000);
    // What the peers hold of it is bounded by the windows, whatever the writer would give.
    expect(taken).toBeLessThan(50_000_000);
  } finally {
    clearInterval(flood);
    still.destroy();
  }
});

test('messages that are none, or say another sender than they come from, are counted and answered by nobody', async () => {
  const port = await embedded();
  const { agent, connect } = await pairOn(port);
  const hostile = await bus(port);
  const heard: string[] = [];
  await hostile.subscribe(`${PREFIX}/edge-3/+/o/#`, (topic) => void heard.push(topic), { qos: 0 });
  const place = { kind: 'stream', agent: 'edge-3', local: 'evil', label: 'i', protocol: 'mux', dst: '-' } as const;
  const open = encodePacket(
    {
      isFirstContact: true,
      isUnknown: false,
      from: LOCAL,
      to: AGENT,
      generation: 99,
      sequence: 1,
      acknowledged: 0,
      selective: 0,
      latest: 0,
    },
    [],
  );
  expect(decodePacket(open)).not.toBeNull();
  await hostile.publish(encodeOverlayTopic(PREFIX, { ...place, src: 'x' }), 'no mux at all', { qos: 0 });
  await hostile.publish(encodeOverlayTopic(PREFIX, { ...place, src: '00000000000000d4' }), open, { qos: 0 });
  await expect.poll(() => agent.counts.malformed).toBe(2);
  expect(heard).toEqual([]);
  const stream = await connect();
  stream.end('undisturbed');
  expect(String(await buffer(stream))).toBe('undisturbed');
});
