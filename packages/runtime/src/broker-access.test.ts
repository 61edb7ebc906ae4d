/** The ways to a broker: by TLS and WebSocket, with an authority and certificates of one's own, by several URLs. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weirConfig } from '@weir/contracts';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
// By its path: testkit stands on this package.
import { makeAuthority } from '../../testkit/src/certificates.ts';
import { type Broker, startBroker } from './broker.ts';
import { brokerAccess } from './broker-access.ts';
import { brokerTls } from './broker-tls.ts';
import { type Bus, type BusOptions, connectBus } from './bus.ts';
import { createLog, silentLog } from './log.ts';
import { serveMqttWebSocket } from './mqtt-websocket.ts';

const directory = mkdtempSync(join(tmpdir(), 'weir-broker-access-'));
afterAll(() => rmSync(directory, { recursive: true }));
const authority = makeAuthority(directory);
const stranger = makeAuthority(directory, 'stranger');
const server = authority.issue('server');

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});
const log = silentLog();
const users = [{ username: 'edge', password: 'hush', publish: ['#'], subscribe: ['#'] }];
const start = async (broker: Record<string, unknown> = {}, certificateMs = 60_000): Promise<Broker> => {
  const files = { tls_listen: '127.0.0.1:0', tls_cert: server.certFile, tls_key: server.keyFile };
  const tls = brokerTls(weirConfig.parse({ broker: { ...files, ...broker } }).broker);
  const started = await startBroker({
    listen: { address: '127.0.0.1', port: 0 },
    users,
    log,
    certificateMs,
    ...(tls === null ? {} : { tls }),
  });
  opened.push(() => started.close());
  return started;
};
const connect = async (url: string | string[], options: Partial<BusOptions> = {}): Promise<Bus> => {
  const login = { username: 'edge', password: 'hush', clientId: `edge-${opened.length}` };
  const bus = await connectBus({ url, ...login, log, required: true, random: () => 0, ...options });
  opened.push(() => bus[Symbol.asyncDispose]());
  return bus;
};
const roundTrip = async (bus: Bus): Promise<string> => {
  const heard: string[] = [];
  await bus.subscribe('t', (_topic, payload) => void heard.push(payload.toString()));
  await bus.publish('t', 'there and back');
  await vi.waitUntil(() => heard.length > 0);
  return heard[0] ?? '';
};
const byTls = (broker: Broker, host = 'localhost') => `mqtts://${host}:${broker.tlsPort}`;

test('by TLS with an authority of one’s own, for every name of the certificate', async () => {
  const broker = await start();
  const tls = { ca: authority.ca };
  expect(await roundTrip(await connect(byTls(broker), { tls }))).toBe('there and back');
  expect(await roundTrip(await connect(byTls(broker, '127.0.0.1'), { tls }))).toBe('there and back');
});

test('by wss and by ws', async () => {
  const broker = await start();
  const secure = createHttps({ cert: server.cert, key: server.key });
  const plain = createHttp();
  for (const [one, scheme] of [
    [secure, 'wss'],
    [plain, 'ws'],
  ] as const) {
    serveMqttWebSocket(one, broker);
    await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
    opened.push(() => one.close());
    const { port } = one.address() as { port: number };
    const bus = await connect(`${scheme}://localhost:${port}`, { tls: { ca: authority.ca } });
    expect(await roundTrip(bus)).toBe('there and back');
  }
});

test('who is sent away hears of it at once by WebSocket too', async () => {
  const broker = await start();
  const plain = createHttp();
  serveMqttWebSocket(plain, broker);
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  opened.push(() => plain.close());
  const bus = await connect(`ws://127.0.0.1:${(plain.address() as { port: number }).port}`);
  broker.setUsers([]);
  await vi.waitUntil(() => !bus.connected, { timeout: 5_000 });
});

test('a broker that asks for a certificate takes one of its authority and no other', async () => {
  const broker = await start({ tls_client_ca: authority.caFile });
  const { cert, key } = authority.issue('edge');
  const foreign = stranger.issue('edge');
  expect(await roundTrip(await connect(byTls(broker), { tls: { ca: authority.ca, cert, key } }))).toBe(
    'there and back',
  );
  const soon = { connectTimeoutMs: 3_000 };
  await expect(connect(byTls(broker), { tls: { ca: authority.ca }, ...soon })).rejects.toMatchObject({
    // Its alert may be lost with the connection: then the broker just does not answer.
    code: expect.stringMatching(/^broker_(?:untrusted|unavailable)$/),
  });
  const wrong = { ca: authority.ca, cert: foreign.cert, key: foreign.key };
  await expect(connect(byTls(broker), { tls: wrong, ...soon })).rejects.toMatchObject({
    code: expect.stringMatching(/^broker_(?:untrusted|unavailable)$/),
  });
  expect(broker.refused.tls).toBeGreaterThanOrEqual(2);
});

const dated = (from: string, to: string) => authority.issue(`dated-${from}`, ['DNS:localhost'], { from, to });
const otherName = authority.issue('other', ['DNS:other.example.org']);
const past = dated('20010101000000Z', '20020101000000Z');
const future = dated('20900101000000Z', '20910101000000Z');

test.each([
  ['of an unknown authority', server, stranger.ca, /unknown authority .*set \[net4mqtt\] ca/],
  ['that has expired', past, authority.ca, /has expired, by the clock of this machine, which says 20\d\d-.* UTC: set/],
  ['that is not valid yet', future, authority.ca, /not valid yet, by the clock of this machine, which says .*set the/],
  ['for another name', otherName, authority.ca, /another name .*other\.example\.org.*: use a URL with a name/],
])('a certificate %s is one line that says what to do', async (_what, { certFile, keyFile }, ca, message) => {
  const broker = await start({ tls_cert: certFile, tls_key: keyFile });
  const failure = connect(byTls(broker), { tls: { ca } });
  await expect(failure).rejects.toMatchObject({ code: 'broker_untrusted', message: expect.stringMatching(message) });
  await expect(failure).rejects.toMatchObject({
    message: expect.stringMatching(/^broker mqtts:\/\/localhost:\d+ has/),
  });
});

test('a certificate that was renewed is shown without a restart, one that cannot be used is not', async () => {
  const [cert, key] = [join(directory, 'renewed.pem'), join(directory, 'renewed.key')];
  copyFileSync(past.certFile, cert);
  copyFileSync(past.keyFile, key);
  const broker = await start({ tls_cert: cert, tls_key: key }, 20);
  await expect(connect(byTls(broker), { tls: { ca: authority.ca } })).rejects.toMatchObject({
    code: 'broker_untrusted',
  });
  copyFileSync(server.certFile, cert);
  copyFileSync(server.keyFile, key);
  const bus = await connect(byTls(broker), { tls: { ca: authority.ca }, required: false, patient: true });
  await vi.waitUntil(() => bus.connected, { timeout: 5_000 });
  copyFileSync(past.keyFile, key);
  expect(await roundTrip(await connect(byTls(broker), { tls: { ca: authority.ca } }))).toBe('there and back');
});

test('what the broker needs for TLS and has not is one line', () => {
  const read = (broker: Record<string, unknown>) =>
    brokerTls(weirConfig.parse({ broker: { tls_listen: '127.0.0.1:0', ...broker } }).broker)?.read();
  expect(() => read({})).toThrow(/broker\.tls_cert is missing: broker\.tls_listen needs it/);
  expect(() => read({ tls_cert: server.certFile, tls_key: '/nowhere' })).toThrow(
    /broker\.tls_key: cannot read \/nowhere/,
  );
  expect(() => read({ tls_cert: server.certFile, tls_key: past.keyFile })).toThrow(/do not fit/);
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const one = createServer().listen(0, '127.0.0.1', () => {
      const { port } = one.address() as { port: number };
      one.close(() => resolve(port));
    });
  });

test('several URLs are tried in turn, and again when the one in use is gone', async () => {
  const [first, second] = [await start(), await start()];
  const dead = `mqtt://127.0.0.1:${await freePort()}`;
  const urls = [dead, `mqtt://127.0.0.1:${first.port}`, `mqtt://127.0.0.1:${second.port}`];
  const told: string[] = [];
  const destination = { write: (line: string) => void told.push(JSON.parse(line).broker) };
  const loud = createLog('test', { level: 'info', format: 'json', destination });
  const bus = await connect(urls, { required: false, log: loud });
  await vi.waitUntil(() => bus.connected);
  await first.close();
  await vi.waitUntil(() => bus.counters.connects === 2 && bus.connected);
  expect(await roundTrip(bus)).toBe('there and back');
  expect([told[0], told.at(-1)]).toEqual([urls[1], urls[2]]);
});

test('each URL may have a user of its own', async () => {
  const { port } = await start();
  const login = { clientId: 'edge-urls', log, random: () => 0 };
  const bus = await connectBus({
    url: [`mqtt://edge:wrong@127.0.0.1:${port}`, `mqtt://edge:hush@127.0.0.1:${port}`],
    patient: true,
    ...login,
  });
  opened.push(() => bus[Symbol.asyncDispose]());
  await vi.waitUntil(() => bus.connected);
});

test('delays between attempts are drawn, so that a thousand sites do not come back as one', async () => {
  const port = await freePort();
  const drawn: number[] = [];
  const random = () => {
    drawn.push(drawn.length);
    return 0;
  };
  await connect(`mqtt://127.0.0.1:${port}`, { required: false, random });
  await vi.waitUntil(() => drawn.length >= 3);
});

test('one that is patient starts although the broker refuses it, says so, and comes in when it may', async () => {
  const broker = await start();
  broker.setUsers([]);
  const told: string[] = [];
  const destination = { write: (line: string) => void told.push(JSON.parse(line).reason) };
  const loud = createLog('test', { level: 'warn', format: 'json', destination });
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const bus = await connect(url, { required: false, patient: true, log: loud, now: () => 0 });
  await vi.waitUntil(() => told.length > 0);
  expect(told).toEqual([`broker ${url} refuses the credentials: correct user name and password`]);
  broker.setUsers(users);
  await vi.waitUntil(() => bus.connected);
});

test('[net4mqtt] says it all: URLs, files or texts, user; without a URL there is no broker', () => {
  const access = (net4mqtt: object) =>
    brokerAccess({ config: weirConfig.parse({ net4mqtt }), secrets: { broker: () => undefined } }, 'node');
  expect(access({})).toBeNull();
  expect(access({ mqtt_urls: ['ws://a', 'wss://b'], ca: authority.ca })).toEqual({
    url: ['ws://a', 'wss://b'],
    tls: { ca: authority.ca },
  });
  const { certFile: cert, keyFile: key } = server;
  expect(access({ mqtt_url: 'mqtts://a', ca: authority.caFile, cert, key })).toEqual({
    url: ['mqtts://a'],
    tls: { ca: authority.ca, cert: server.cert, key: server.key },
  });
  expect(() => access({ mqtt_url: 'mqtts://a', ca: '/nowhere' })).toThrow(/net4mqtt\.ca: cannot read \/nowhere/);
  expect(() => access({ mqtt_url: 'mqtts://a', cert })).toThrow(/belong together/);
});

test.each(['http://a', 'mqtt:', 'a:1883', ''])('%j is no broker', async (url) => {
  await expect(connect(url)).rejects.toMatchObject({ code: 'config_invalid' });
});
