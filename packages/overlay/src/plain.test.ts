/** Plain `tcp` and `udp` over Mosquitto, with peers that know nothing but net4mqtt's topics and bytes. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type Bus, connectBus, silentLog } from '@weir/runtime';
import { startMosquitto } from '@weir/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { openPlainAgent, type PlainRequest } from './plain-agent.ts';
import { openPlainLocal } from './plain-local.ts';
import { farewell, presenceTopic } from './plain-presence.ts';
import { isOwnAddress, plainAdmission } from './target-dialler.ts';

const prefix = 'net4mqtt';
const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of stack.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});
const keep = <T extends AsyncDisposable>(resource: T): T => {
  stack.push(resource);
  return resource;
};

const broker = async () => keep(await startMosquitto());
const bus = async (url: string, will?: { topic: string; payload: string; qos: 0; retain: true }): Promise<Bus> =>
  keep(
    await connectBus({
      url,
      clientId: `plain-${stack.length}`,
      log: silentLog(),
      required: true,
      random: () => 0,
      maxSocketBytes: 64 * 1024 * 1024,
      ...(will === undefined ? {} : { will }),
    }),
  );

const listening = async (serve: (socket: Socket) => void): Promise<string> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  keep({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** A way to a broker that can be cut for good. */
const cuttable = async (url: string) => {
  let isCut = false;
  const sockets: Socket[] = [];
  const address = await listening((socket) => {
    if (isCut) {
      socket.destroy();
      return;
    }
    const onward = connect({ host: '127.0.0.1', port: Number(new URL(url).port) }).on('error', () => undefined);
    socket.on('close', () => onward.destroy());
    sockets.push(socket);
    socket.pipe(onward).pipe(socket);
  });
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return { url: `mqtt://${address}`, cut };
};

