/** What a join token opens and what it does not, at the gateway and at the embedded broker, until its end. */
import { brokerUsers, hashSecret, type Log, silentLog, startBroker } from '@weir/runtime';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type GatewayFixture, openFixture } from './gateway-fixture.ts';
import { keepSiteUsers } from './site-tokens.ts';

const names = { prefix: 'weir/v1', overlay: 'net4mqtt' };
const secretOf = (alias: string) => `weir_site_${alias}_0123456789abcdefghij`;
let gateway: GatewayFixture;
const opened: (() => unknown)[] = [];
beforeEach(async () => {
  gateway = await openFixture();
});
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
  await gateway[Symbol.asyncDispose]();
});

const add = (id: string, alias: string, expires_ms: number | null = null, replace = false) =>
  gateway.catalog.addToken(
    { id, alias, streams: `${alias}-*`, sha256: hashSecret(secretOf(id)).toString('hex'), expires_ms },
    replace,
  );
const call = async (id: string, url: string, payload: object) => {
  const headers = { authorization: `Bearer ${secretOf(id)}` };
  const answer = await gateway.app.inject({ method: 'POST', url, headers, payload });
  return { status: answer.statusCode, body: answer.json() as Record<string, unknown> };
};
const ask = (id: string, node_id = 'node-a') => call(id, '/api/join', { node_id });

test('a live token joins; one that is revoked, over or never was is refused with the reason', async () => {
  await add('token-1', 'edge-1');
  await add('token-2', 'edge-2', Date.now() + 60_000);
  const { status, body } = await ask('token-1');
  expect([status, body]).toEqual([
    200,
    { alias: 'edge-1', streams: 'edge-1-*', time: expect.stringMatching(/^20.*Z$/) },
  ]);
  expect((await ask('token-2')).status).toBe(200);
  gateway.clock.nowMs = 61_000;
  expect(await ask('token-2')).toMatchObject({
    status: 401,
    body: { detail: expect.stringMatching(/token-2 expired on 20.*UTC: make a new/) },
  });
  await gateway.catalog.revokeToken('token-1');
  expect(await ask('token-1')).toMatchObject({
    status: 401,
    body: { detail: expect.stringMatching(/token-1 was revoked on 20/) },
  });
  expect(await ask('token-9')).toMatchObject({
    status: 401,
    body: { detail: expect.stringMatching(/never made the token/) },
  });
});

test('no other kind of token joins', async () => {
  const answer = await gateway.app.inject({
    method: 'POST',
    url: '/api/join',
    headers: gateway.admin,
    payload: { node_id: '' },
  });
  expect(answer.statusCode).toBe(403);
});

test('a token presigns below its own streams and has no other right', async () => {
  await add('token-1', 'edge-1');
  const put = (path: string, more = {}) =>
    call('token-1', '/api/storage/presign', {
      method: 'PUT',
      path,
      sha256: 'ab'.repeat(32),
      length: 10,
      spool: 'aaaaaaaa-0000-4000-8000-000000000001',
      ...more,
    });
  expect((await put('edge-1-cam/1762842203/v_init.m4s')).status).toBe(200);
  expect((await put('edge-2-cam/1762842203/v_init.m4s')).status).toBe(403);
  const headers = { authorization: `Bearer ${secretOf('token-1')}` };
  for (const [method, url] of [
    ['GET', '/api/nodes'],
    ['GET', '/api/streams'],
    ['GET', '/api/playback'],
    ['GET', '/api/playback/edge-1-cam'],
    ['GET', '/api/record/object/edge-1-cam/1762842203/manifest.mpd'],
    ['POST', '/api/record/edge-1-cam'],
    ['POST', '/whip/edge-1-cam'],
    ['POST', '/api/token'],
  ] as const)
    expect([url, (await gateway.app.inject({ method, url, headers })).statusCode]).toEqual([url, 403]);
});

const own = brokerUsers(
  { broker: (role) => ({ username: role, password: `secret-of-${role}` }) },
  { ...names, alias: 'cloud' },
);
const site = async (log: Log = silentLog()) => {
  const broker = await startBroker({ listen: { address: '127.0.0.1', port: 0 }, users: own, log });
  opened.push(() => broker.close());
  const now = () => Date.now() + gateway.clock.nowMs;
  const { catalog } = gateway;
  const kept = await keepSiteUsers({ catalog, broker, own, names, now, log });
  opened.push(() => kept[Symbol.dispose]());
  const connect = async (username: string, password: string): Promise<MqttClient> => {
    const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, { username, password, reconnectPeriod: 0 });
    opened.push(() => client.end(true));
    client.on('error', () => undefined);
    return client;
  };
  return { broker, connect };
};
const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

test('a revoked site is cut off at the broker within 5 s, its neighbour is not', async () => {
  await add('token-1', 'edge-1');
  await add('token-2', 'edge-2');
  const { connect } = await site();
  const [first, second] = [await connect('edge-1', secretOf('token-1')), await connect('edge-2', secretOf('token-2'))];
  await first.publishAsync('weir/v1/node/edge-1/rows', 'x', { qos: 1 });
  const end = closed(first);
  const beginMs = performance.now();
  await gateway.catalog.revokeToken('token-1');
  await end;
  expect(performance.now() - beginMs).toBeLessThan(5_000);
  await expect(connect('edge-1', secretOf('token-1'))).rejects.toMatchObject({ code: 4 });
  expect(second.connected).toBe(true);
});

test('an expired site is cut off too, and a replaced token lets the new one in', async () => {
  await add('token-1', 'edge-1', Date.now() + 60_000);
  const { connect } = await site();
  const first = await connect('edge-1', secretOf('token-1'));
  const end = closed(first);
  gateway.clock.nowMs = 61_000;
  await end;
  await add('token-2', 'edge-1');
  await vi.waitFor(async () => expect((await connect('edge-1', secretOf('token-2'))).connected).toBe(true), 5_000);
  const second = await connect('edge-1', secretOf('token-2'));
  const replaced = closed(second);
  await add('token-3', 'edge-1', null, true);
  await replaced;
});

test('a token for the name of a service of the broker takes nothing from that service', async () => {
  await add('token-1', 'indexer');
  const { connect } = await site();
  await expect(connect('indexer', secretOf('token-1'))).rejects.toMatchObject({ code: 4 });
  expect((await connect('indexer', 'secret-of-indexer')).connected).toBe(true);
});
