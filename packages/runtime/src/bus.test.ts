import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Broker, startBroker } from './broker.ts';
import type { BrokerUser } from './broker-messages.ts';
import { type Bus, type BusOptions, connectBus } from './bus.ts';
import { createLog, silentLog } from './log.ts';

const log = silentLog();
const everything: BrokerUser = { username: 'all', password: 'secret', publish: ['#'], subscribe: ['#'] };
const site: BrokerUser = {
  username: 'site',
  password: 'site-secret',
  publish: ['weir/v1/node/site-1/#'],
  subscribe: ['weir/v1/node/+/ack'],
};

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});
const keep = <T extends AsyncDisposable>(resource: T): T => {
  opened.push(resource);
  return resource;
};

const broker = async (port = 0, users = [everything, site]): Promise<Broker> =>
  keep(await startBroker({ listen: { address: '127.0.0.1', port }, users, log }));
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
      ...options,
    }),
  );

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

type Server = AsyncDisposable & { port: number };

const mosquitto = async (port: number): Promise<Server> => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-mosquitto-')), 'mosquitto.conf');
  writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
  // Debian has it where the path of other users than root does not look.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
  const child: ChildProcess = spawn('mosquitto', ['-c', file], { stdio: 'ignore', env });
  const isUp = () =>
    new Promise<boolean>((resolve) => {
      const socket = dial(port, '127.0.0.1', () => resolve(socket.destroy() !== undefined));
      socket.on('error', () => resolve(false));
    });
  await vi.waitUntil(isUp, { timeout: 10_000 });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    port,
    [Symbol.asyncDispose]: () => {
      child.kill();
      return exited;
    },
  };
};

const brokers: [string, (port: number) => Promise<Server>][] = [
  ['the embedded broker', (port) => broker(port)],
  ['Mosquitto', async (port) => keep(await mosquitto(port))],
];

describe.each(brokers)('on %s', (_name, start) => {
  test('delivers what is published, as JSON or bytes, and retains', async () => {
    const { port } = await start(await freePort());
    const a = await bus(port);
    const b = await bus(port);
    const heard: [string, string, boolean][] = [];
    const hear = (topic: string, payload: Buffer, retained: boolean) =>
      void heard.push([topic, payload.toString(), retained]);
    await b.subscribe('weir/v1/node/+/status', hear);
    expect(await a.publish('weir/v1/node/x/status', { online: true }, { retain: true })).toBe(true);
    expect(await a.publish('weir/v1/node/x/status', Buffer.from('bytes'), { qos: 0 })).toBe(true);
    await vi.waitUntil(() => heard.length === 2);
    await b.subscribe('weir/v1/node/x/#', hear);
    await vi.waitUntil(() => heard.length > 2);
    expect(heard.slice(0, 2)).toEqual([
      ['weir/v1/node/x/status', '{"online":true}', false],
      ['weir/v1/node/x/status', 'bytes', false],
    ]);
    expect(heard.at(-1)).toEqual(['weir/v1/node/x/status', '{"online":true}', true]);
  });

  test('sends the will of a client that vanished', async () => {
    const { port } = await start(await freePort());
    const a = await bus(port);
    const wills: string[] = [];
    await a.subscribe('will/#', (topic, payload) => void wills.push(`${topic} ${payload}`));
    const doomed = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      clientId: 'doomed',
      username: 'all',
      password: 'secret',
      reconnectPeriod: 0,
      will: { topic: 'will/x', payload: Buffer.from('gone'), qos: 1, retain: false },
    });
    doomed.stream.destroy();
    await vi.waitUntil(() => wills.length === 1);
    expect(wills).toEqual(['will/x gone']);
    doomed.end(true);
  });

  test('comes back after a restart of the broker: subscriptions, queued messages in order, onConnect', async () => {
    const port = await freePort();
    const first = await start(port);
    const a = await bus(port, { queueLimit: 3 });
    const heard: string[] = [];
    let connects = 0;
    await a.subscribe('t/#', (_topic, payload) => void heard.push(payload.toString()));
    a.onConnect(() => {
      connects += 1;
    });
    await first[Symbol.asyncDispose]();
    await vi.waitUntil(() => !a.connected);
    const sent = ['1', '2', '3', '4', '5'].map((text) => a.publish('t/1', text));
    expect(await a.publish('t/1', 'lost', { qos: 0 })).toBe(false);
    await start(port);
    expect(await Promise.all(sent)).toEqual([false, false, true, true, true]);
    await vi.waitUntil(() => heard.length === 3);
    expect(heard).toEqual(['3', '4', '5']);
    expect(connects).toBe(2);
    expect(a.counters).toMatchObject({ droppedQueued: 2, droppedAtOnce: 1, connects: 2 });
  });
});

