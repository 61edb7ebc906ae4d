import type { KeyObject } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { liveStream, openFixture, startFakeNode } from './gateway-fixture.ts';

const sdp = { 'content-type': 'application/sdp' };
const created = (stream: string, session: string) => ({
  status: 201,
  headers: {
    'content-type': 'application/sdp',
    location: `/session/${stream}/${session}`,
    'accept-patch': 'application/trickle-ice-sdpfrag',
    link: '<stun:a>; rel="ice-server", <turn:b>; rel="ice-server"; username="u, v"',
  },
  body: 'v=0 answer',
});

const openWithNode = async (names: string[] = ['site-1']) => {
  const key = Promise.withResolvers<KeyObject>();
  const nodes = await Promise.all(names.map((name) => startFakeNode(name, key.promise)));
  const fixed = names.map((alias, index) => ({ alias, url: nodes[index]?.url }));
  const gateway = await openFixture({ nodes: fixed });
  key.resolve(gateway.secrets.gatewayPublicKey);
  onTestFinished(async () => {
    await gateway[Symbol.asyncDispose]();
    await Promise.all(nodes.map((node) => node.stop()));
  });
  return { gateway, nodes, node: nodes[0]! };
};

test('a publisher is sent to a node, and his session is reached through the gateway', async () => {
  const { gateway, node } = await openWithNode();
  const { app, user } = gateway;
  const headers = await user('alice', 'cam-1', ['publish']);
  node.answers.set('POST /whip/cam-1', created('cam-1', 's1'));
  node.answers.set('PATCH /session/cam-1/s1', { status: 204, headers: { etag: '"x"' } });
  node.answers.set('DELETE /session/cam-1/s1', { status: 200 });
  const answer = await app.inject({
    method: 'POST',
    url: '/whip/cam-1',
    headers: { ...headers, ...sdp },
    payload: 'v=0 offer',
  });
  expect(answer.statusCode).toBe(201);
  expect(answer.body).toBe('v=0 answer');
  expect(answer.headers.location).toBe('/session/cam-1/s1');
  expect(answer.headers['content-type']).toBe('application/sdp');
  expect(answer.headers.link).toEqual(['<stun:a>; rel="ice-server"', '<turn:b>; rel="ice-server"; username="u, v"']);
  expect(node.seen[0]).toMatchObject({ method: 'POST', body: 'v=0 offer' });
  expect(node.seen[0]?.headers.authorization).not.toBe(headers.authorization);
  const patch = await app.inject({
    method: 'PATCH',
    url: '/session/cam-1/s1',
    headers: { ...headers, 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '"t"' },
    payload: 'a=candidate',
  });
  expect(patch.statusCode).toBe(204);
  expect(node.seen[1]).toMatchObject({ body: 'a=candidate', headers: { 'if-match': '"t"' } });
  expect((await app.inject({ method: 'DELETE', url: '/session/cam-1/s1', headers })).statusCode).toBe(200);
});

test('a session is changed by who made it or who manages the stream, and by nobody else', async () => {
  const { gateway, node } = await openWithNode();
  const { app, user, admin } = gateway;
  node.streams.push(liveStream('cam-1'));
  node.answers.set('POST /whep/cam-1', created('cam-1', 's2'));
  node.answers.set('DELETE /session/cam-1/s2', { status: 200 });
  node.answers.set('DELETE /session/cam-1/elsewhere', { status: 200 });
  const alice = await user('alice', '*', ['subscribe']);
  const bob = await user('bob', '*', ['subscribe', 'publish']);
  const offer = { method: 'POST', url: '/whep/cam-1', headers: { ...alice, ...sdp }, payload: 'v=0' } as const;
  expect((await app.inject(offer)).statusCode).toBe(201);
  const end = (session: string, headers: object) =>
    app.inject({ method: 'DELETE', url: `/session/cam-1/${session}`, headers: { ...headers } });
  expect((await end('s2', bob)).statusCode).toBe(403);
  expect((await end('s2', alice)).statusCode).toBe(200);
  expect((await end('elsewhere', alice)).statusCode).toBe(403);
  expect((await end('elsewhere', admin)).statusCode).toBe(200);
});

