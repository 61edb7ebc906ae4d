import { nodeStatus } from '@weir/contracts';
import { issueToken, signGatewayToken } from '@weir/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestNode, testSecrets } from './test-node.ts';

type Node = Awaited<ReturnType<typeof openTestNode>>;
type Call = { method?: string; url: string; token?: string | null; type?: string; body?: string };

let node: Node;
beforeAll(async () => {
  node = await openTestNode({
    ice_servers: [{ urls: ['stun:stun.example.net'] }] as never,
    recorder: { auto_streams: [] },
  });
});
afterAll(() => node[Symbol.asyncDispose]());

const call = async ({ method = 'POST', url, token = testSecrets.apiToken, type, body }: Call, to: Node = node) => {
  const answer = await to.app.inject({
    method: method as 'POST',
    url,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(type === undefined ? {} : { 'content-type': type }),
    },
    ...(body === undefined ? {} : { payload: body }),
  });
  const isProblem = answer.headers['content-type']?.toString().startsWith('application/problem+json') === true;
  return { answer, code: isProblem ? (answer.json() as { code: string }).code : null };
};

const sdp = 'application/sdp';
const fragment = 'application/trickle-ice-sdpfrag';
const gatewayToken = (subject: 'gateway' | 'index') =>
  signGatewayToken(testSecrets.gatewayPrivateKey, testSecrets.gatewayPublicKey, { subject, audience: 'site-1' });
const userToken = (streams: string, ...rights: ('publish' | 'subscribe' | 'admin')[]) =>
  issueToken(testSecrets.jwtSecret, { subject: 'ann', streams, rights: new Set(rights), ttlSeconds: 60 });