/** A UDP service that says everything twice. */
const stutter = async (): Promise<string> => {
  const socket = createSocket('udp4');
  socket.on('message', (datagram, from) => {
    for (let time = 0; time < 2; time += 1) socket.send(datagram, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  keep({ [Symbol.asyncDispose]: async () => void socket.close() });
  return `127.0.0.1:${socket.address().port}`;
};

type AgentOptions = { allow: string[]; target?: string; ownPorts?: number[]; maxSessions?: number };

const agentOn = async (url: string, { allow, target, ownPorts = [], maxSessions }: AgentOptions) => {
  const refusals: (PlainRequest & { reason: string })[] = [];
  const agent = keep(
    await openPlainAgent({
      bus: await bus(url, { topic: presenceTopic(prefix, 'agent', 'edge-1'), payload: '{}', qos: 0, retain: true }),
      prefix,
      name: 'edge-1',
      admit: plainAdmission({ allow, ownPorts: () => ownPorts, ...(target === undefined ? {} : { target }) }),
      refused: (request, reason) => void refusals.push({ ...request, reason }),
      ...(maxSessions === undefined ? {} : { maxSessions }),
    }),
  );
  return { agent, refusals };
};

const localOn = async (url: string) => keep(await openPlainLocal({ bus: await bus(url), prefix, name: 'office' }));

/** A peer as net4mqtt has it: topics as texts, payloads as they are. */
const oldPeer = async (url: string) => {
  const mqtt = await bus(url);
  const heard: { topic: string; payload: Buffer }[] = [];
  return {
    heard,
    listen: (filter: string) =>
      mqtt.subscribe(filter, (topic, payload) => void heard.push({ topic, payload: Buffer.from(payload) }), { qos: 0 }),
    say: (topic: string, payload: string | Buffer, retain = false) => mqtt.publish(topic, payload, { qos: 0, retain }),
    said: () => heard.map(({ topic, payload }) => `${topic} ${payload}`),
  };
};

describe('an old local at our agent', () => {
  test('gets the answer in messages of at most 4,096 bytes, then an empty one', async () => {
    const { url } = await broker();
    const answer = Buffer.alloc(100_000, 'answer ');
    const target = await listening((socket) => socket.once('data', () => socket.end(answer)));
    await agentOn(url, { allow: ['127.0.0.1:*'], target });
    const old = await oldPeer(url);
    await old.listen('net4mqtt/+/old/o/#');
    await old.say('net4mqtt/edge-1/old/i/tcp/192.168.7.7:40000/-', 'GET / HTTP/1.0\r\n\r\n');
    await expect.poll(() => old.heard.at(-1)?.payload.length).toBe(0);
    expect(new Set(old.heard.map(({ topic }) => topic))).toEqual(
      new Set(['net4mqtt/edge-1/old/o/tcp/192.168.7.7:40000/-']),
    );
    expect(Buffer.concat(old.heard.map(({ payload }) => payload)).equals(answer)).toBe(true);
    expect(old.heard.slice(0, -1).every(({ payload }) => payload.length > 0 && payload.length <= 4096)).toBe(true);
  });

  test('closes with an empty message, behind what it said', async () => {
    const { url } = await broker();
    const closed = Promise.withResolvers<string>();
    const target = await listening((socket) => void buffer(socket).then((all) => closed.resolve(String(all))));
    const { agent } = await agentOn(url, { allow: [target] });
    const old = await oldPeer(url);
    const topic = `net4mqtt/edge-1/old/i/tcp/192.168.7.7:40001/${target}`;
    for (const payload of ['one ', 'two', '']) await old.say(topic, payload);
    expect(await closed.promise).toBe('one two');
    expect(agent.sessions()).toBe(0);
  });

  test('exchanges datagrams', async () => {
    const { url } = await broker();
    const target = await stutter();
    await agentOn(url, { allow: [target] });
    const old = await oldPeer(url);
    await old.listen('net4mqtt/+/old/o/#');
    await old.say(`net4mqtt/edge-1/old/i/udp/192.168.7.7:5/${target}`, 'ping');
    const answer = `net4mqtt/edge-1/old/o/udp/192.168.7.7:5/${target} ping`;
    await expect.poll(old.said).toEqual([answer, answer]);
  });

  test('sees by v whether the agent is there, from its last will too, and hears its x', async () => {
    const { url } = await broker();
    const { agent } = await agentOn(url, { allow: [] });
    const old = await oldPeer(url);
    await old.listen('net4mqtt/+/+/v/#');
    await old.listen('net4mqtt/+/+/x/#');
    await expect.poll(old.said).toEqual(['net4mqtt/edge-1/-/v/- {"online":true}']);
    await agent.tell('streams', Buffer.from('[]'));
    await expect.poll(() => old.said().at(-1)).toBe('net4mqtt/edge-1/-/x/streams []');
    await agent[Symbol.asyncDispose]();
    await expect.poll(() => old.said().at(-1)).toBe('net4mqtt/edge-1/-/v/- {}');
  });

  test('is let go of when its last will says that it is gone', async () => {
    const { url } = await broker();
    const target = await listening((socket) => socket.resume());
    const { agent } = await agentOn(url, { allow: [target] });
    const old = await oldPeer(url);
    await old.say(`net4mqtt/edge-1/old/i/tcp/192.168.7.7:1/${target}`, 'hello');
    await expect.poll(() => agent.sessions()).toBe(1);
    await old.say('net4mqtt/-/old/v/-', '{}', true);
    await expect.poll(() => agent.sessions()).toBe(0);
  });

  test('gets an empty message for what is refused, which is counted and told with its reason', async () => {
    const { url } = await broker();
    const api = await listening((socket) => socket.end('the API'));
    const port = Number(api.split(':')[1]);
    const { agent, refusals } = await agentOn(url, { allow: ['127.*', 'localhost:*', 'gone:*'], ownPorts: [port] });
    const old = await oldPeer(url);
    await old.listen('net4mqtt/+/old/o/#');
    const targets = ['-', '10.0.0.1:22', api, `127.0.0.9:${port}`, `localhost:${port}`, '127.nobody'];
    for (const [at, target] of targets.entries()) {
      await old.say(`net4mqtt/edge-1/old/i/tcp/192.168.7.7:${at}/${target}`, 'hello');
      await expect.poll(() => refusals.length).toBe(at + 1);
    }
    await expect.poll(() => old.heard.length).toBe(targets.length);
    expect(old.heard.every(({ payload }) => payload.length === 0)).toBe(true);
    expect(refusals.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('no default target'),
      '10.0.0.1:22 is not in [net4mqtt] allow',
      ...targets.slice(2, 5).map((target) => `${target} is the agent's own and is reached by mux alone`),
      '127.nobody is no host:port',
    ]);
    expect(agent.counts()).toMatchObject({ opened: 0, refused: targets.length });
  });
});

describe('our local at an old agent', () => {
  test('says what its client says under the topic of client and target, and closes with an empty message', async () => {
    const { url } = await broker();
    const old = await oldPeer(url);
    await old.listen('net4mqtt/old/+/i/#');
    await old.say('net4mqtt/old/-/v/-', '{"online":true}', true);
    const local = await localOn(url);
    await expect.poll(() => local.agents()).toEqual(['old']);
    const stream = local.connect({ agent: 'old', protocol: 'tcp', src: '127.0.0.1:4242', dst: '-' });
    stream.write('GET');
    await expect.poll(old.said).toEqual(['net4mqtt/old/office/i/tcp/127.0.0.1:4242/- GET']);
    const answered = buffer(stream);
    for (const payload of ['an ', 'answer', '']) await old.say('net4mqtt/old/office/o/tcp/127.0.0.1:4242/-', payload);
    expect(String(await answered)).toBe('an answer');
    const other = local.connect({ agent: 'old', protocol: 'tcp', src: '127.0.0.1:4243', dst: '10.0.0.1:22' });
    other.end('bye');
    const topic = 'net4mqtt/old/office/i/tcp/127.0.0.1:4243/10.0.0.1:22';
    await expect.poll(() => old.said().slice(1)).toEqual([`${topic} bye`, `${topic} `]);
    expect(local.sessions()).toBe(0);
  });

  test('fails what is open when the agent says that it is gone', async () => {
    const { url } = await broker();
    const old = await oldPeer(url);
    const local = await localOn(url);
    const stream = local.connect({ agent: 'old', protocol: 'tcp', src: '127.0.0.1:4242', dst: '-' });
    const failed = once(stream, 'error');
    await old.say('net4mqtt/old/-/v/-', '{}', true);
    expect(await failed).toMatchObject([{ code: 'unreachable', message: 'old is gone' }]);
  });

  test.each(['it stops', 'it is cut off'])('leaves nothing at the broker when %s', async (how) => {
    const { url } = await broker();
    const will = {
      topic: presenceTopic(prefix, 'local', 'run-7'),
      payload: farewell('local'),
      qos: 0,
      retain: true,
    } as const;
    const way = await cuttable(url);
    const old = await oldPeer(url);
    await old.listen('net4mqtt/-/+/v/-');
    const local = keep(await openPlainLocal({ bus: await bus(way.url, will), prefix, name: 'run-7' }));
    await expect.poll(old.said).toEqual(['net4mqtt/-/run-7/v/- {"online":true}']);
    if (how === 'it stops') await local[Symbol.asyncDispose]();
    else way.cut();
    await expect.poll(old.said).toEqual(['net4mqtt/-/run-7/v/- {"online":true}', 'net4mqtt/-/run-7/v/- ']);
    const late = await oldPeer(url);
    await late.listen('net4mqtt/-/+/v/-');
    await late.listen('net4mqtt/still/-/v/-');
    await late.say('net4mqtt/still/-/v/-', 'here');
    await expect.poll(late.said).toEqual(['net4mqtt/still/-/v/- here']);
  });

  test('hears x of agents and says its own', async () => {
    const { url } = await broker();
    const old = await oldPeer(url);
    await old.listen('net4mqtt/-/+/x/#');
    const heard: string[] = [];
    const data = (name: string, key: string, payload: Uint8Array) => void heard.push(`${name} ${key} ${payload}`);
    const local = keep(await openPlainLocal({ bus: await bus(url), prefix, name: 'office', data }));
    await old.say('net4mqtt/old/-/x/streams', '[1]');
    await expect.poll(() => heard).toEqual(['old streams [1]']);
    await local.tell('note', Buffer.from('hello'));
    await expect.poll(old.said).toEqual(['net4mqtt/-/office/x/note hello']);
  });
});

describe('our local at our agent', () => {
  test('megabytes go both ways, whole', async () => {
    const { url } = await broker();
    const target = await listening((socket) => socket.pipe(socket));
    await agentOn(url, { allow: [target] });
    const local = await localOn(url);
    const stream = local.connect({ agent: 'edge-1', protocol: 'tcp', src: '127.0.0.1:1', dst: target });
    const sent = Buffer.alloc(3_000_000, 'megabytes');
    const received: Buffer[] = [];
    let bytes = 0;
    const all = Promise.withResolvers<void>();
    stream.on('data', (chunk: Buffer) => {
      received.push(chunk);
      bytes += chunk.length;
      if (bytes >= sent.length) all.resolve();
    });
    stream.write(sent);
    await all.promise;
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    stream.end();
    await once(stream, 'close');
  });

  test('what is dialled and does not answer is closed', async () => {
    const { url } = await broker();
    const { refusals } = await agentOn(url, { allow: ['127.0.0.1:9'] });
    const local = await localOn(url);
    const stream = local.connect({ agent: 'edge-1', protocol: 'tcp', src: '127.0.0.1:1', dst: '127.0.0.1:9' });
    stream.write('anybody?');
    expect(String(await buffer(stream))).toBe('');
    expect(refusals).toMatchObject([{ reason: expect.stringContaining('ECONNREFUSED') }]);
  });
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['0.0.0.0', true],
  ['::', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['::ffff:7f00:1', true],
  ['10.255.255.254', false],
  ['2001:db8::1', false],
])('%s reaches this machine itself: %s', (address, isOwn) => {
  expect(isOwnAddress(address)).toBe(isOwn);
});