test('streams belong to the node that holds them', async () => {
  const { gateway, nodes } = await openWithNode(['site-1', 'site-2']);
  nodes[1]!.streams.push(liveStream('cam-2'));
  for (const [index, node] of nodes.entries()) {
    node.answers.set('POST /whip/cam-2', {
      status: 409,
      headers: { 'content-type': 'application/problem+json' },
      body: '{"code":"stream_has_publisher"}',
    });
    node.answers.set('POST /whep/cam-2', created('cam-2', `on-${index + 1}`));
    node.answers.set('GET /api/record/cam-2', {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"recording":false}',
    });
  }
  const { app, admin } = gateway;
  const whep = await app.inject({ method: 'POST', url: '/whep/cam-2', headers: { ...admin, ...sdp }, payload: 'v=0' });
  expect(whep.headers.location).toBe('/session/cam-2/on-2');
  const whip = await app.inject({ method: 'POST', url: '/whip/cam-2', headers: { ...admin, ...sdp }, payload: 'v=0' });
  expect([whip.statusCode, whip.json().code]).toEqual([409, 'stream_has_publisher']);
  expect((await app.inject({ url: '/api/record/cam-2', headers: admin })).json()).toEqual({ recording: false });
  expect(nodes[0]!.seen).toEqual([]);
  expect(nodes[1]!.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'POST /whep/cam-2',
    'POST /whip/cam-2',
    'GET /api/record/cam-2',
  ]);
  expect((await app.inject({ url: '/api/streams', headers: admin })).json()).toMatchObject([
    { id: 'cam-2', node: 'site-2' },
  ]);
  expect((await app.inject({ url: '/api/streams/cam-2', headers: admin })).json()).toMatchObject({ node: 'site-2' });
  expect((await app.inject({ url: '/api/nodes', headers: admin })).json()).toMatchObject([
    { alias: 'site-1', status: 'running' },
    { alias: 'site-2', status: 'running', streams: 1 },
  ]);
});

test('a node of [[nodes]] tells without a broker who it is and which spools it has', async () => {
  const { gateway } = await openWithNode();
  const { app, admin } = gateway;
  // A stream that nobody knows: the nodes are asked, and waited for.
  await app.inject({ url: '/api/streams/nobody', headers: admin });
  expect((await app.inject({ url: '/api/nodes', headers: admin })).json()).toMatchObject([
    {
      alias: 'site-1',
      node_id: 'id-of-site-1',
      version: '0.1.0',
      spools: [{ spool: 'aaaaaaaa-0000-4000-8000-000000000001', level: 'ok', free_bytes: 1_000 }],
    },
  ]);
});