describe('bad input is refused with a problem document, and nothing is created', () => {
  const cases: [string, Call, number, string][] = [
    ['no token', { url: '/whip/cam-1', token: null, type: sdp, body: 'v=0' }, 401, 'unauthorized'],
    ['a wrong token', { url: '/whip/cam-1', token: 'wrong', type: sdp, body: 'v=0' }, 401, 'unauthorized'],
    ['no token on the list of streams', { method: 'GET', url: '/api/streams', token: null }, 401, 'unauthorized'],
    ['no token on the API document', { method: 'GET', url: '/api/openapi.json', token: null }, 401, 'unauthorized'],
    ['a stream name with a leading dot', { url: '/whip/.cam', type: sdp, body: 'v=0' }, 400, 'invalid_stream_name'],
    ['a stream name with a slash', { url: '/whip/a%2Fb', type: sdp, body: 'v=0' }, 400, 'invalid_stream_name'],
    ['a stream name that climbs', { url: '/whip/..%2Fb', type: sdp, body: 'v=0' }, 400, 'invalid_stream_name'],
    [
      'a stream name that is long',
      { url: `/whip/${'a'.repeat(129)}`, type: sdp, body: 'v=0' },
      400,
      'invalid_stream_name',
    ],
    ['a stream name that is not ASCII', { url: '/whip/k%C3%A4se', type: sdp, body: 'v=0' }, 400, 'invalid_stream_name'],
    ['a cascade with a bad half', { url: '/whip/cam@.x', type: sdp, body: 'v=0' }, 400, 'invalid_stream_name'],
    ["a cascade's name without a gateway's token", { url: '/whip/cam@site', type: sdp, body: 'v=0' }, 403, 'forbidden'],
    [
      'JSON in place of SDP',
      { url: '/whip/cam-1', type: 'application/json', body: '{}' },
      415,
      'unsupported_media_type',
    ],
    ['an unknown type', { url: '/whip/cam-1', type: 'text/html', body: 'v=0' }, 415, 'unsupported_media_type'],
    ['no type', { url: '/whip/cam-1', body: 'v=0' }, 415, 'unsupported_media_type'],
    ['an empty body', { url: '/whip/cam-1', type: sdp, body: '' }, 400, 'invalid_sdp'],
    ['no body', { url: '/whip/cam-1', type: sdp }, 400, 'invalid_sdp'],
    ['a body that is no SDP', { url: '/whip/cam-1', type: `${sdp}; charset=utf-8`, body: 'hello' }, 400, 'invalid_sdp'],
    ['SDP without media', { url: '/whip/cam-1', type: sdp, body: 'v=0\r\ns=-\r\n' }, 400, 'invalid_sdp'],
    ['an oversized offer', { url: '/whip/cam-1', type: sdp, body: `v=0${' '.repeat(65_536)}` }, 413, 'body_too_large'],
    ['a viewer without a publisher', { url: '/whep/cam-1', type: sdp, body: 'v=0' }, 409, 'stream_has_no_publisher'],
    ['PUT on an endpoint', { method: 'PUT', url: '/whip/cam-1' }, 405, 'method_not_allowed'],
    [
      'a fragment for no session',
      { method: 'PATCH', url: '/session/cam-1/x', type: fragment, body: 'a=x' },
      404,
      'session_not_found',
    ],
    ['the end of no session', { method: 'DELETE', url: '/session/cam-1/x' }, 404, 'session_not_found'],
    ['an unknown stream', { method: 'GET', url: '/api/streams/cam-1' }, 404, 'stream_not_found'],
    ['the end of an unknown stream', { method: 'DELETE', url: '/api/streams/cam-1' }, 404, 'stream_not_found'],
    ['recording an unknown stream', { url: '/api/record/cam-1' }, 404, 'stream_not_found'],
    [
      'recording into a path that climbs',
      { url: '/api/record/cam-1', type: 'application/json', body: '{"base_dir":"a/../b"}' },
      400,
      'invalid_path',
    ],
    [
      'recording into a path that leaves no room for its files',
      { url: '/api/record/cam-1', type: 'application/json', body: `{"base_dir":"${'abcde/fghi'.repeat(49)}"}` },
      400,
      'invalid_path',
    ],
    [
      'recording into a name that no file system takes',
      { url: '/api/record/cam-1', type: 'application/json', body: `{"base_dir":"${'a'.repeat(256)}"}` },
      400,
      'invalid_path',
    ],
    [
      'recording with an unknown field',
      { url: '/api/record/cam-1', type: 'application/json', body: '{"dir":"a"}' },
      400,
      'invalid_body',
    ],
    [
      'recording with broken JSON',
      { url: '/api/record/cam-1', type: 'application/json', body: '{' },
      400,
      'invalid_body',
    ],
    ['stopping what is not recorded', { method: 'DELETE', url: '/api/record/cam-1' }, 404, 'not_recording'],
    [
      'rows without an index token',
      {
        url: '/api/recordings/rows',
        type: 'application/json',
        body: '{"index":"i","spool":"0123456789abcdef","since":0}',
      },
      403,
      'forbidden',
    ],
    ['a route that is not built', { url: '/api/cascade/cam-1' }, 501, 'not_implemented'],
    ['a route that does not exist', { method: 'GET', url: '/nothing' }, 404, 'not_found'],
  ];
  test.each(cases)('%s', async (_, request, status, expected) => {
    const { answer, code } = await call(request);
    expect([answer.statusCode, code]).toEqual([status, expected]);
    expect([node.core.streams.size, node.core.sessions.size]).toEqual([0, 0]);
  });
});

test('what a refusal tells a client: how to authenticate, when to come back, which methods there are', async () => {
  const anonymous = await call({ url: '/whip/cam-1', token: null });
  expect(anonymous.answer.headers['www-authenticate']).toMatch(/^Bearer/);
  const early = await call({ url: '/whep/cam-1', type: sdp, body: 'v=0' });
  expect(Number(early.answer.headers['retry-after'])).toBeGreaterThan(0);
  const put = await call({ method: 'PUT', url: '/whip/cam-1' });
  expect(put.answer.headers.allow).toContain('POST');
});

test('OPTIONS answers 200 with what is accepted and from where, without a token', async () => {
  for (const url of ['/whip/cam-1', '/whep/cam-1']) {
    const { answer } = await call({ method: 'OPTIONS', url, token: null });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({ 'accept-post': sdp, 'access-control-allow-origin': '*' });
    expect(answer.headers['access-control-expose-headers']).toContain('Location');
  }
});

test('GET on an endpoint succeeds and says nothing, HEAD tells the type', async () => {
  for (const url of ['/whip/cam-1', '/whep/cam-1']) {
    const got = await call({ method: 'GET', url, token: null });
    expect([got.answer.statusCode, got.answer.body]).toEqual([204, '']);
    const head = await call({ method: 'HEAD', url, token: null });
    expect([head.answer.statusCode, head.answer.headers['content-type'], head.answer.body]).toEqual([200, sdp, '']);
  }
});