test('starts without a broker unless one is required, and says in one line what is wrong', async () => {
  const port = await freePort();
  const background = await bus(port, { required: false });
  expect(background.connected).toBe(false);
  await expect(bus(port, { url: `mqtt://me:hush@127.0.0.1:${port}` })).rejects.toMatchObject({
    code: 'broker_unavailable',
    message: expect.stringMatching(/^broker mqtt:\/\/\*\*\*@127.0.0.1:\d+ does not answer \(.*ECONNREFUSED.*\): check/),
  });
  const { port: real } = await broker();
  await expect(bus(real, { password: 'wrong' })).rejects.toMatchObject({ code: 'broker_refused' });
  await expect(bus(real, { username: 'nobody' })).rejects.toMatchObject({ code: 'broker_refused' });
  await expect(bus(real, { url: 'nonsense' })).rejects.toMatchObject({ code: 'config_invalid' });
});

test('a broker that starts together with its clients is no outage; one that stays away is told of', async () => {
  const port = await freePort();
  let nowMs = 0;
  const told: { level: number; msg: string }[] = [];
  const destination = { write: (line: string) => void told.push(JSON.parse(line)) };
  const loud = createLog('test', { level: 'debug', format: 'json', destination });
  const warnings = () => told.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  await bus(port, { required: false, log: loud, now: () => nowMs });
  await vi.waitUntil(() => told.filter(({ msg }) => msg === 'broker not there yet').length > 1);
  expect(warnings()).toEqual([]);
  nowMs = 5_000;
  await vi.waitUntil(() => warnings().length > 0);
  expect(warnings()).toEqual(['broker not connected']);
  await broker(port);
  await vi.waitUntil(() => told.some(({ msg }) => msg === 'broker connected'));
});

test('drops what is too large, and survives a handler that throws', async () => {
  const { port } = await broker();
  const a = await bus(port, { maxPayloadBytes: 10 });
  const heard: string[] = [];
  await a.subscribe('t', () => Promise.reject(new Error('cannot')));
  await a.subscribe('t', (_topic, payload) => void heard.push(payload.toString()));
  expect(await a.publish('t', 'x'.repeat(11))).toBe(false);
  expect(await a.publish('t', 'fits')).toBe(true);
  await vi.waitUntil(() => heard.length > 0);
  expect(a.counters).toMatchObject({ droppedOversized: 1, handlerErrors: 1 });
});

test('a user of the broker stays within his filters', async () => {
  const embedded = await broker();
  const all = await bus(embedded.port);
  const limited = await bus(embedded.port, { username: 'site', password: 'site-secret' });
  const heard: string[] = [];
  await all.subscribe('weir/#', (topic) => void heard.push(topic));
  await limited.subscribe('weir/#', () => void heard.push('overheard'));
  expect(await limited.publish('weir/v1/node/site-1/rows', 'rows')).toBe(true);
  await limited.publish('weir/v1/node/site-1/ack', 'own', { qos: 0 });
  await vi.waitUntil(() => heard.length === 2);
  await limited.publish('weir/v1/node/site-2/ack', 'forged', { qos: 0 });
  await vi.waitUntil(() => embedded.refused.publish === 1);
  expect(heard).toEqual(['weir/v1/node/site-1/rows', 'weir/v1/node/site-1/ack']);
  expect(embedded.refused).toMatchObject({ subscribe: 1, publish: 1 });
});

test('one client that stops reading does not hold up the others', async () => {
  const embedded = await broker();
  const sender = await bus(embedded.port);
  const reader = await bus(embedded.port);
  let read = 0;
  await reader.subscribe(
    'flood',
    () => {
      read += 1;
    },
    { qos: 0 },
  );
  const login = { clientId: 'stuck', username: 'all', password: 'secret', reconnectPeriod: 0 };
  const stuck = await connectAsync(`mqtt://127.0.0.1:${embedded.port}`, login);
  await stuck.subscribeAsync('flood');
  stuck.stream.unpipe();
  stuck.stream.pause();
  const payload = Buffer.alloc(60_000);
  for (let i = 0; i < 400; i += 1) expect(await sender.publish('flood', payload)).toBe(true);
  await vi.waitUntil(() => read === 400, { timeout: 10_000 });
  stuck.stream.destroy();
});

test('a packet beyond the bound ends its connection alone', async () => {
  const embedded = await broker();
  const socket = dial(embedded.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
  await closed;
  await vi.waitUntil(() => embedded.refused.packet === 1);
});

test('a taken port is one line', async () => {
  const { port } = await broker();
  await expect(broker(port)).rejects.toMatchObject({
    code: 'port_in_use',
    message: `broker: 127.0.0.1:${port} is in use: stop the other program or set another port`,
  });
});

test('takes credentials from the URL, escaped', async () => {
  const { port } = await broker(0, [{ ...everything, username: 'a b', password: 'p@ss:w/rd' }]);
  const url = `mqtt://a%20b:p%40ss%3Aw%2Frd@127.0.0.1:${port}`;
  const client = await connectBus({ url, clientId: 'url', log, required: true });
  expect(keep(client).connected).toBe(true);
});

test('takes new users while it runs', async () => {
  const embedded = await broker(0, [site]);
  await expect(bus(embedded.port)).rejects.toMatchObject({ code: 'broker_refused' });
  embedded.setUsers([everything]);
  expect((await bus(embedded.port)).connected).toBe(true);
});