test('a recording is ordered at the node of its stream', async () => {
  const { gateway, node } = await openWithNode();
  node.streams.push(liveStream('cam-1'));
  const body = {
    id: 'cam-1',
    record_id: '1762842203',
    record_dir: 'cam-1/1762842203',
    mpd_path: 'cam-1/1762842203/manifest.mpd',
  };
  node.answers.set('POST /api/record/cam-1', {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { app, admin } = gateway;
  const order = { method: 'POST', url: '/api/record/cam-1', headers: admin } as const;
  const answer = await app.inject({ ...order, payload: { base_dir: 'trips/7' } });
  expect(answer.json()).toEqual(body);
  expect(node.seen[0]?.body).toBe('{"base_dir":"trips/7"}');
  const headers = await gateway.user('operator', 'cam-*', ['admin']);
  const elsewhere = await app.inject({ ...order, headers, payload: { base_dir: 'trips/7' } });
  expect([elsewhere.statusCode, elsewhere.json().code, node.seen.length]).toEqual([403, 'forbidden', 1]);
  expect((await app.inject({ ...order, headers, payload: { base_dir: 'cam-2/7' } })).statusCode).toBe(200);
  expect((await app.inject({ ...order, payload: { base: 'x' } })).statusCode).toBe(400);
  expect((await app.inject(order)).statusCode).toBe(200);
});

test.each([
  ['a stream nobody has', 'POST', '/whep/cam-9', 'v=0', 404, 'stream_not_found'],
  ['a bad stream name', 'POST', '/whip/-cam', 'v=0', 400, 'invalid_stream_name'],
  ["a gateway's own name", 'POST', '/whip/cam-1@site-1', 'v=0', 400, 'invalid_stream_name'],
  ['an empty offer', 'POST', '/whip/cam-1', '', 400, 'invalid_body'],
  ['an oversized offer', 'POST', '/whip/cam-1', 'v'.repeat(65_537), 413, 'body_too_large'],
  ['a session with a bad name', 'DELETE', '/session/cam-1/..%2f', 'v=0', 404, 'session_not_found'],
] as const)('%s is refused and nothing reaches a node', async (_, method, url, payload, status, code) => {
  const { gateway, node } = await openWithNode();
  const answer = await gateway.app.inject({ method, url, headers: { ...gateway.admin, ...sdp }, payload });
  expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
  expect(node.seen).toEqual([]);
});

test('an offer that is not SDP is refused by its type', async () => {
  const { gateway } = await openWithNode();
  for (const type of ['application/json', 'text/plain']) {
    const headers = { ...gateway.admin, 'content-type': type };
    const answer = await gateway.app.inject({ method: 'POST', url: '/whip/cam-1', headers, payload: '"v=0"' });
    expect([type, answer.statusCode]).toEqual([type, 415]);
  }
});

test('without any node there is nowhere to publish or play', async () => {
  await using gateway = await openFixture();
  for (const url of ['/whip/cam-1', '/whep/cam-1']) {
    const answer = await gateway.app.inject({
      method: 'POST',
      url,
      headers: { ...gateway.admin, ...sdp },
      payload: 'v=0',
    });
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'node_unreachable']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  }
});

test('a node that has gone, or that takes no token of ours, is named', async () => {
  const { gateway, node } = await openWithNode();
  const { app, admin } = gateway;
  node.streams.push(liveStream('cam-1'));
  await app.inject({ url: '/api/streams/cam-1', headers: admin });
  node.answers.set('POST /whep/cam-1', { status: 401 });
  const offer = { method: 'POST', url: '/whep/cam-1', headers: { ...admin, ...sdp }, payload: 'v=0' } as const;
  const refused = await app.inject(offer);
  expect([refused.statusCode, refused.json().code]).toEqual([502, 'node_unreachable']);
  await node.stop();
  const gone = await app.inject(offer);
  expect([gone.statusCode, gone.json().code]).toEqual([502, 'node_unreachable']);
  expect(gone.json().detail).toContain('site-1');
});

test('endpoints tell browsers of other origins what they take, without credentials', async () => {
  const { gateway } = await openWithNode();
  const { app, admin } = gateway;
  for (const [url, name, value] of [
    ['/whip/cam-1', 'accept-post', 'application/sdp'],
    ['/whep/cam-1', 'accept-post', 'application/sdp'],
    ['/session/cam-1/s1', 'accept-patch', 'application/trickle-ice-sdpfrag'],
  ] as const) {
    const answer = await app.inject({ method: 'OPTIONS', url });
    expect([url, answer.statusCode, answer.headers[name]]).toEqual([url, 200, value]);
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(answer.headers['access-control-expose-headers']).toContain('Location');
  }
  const found = await app.inject({ method: 'HEAD', url: '/whep/cam-1', headers: admin });
  expect([found.statusCode, found.headers['content-type']]).toEqual([200, 'application/sdp']);
});