test('health and readiness are open, metrics are open on this machine', async () => {
  for (const url of ['/healthz', '/readyz', '/metrics']) {
    expect((await call({ method: 'GET', url, token: null })).answer.statusCode).toBe(200);
  }
  const proxied = await node.app.inject({ url: '/metrics', headers: { 'x-forwarded-for': '192.0.2.1' } });
  expect(proxied.statusCode).toBe(401);
  const disguised = await node.app.inject({ url: '/%6Detrics', headers: { 'x-forwarded-for': '192.0.2.1' } });
  expect([401, 404]).toContain(disguised.statusCode);
  const { answer } = await call({ method: 'GET', url: '/metrics' });
  expect(answer.body).toMatch(/^weir_streams\{[^}]*\} 0$/m);
  expect(answer.body).toContain('weir_ring_overflowed_packets_total');
});

test("a user's token is good for its streams and rights alone", async () => {
  const token = await userToken('cam-*', 'subscribe');
  const asked = async (request: Call) => (await call({ ...request, token })).answer.statusCode;
  expect(await asked({ url: '/whip/cam-1', type: sdp, body: 'v=0' })).toBe(403);
  expect(await asked({ url: '/whep/cam-1', type: sdp, body: 'v=0' })).toBe(409);
  expect(await asked({ url: '/whep/other', type: sdp, body: 'v=0' })).toBe(403);
  expect(await asked({ url: '/api/record/cam-1' })).toBe(403);
  expect(await asked({ method: 'GET', url: '/api/record/cam-1' })).toBe(200);
  const admin = await userToken('cam-*', 'admin');
  const into = async (base_dir: string, token?: string) => {
    const body = JSON.stringify({ base_dir });
    const order = { url: '/api/record/cam-1', type: 'application/json', body, ...(token ? { token } : {}) };
    return (await call(order)).code;
  };
  // What is let in is refused later, since nobody publishes the stream.
  expect(await into('cam-2/shows', admin)).toBe('stream_not_found');
  for (const baseDir of ['vict/1762842203/v_seg_0005.m4s', 'shows', 'cam', '']) {
    expect([baseDir, await into(baseDir, admin)]).toEqual([baseDir, 'forbidden']);
  }
  expect(await into('shows/monday')).toBe('stream_not_found');
  expect(await asked({ method: 'DELETE', url: '/api/streams/cam-1' })).toBe(403);
  expect(await asked({ method: 'GET', url: '/api/streams' })).toBe(200);
});

test("a gateway's token may publish a cascade, the index's may only pull rows", async () => {
  const gateway = await gatewayToken('gateway');
  const cascade = await call({ url: '/whip/cam-1@site-2', type: sdp, body: 'hello', token: gateway });
  expect(cascade.code).toBe('invalid_sdp');
  const index = await gatewayToken('index');
  expect((await call({ url: '/whip/cam-1', type: sdp, body: 'v=0', token: index })).code).toBe('forbidden');
  const body = JSON.stringify({ index: 'i', spool: '0123456789abcdef', since: 0 });
  const rows = await call({ url: '/api/recordings/rows', type: 'application/json', body, token: index });
  expect([rows.answer.statusCode, rows.code]).toEqual([503, 'recorder_absent']);
});

test('the node tells its status to index, gateway and administrators alone', async () => {
  for (const token of [await gatewayToken('index'), await gatewayToken('gateway'), testSecrets.apiToken]) {
    const { answer } = await call({ method: 'GET', url: '/api/node', token });
    expect(nodeStatus.parse(answer.json())).toMatchObject({ online: true, alias: 'site-1', spools: [] });
  }
  const viewer = await userToken('*', 'subscribe');
  expect((await call({ method: 'GET', url: '/api/node', token: viewer })).code).toBe('forbidden');
});

test('a switched-off recorder answers 501 on all its routes', async () => {
  await using off = await openTestNode({ recorder: { enabled: false } });
  for (const method of ['POST', 'GET', 'DELETE']) {
    const { answer, code } = await call({ method, url: '/api/record/cam-1' }, off);
    expect([answer.statusCode, code]).toEqual([501, 'recorder_disabled']);
  }
});

test('with authentication switched off every door is open', async () => {
  await using open = await openTestNode({ auth: { enabled: false } });
  const { code } = await call({ url: '/whep/cam-1', type: sdp, body: 'v=0', token: null }, open);
  expect(code).toBe('stream_has_no_publisher');
});
