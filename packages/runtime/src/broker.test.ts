/** What the embedded broker lets nobody do, asked by clients that try: foreign topics, wildcards, wills, client ids. */
import { createServer, get, type Server } from 'node:http';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type Broker, type BrokerOptions, startBroker } from './broker.ts';
import type { BrokerUser } from './broker-messages.ts';
import { siteRights } from './broker-rights.ts';
import { createLog, silentLog } from './log.ts';
import { serveMqttWebSocket } from './mqtt-websocket.ts';
import { hashSecret } from './secret-compare.ts';
import { brokerUsers } from './secrets.ts';

const names = { prefix: 'weir/v1', overlay: 'net4mqtt' };
const site = (alias: string): BrokerUser => ({
  username: alias,
  // Of a site only the hash is known.
  sha256: hashSecret(`secret-of-${alias}`).toString('hex'),
  ...siteRights({ ...names, alias }),
});
const cloud = brokerUsers(
  { broker: (role) => ({ username: role, password: `secret-of-${role}` }) },
  { ...names, alias: 'cloud-node' },
);
const users = [site('edge-1'), site('edge-2'), ...cloud];

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const start = async (options: Partial<BrokerOptions> = {}): Promise<Broker> => {
  const log = silentLog();
  const broker = await startBroker({ listen: { address: '127.0.0.1', port: 0 }, users, log, ...options });
  opened.push(() => broker.close());
  return broker;
};
const connect = async (url: string, username: string, options: IClientOptions = {}): Promise<MqttClient> => {
  const login = { username, password: `secret-of-${username}`, clientId: `test-${username}`, reconnectPeriod: 0 };
  const client = await connectAsync(url, { ...login, ...options });
  opened.push(() => client.end(true));
  client.on('error', () => undefined);
  return client;
};
const to = (broker: Broker) => `mqtt://127.0.0.1:${broker.port}`;
const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

