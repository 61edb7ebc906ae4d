import { once } from 'node:events';
import { createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type OverlayLocal, openOverlayLocal, openPlainLocal, overlayFetch } from '@weir/overlay';
import { connectBus, signGatewayToken, silentLog, startBroker } from '@weir/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { openTestNode, testSecrets } from './test-node.ts';

const log = silentLog();
const { gatewayPrivateKey, gatewayPublicKey } = testSecrets;
const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of stack.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});
const keep = <T extends AsyncDisposable>(resource: T): T => {
  stack.push(resource);
  return resource;
};

const site = async (net4mqtt: Record<string, unknown> = {}) => {
  const users = [{ username: 'all', password: 'secret', publish: ['#'], subscribe: ['#'] }];
  const { port } = keep(await startBroker({ listen: { address: '127.0.0.1', port: 0 }, users, log }));
  const url = `mqtt://127.0.0.1:${port}`;
  const login = { username: 'all', password: 'secret' };
  const node = keep(await openTestNode({ net4mqtt: { mqtt_url: url, ...net4mqtt } }, login));
  const bus = keep(await connectBus({ url, clientId: 'cloud', ...login, log, required: true }));
  const options = { bus, prefix: 'net4mqtt', name: '_gw-1', session: '00000000000000b2' };
  return { node, bus, local: keep(await openOverlayLocal(options)) };
};

type Claims = { subject?: 'gateway' | 'index'; audience?: string; session?: string; target?: string };

const signed = (claims: Claims) => (session: string) =>
  signGatewayToken(gatewayPrivateKey, gatewayPublicKey, {
    subject: 'gateway',
    audience: 'site-1',
    session,
    target: 'api',
    ...claims,
  });

const fetchAs = (local: OverlayLocal, claims: Claims = {}) =>
  overlayFetch(local, (_agent, session) => signed(claims)(session));

test("a gateway reaches the node's API through the broker, with every right and no token in its requests", async () => {
  const { node, local } = await site();
  const fetch = fetchAs(local);
  const about = await fetch('overlay://site-1/api/node');
  expect(await about.json()).toMatchObject({ alias: 'site-1', node_id: node.nodeId, http: 'overlay://site-1' });
  expect((await fetch('overlay://site-1/api/streams')).status).toBe(200);
  const refused = await fetch('overlay://site-1/whip/cam', { method: 'POST', body: 'no SDP' });
  expect([refused.status, await refused.json()]).toEqual([415, expect.objectContaining({ status: 415 })]);
});

test('a stream is no loopback, and what says another identity by a token is taken for that', async () => {
  const { local } = await site();
  const index = fetchAs(local, { subject: 'index' });
  expect((await index('overlay://site-1/api/streams/cam', { method: 'DELETE' })).status).toBe(403);
  const gateway = fetchAs(local);
  const forged = await gateway('overlay://site-1/api/node', { headers: { authorization: 'Bearer nobody' } });
  expect(forged.status).toBe(401);
});

test.each<[string, Claims]>([
  ['of another node', { audience: 'site-2' }],
  ['of a session that is over', { session: '00000000000000ff' }],
  ['for another target', { target: 'tap' }],
])('a token %s opens nothing', async (_name, claims) => {
  const { local } = await site();
  const failed = fetchAs(local, claims)('overlay://site-1/api/node');
  await expect(failed).rejects.toMatchObject({ cause: { code: 'forbidden' } });
});

test('a short-lived token of direct calls opens no stream', async () => {
  const { local } = await site();
  const token = () =>
    signGatewayToken(gatewayPrivateKey, gatewayPublicKey, { subject: 'gateway', audience: 'site-1', target: 'api' });
  const failed = overlayFetch(local, token)('overlay://site-1/api/node');
  await expect(failed).rejects.toMatchObject({ cause: { code: 'forbidden' } });
});

test('what the configuration allows is dialled, everything else is refused, and what does not answer is named', async () => {
  const server = createServer((socket) => socket.end('from the camera')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const nobody = (gone.address() as { port: number }).port;
  gone.close();
  const { local } = await site({ allow: [`127.0.0.1:${port}`, `127.0.0.1:${nobody}`, 'tap'] });
  const open = (target: string) => local.connect({ agent: 'site-1', target, token: signed({ target }) });
  const failure = async (target: string) => (await once(await open(target), 'error'))[0];
  try {
    expect(String(await buffer(await open(`127.0.0.1:${port}`)))).toBe('from the camera');
    expect(await failure('127.0.0.1:22')).toMatchObject({ code: 'forbidden' });
    expect(await failure('tap')).toMatchObject({ code: 'refused' });
    expect(await failure(`127.0.0.1:${nobody}`)).toMatchObject({ code: 'unreachable', message: /ECONNREFUSED/ });
  } finally {
    server.close();
  }
});

describe('plain sessions of net4mqtt', () => {
  const plainSite = async (net4mqtt: Record<string, unknown>) => {
    const server = createServer((socket) => socket.end('from the camera')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    keep({ [Symbol.asyncDispose]: async () => void server.close() });
    const { port } = server.address() as { port: number };
    const { node, bus } = await site({ allow: ['127.0.0.1:*'], ...net4mqtt });
    const plain = keep(await openPlainLocal({ bus, prefix: 'net4mqtt', name: 'office' }));
    const answer = async (target: number, src: number): Promise<string> => {
      const dst = `127.0.0.1:${target}`;
      const stream = plain.connect({ agent: 'site-1', protocol: 'tcp', src: `127.0.0.1:${src}`, dst });
      stream.write('GET / HTTP/1.0\r\n\r\n');
      return String(await buffer(stream));
    };
    const metric = async (name: string): Promise<number> => {
      const metrics = (await node.app.inject({ method: 'GET', url: '/metrics' })).body;
      return Number(new RegExp(`^weir_${name}(?:\\{[^}]*\\})? (\\d+)`, 'm').exec(metrics)?.[1]);
    };
    return { node, port, plain, answer, metric };
  };

  test('reach what is allowed where they are on, but neither the API nor the tap', async () => {
    const { node, port, answer, metric } = await plainSite({ plain: true });
    expect(await answer(port, 1)).toBe('from the camera');
    expect(await answer(node.httpPort, 2)).toBe('');
    expect(await answer(node.tapPort, 3)).toBe('');
    expect(await metric('overlay_plain_refused_total')).toBe(2);
  });

  test('are not heard by default, which is counted', async () => {
    const { port, plain, metric } = await plainSite({});
    const stream = plain.connect({ agent: 'site-1', protocol: 'tcp', src: '127.0.0.1:1', dst: `127.0.0.1:${port}` });
    stream.write('GET / HTTP/1.0\r\n\r\n');
    await expect.poll(() => metric('overlay_plain_ignored_total')).toBe(1);
    stream.destroy();
  });
});