describe('a site', () => {
  test.each([
    'weir/v1/node/edge-2/status',
    'weir/v1/node/edge-2/rows',
    'weir/v1/node/edge-1/ack',
    'weir/v1/node/edge-1/status/more',
    'weir/v1/node/edge-1/stream/a/b',
    'weir/v1/node/edge-1',
    'net4mqtt/edge-2/_gw-1/o/mux/a/-',
    'net4mqtt/edge-1/_gw-1/i/mux/a/-',
    'net4mqtt/edge-2/-/v/-',
    'net4mqtt/-/edge-1/v/-',
    '$SYS/broker',
    'other',
  ])('that publishes to %s loses its connection, and nobody hears it', async (topic) => {
    const broker = await start();
    const heard: string[] = [];
    const gateway = await connect(to(broker), 'gateway');
    gateway.on('message', (one) => heard.push(one));
    await gateway.subscribeAsync(['weir/v1/node/+/status', 'net4mqtt/+/+/o/#', 'net4mqtt/+/-/v/-']);
    const edge = await connect(to(broker), 'edge-1');
    const end = closed(edge);
    edge.publish(topic, 'forged', { qos: 0, retain: true });
    await end;
    await (await connect(to(broker), 'edge-2')).publishAsync('weir/v1/node/edge-2/status', 'own', { qos: 1 });
    await vi.waitUntil(() => heard.length > 0);
    expect(heard).toEqual(['weir/v1/node/edge-2/status']);
    expect(broker.refused.publish).toBe(1);
  });

  test.each([
    '#',
    '+/#',
    'weir/#',
    'weir/v1/node/+/ack',
    'weir/v1/node/edge-2/ack',
    'weir/v1/node/edge-1/#',
    'weir/v1/node/edge-1/+',
    'net4mqtt/#',
    'net4mqtt/edge-2/+/i/#',
    'net4mqtt/+/+/i/#',
    'net4mqtt/edge-1/+/o/#',
    'net4mqtt/edge-1/#',
    '$SYS/#',
    '$share/group/weir/v1/node/edge-2/ack',
    '$share/group/#',
  ])('may not subscribe to %s', async (filter) => {
    const broker = await start();
    const edge = await connect(to(broker), 'edge-1');
    const heard: string[] = [];
    edge.on('message', (topic) => heard.push(topic));
    await edge.subscribeAsync(filter).catch(() => undefined);
    await edge.subscribeAsync('weir/v1/node/edge-1/ack');
    const indexer = await connect(to(broker), 'indexer');
    await indexer.publishAsync('weir/v1/node/edge-2/ack', '2', { qos: 1 });
    await indexer.publishAsync('net4mqtt/edge-2/_gw-1/i/mux/a/-', '2', { qos: 1 });
    await indexer.publishAsync('weir/v1/node/edge-1/ack', '1', { qos: 1 });
    await vi.waitUntil(() => heard.length > 0);
    expect(heard).toEqual(['weir/v1/node/edge-1/ack']);
    expect(broker.refused.subscribe).toBe(1);
  });

  test('says and hears what is its own', async () => {
    const broker = await start();
    const gateway = await connect(to(broker), 'gateway');
    const heard: string[] = [];
    gateway.on('message', (topic) => heard.push(topic));
    await gateway.subscribeAsync(['weir/v1/node/+/status', 'weir/v1/node/+/stream/+', 'net4mqtt/+/+/o/#']);
    const edge = await connect(to(broker), 'edge-1');
    const answers: string[] = [];
    edge.on('message', (topic) => answers.push(topic));
    await edge.subscribeAsync('net4mqtt/edge-1/+/i/#');
    const said = ['weir/v1/node/edge-1/status', 'weir/v1/node/edge-1/stream/cam', 'net4mqtt/edge-1/_gw-1/o/mux/a/-'];
    for (const topic of said) await edge.publishAsync(topic, 'x', { qos: 1 });
    await gateway.publishAsync('net4mqtt/edge-1/_gw-1/i/mux/a/-', 'x', { qos: 1 });
    await vi.waitUntil(() => heard.length === 3 && answers.length === 1);
    expect(heard).toEqual(said);
    expect(Object.values(broker.refused).every((count) => count === 0)).toBe(true);
  });

  test('is not let in with a will of another, whose status stays as it is', async () => {
    const broker = await start();
    const will = { topic: 'weir/v1/node/edge-2/status', payload: Buffer.from('gone'), qos: 1 as const, retain: true };
    await expect(connect(to(broker), 'edge-1', { will })).rejects.toMatchObject({ code: 5 });
    expect(broker.refused.will).toBe(1);
    const own = { ...will, topic: 'weir/v1/node/edge-1/status' };
    expect((await connect(to(broker), 'edge-1', { will: own })).connected).toBe(true);
  });

  test('does not cut off another by taking its client id', async () => {
    const broker = await start();
    const victim = await connect(to(broker), 'edge-2', { clientId: 'uploader-edge-2-1' });
    await expect(connect(to(broker), 'edge-1', { clientId: 'uploader-edge-2-1' })).rejects.toMatchObject({ code: 2 });
    await victim.publishAsync('weir/v1/node/edge-2/rows', 'x', { qos: 1 });
    // Its own connection it may replace.
    const end = closed(victim);
    await connect(to(broker), 'edge-2', { clientId: 'uploader-edge-2-1' });
    await end;
    expect(broker.refused.client_id).toBe(1);
  });

  test('of an alias that has a node already is refused by its client id', async () => {
    const broker = await start();
    const first = await connect(to(broker), 'edge-1', { clientId: 'node-edge-1-aaaa' });
    await connect(to(broker), 'edge-1', { clientId: 'agent-edge-1-aaaa' });
    await expect(connect(to(broker), 'edge-1', { clientId: 'node-edge-1-bbbb' })).rejects.toMatchObject({ code: 2 });
    await first.endAsync();
    expect((await connect(to(broker), 'edge-1', { clientId: 'node-edge-1-bbbb' })).connected).toBe(true);
  });

  test.each([
    ['is gone', [site('edge-2'), ...cloud]],
    ['has another password', [{ ...site('edge-1'), sha256: '00'.repeat(32) }, site('edge-2'), ...cloud]],
    ['has other rights', [{ ...site('edge-1'), subscribe: [] }, site('edge-2'), ...cloud]],
  ])('whose user %s is sent away at once, and its will is heard', async (_what, next: BrokerUser[]) => {
    const broker = await start();
    const gateway = await connect(to(broker), 'gateway');
    const heard: string[] = [];
    gateway.on('message', (topic, payload) => heard.push(`${topic} ${payload}`));
    await gateway.subscribeAsync('weir/v1/node/+/status');
    const will = { topic: 'weir/v1/node/edge-1/status', payload: Buffer.from('gone'), qos: 1 as const, retain: true };
    const edge = await connect(to(broker), 'edge-1', { will });
    const other = await connect(to(broker), 'edge-2');
    const end = closed(edge);
    broker.setUsers(next);
    await end;
    await vi.waitUntil(() => heard.length === 1);
    expect(heard).toEqual(['weir/v1/node/edge-1/status gone']);
    expect([other.connected, gateway.connected]).toEqual([true, true]);
  });
});

test('the node of the machine itself has no other rights than a site', async () => {
  const broker = await start();
  const node = await connect(to(broker), 'node');
  await node.publishAsync('weir/v1/node/cloud-node/status', 'x', { qos: 1 });
  const end = closed(node);
  node.publish('weir/v1/node/edge-1/status', 'forged');
  await end;
  expect(broker.refused.publish).toBe(1);
});

test('what is refused is logged with who and what, never with a secret', async () => {
  const lines: string[] = [];
  const log = createLog('test', { level: 'debug', format: 'json', destination: { write: (line) => lines.push(line) } });
  const broker = await start({ log });
  const refusedLogin = (username: string, password: string, clientId: string) =>
    expect(connectAsync(to(broker), { username, password, clientId, reconnectPeriod: 0 })).rejects.toBeTruthy();
  await refusedLogin('edge-1', 'wrong-hush', 'node-edge-1-aaaa');
  // A secret in the wrong place.
  await refusedLogin('secret-hush', 'wrong', 'client-hush');
  const edge = await connect(to(broker), 'edge-1', { clientId: 'node-edge-1-aaaa' });
  edge.publish('weir/v1/node/edge-2/rows', 'payload-hush');
  await vi.waitUntil(() => broker.refused.publish === 1);
  await vi.waitUntil(() => lines.length >= 4);
  const refused = lines.map((line) => JSON.parse(line)).filter(({ what }) => what !== undefined);
  expect(refused.map(({ what, user, client, detail }) => [what, user, client, detail])).toEqual([
    ['login', 'edge-1', 'node-edge-1-aaaa', ''],
    ['login', 'unknown', '', ''],
    ['publish', 'edge-1', 'node-edge-1-aaaa', 'weir/v1/node/edge-2/rows'],
  ]);
  expect(lines.filter((line) => /hush|secret-of/.test(line))).toEqual([]);
});

describe('by WebSocket on an HTTP port', () => {
  const web = async (broker: Broker): Promise<{ server: Server; port: number }> => {
    const server = createServer((request, response) => response.end(`answer to ${request.url}`));
    serveMqttWebSocket(server, broker);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    opened.push(() => server.close());
    return { server, port: (server.address() as { port: number }).port };
  };

  /** How a WebSocket ends. */
  const ends = (url: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, 'mqtt');
      socket.on('error', (error) => resolve(error.message));
      socket.on('close', () => resolve('closed'));
    });

  test('the broker has the same users, rights and bounds', async () => {
    const broker = await start();
    const { port } = await web(broker);
    const url = `ws://127.0.0.1:${port}/mqtt`;
    const gateway = await connect(to(broker), 'gateway');
    const heard: number[] = [];
    gateway.on('message', (_topic, payload) => heard.push(payload.length));
    await gateway.subscribeAsync('net4mqtt/+/+/o/#');
    const edge = await connect(url, 'edge-1');
    for (let count = 0; count < 50; count += 1)
      await edge.publishAsync('net4mqtt/edge-1/_gw-1/o/mux/a/-', Buffer.alloc(60_000), { qos: 1 });
    await vi.waitUntil(() => heard.length === 50);
    expect(new Set(heard)).toEqual(new Set([60_000]));
    const end = closed(edge);
    edge.publish('weir/v1/node/edge-2/status', 'forged');
    await end;
    await expect(connect(url, 'edge-1', { password: 'wrong' })).rejects.toMatchObject({ code: 4 });
    expect(await ends(`ws://127.0.0.1:${port}/other`)).toBe('Unexpected server response: 200');
  });

  test('a request that offers another upgrade is answered as any other', async () => {
    const { port } = await web(await start());
    const headers = {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
    };
    const body = await new Promise<string>((resolve, reject) => {
      get({ host: '127.0.0.1', port, path: '/healthz', headers }, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve(text);
      }).on('error', reject);
    });
    expect(body).toBe('answer to /healthz');
  });

  test('a broker that stops ends its connections, and one that is gone refuses new ones', async () => {
    const broker = await start();
    const { port } = await web(broker);
    const edge = await connect(`ws://127.0.0.1:${port}/mqtt`, 'edge-1');
    const end = closed(edge);
    await broker.close();
    await end;
    expect(await ends(`ws://127.0.0.1:${port}/mqtt`)).toBe('closed');
  });
});
