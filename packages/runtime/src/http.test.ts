import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { WeirError } from './errors.ts';
import { type HttpOptions, type HttpServer, openHttp } from './http.ts';
import { createLog, silentLog } from './log.ts';
import { createMetrics } from './metrics.ts';

const opened: HttpServer[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server[Symbol.asyncDispose]();
});

const open = (options: Partial<HttpOptions> = {}) => {
  const server = openHttp({ name: 'test', listen: { address: '127.0.0.1', port: 0 }, log: silentLog(), ...options });
  opened.push(server);
  const { app } = server;
  const stream = z.object({ stream: z.string().regex(/^\w+$/) });
  const body = z.strictObject({ base_dir: z.string().optional() }).optional();
  app.post(
    '/api/record/:stream',
    { schema: { params: stream, body, summary: 'Starts a recording' } },
    async (request) => ({
      id: request.params.stream,
      base: request.body?.base_dir ?? null,
    }),
  );
  app.get('/api/record/:stream', { schema: { params: stream } }, async () => ({ recording: false }));
  app.post('/whip/:stream', { bodyLimit: 100 }, async (request) => ({ length: String(request.body).length }));
  app.get('/taken', async () => {
    throw new WeirError('stream_has_publisher', 'cam-1 is published by session 7', { headers: { 'retry-after': '5' } });
  });
  app.get('/broken', async () => {
    throw new Error('select * from accounts where password = 1');
  });
  app.get('/forever', async (_request, reply) => {
    reply.raw.write('HTTP\n');
    reply.hijack();
  });
  return server;
};

const cases: [string, { method: string; url: string; payload?: string; type?: string }, number, string][] = [
  ['unknown path', { method: 'GET', url: '/nowhere' }, 404, 'not_found'],
  ['wrong method', { method: 'PUT', url: '/api/record/cam' }, 405, 'method_not_allowed'],
  ['bad name', { method: 'GET', url: '/api/record/a%20b' }, 400, 'invalid_stream_name'],
  ['broken escape', { method: 'GET', url: '/api/record/%zz' }, 400, 'invalid_path'],
  [
    'unknown field',
    { method: 'POST', url: '/api/record/cam', payload: '{"x":1}', type: 'application/json' },
    400,
    'invalid_body',
  ],
  ['not JSON', { method: 'POST', url: '/api/record/cam', payload: '{', type: 'application/json' }, 400, 'invalid_body'],
  ['wrong type', { method: 'POST', url: '/whip/cam', payload: 'x', type: 'text/html' }, 415, 'unsupported_media_type'],
  [
    'too long',
    { method: 'POST', url: '/whip/cam', payload: 'x'.repeat(101), type: 'application/sdp' },
    413,
    'body_too_large',
  ],
  ['a rule', { method: 'GET', url: '/taken' }, 409, 'stream_has_publisher'],
  ['a mistake of ours', { method: 'GET', url: '/broken' }, 500, 'internal'],
];

test.each(cases)('answers %s with a problem document', async (_name, { method, url, payload, type }, status, code) => {
  const { app } = open();
  const answer = await app.inject({
    method: method as 'GET',
    url,
    ...(payload === undefined ? {} : { payload, headers: { 'content-type': type ?? '' } }),
  });
  expect(answer.headers['content-type']).toContain('application/problem+json');
  expect(answer.statusCode).toBe(status);
  expect(answer.json()).toMatchObject({ code, status, instance: url });
  expect(answer.body).not.toMatch(/select|stack|at \w+ \(/);
});

test('names the field that is wrong and what was expected', async () => {
  const { app } = open();
  const answer = await app.inject({ method: 'POST', url: '/api/record/cam', payload: { base_dir: 7 } });
  expect(answer.json().detail).toBe('body.base_dir: expected string, received number');
});

test('takes a body that is left out, and SDP as text', async () => {
  const { app } = open();
  const headers = { 'content-type': 'application/json' };
  expect((await app.inject({ method: 'POST', url: '/api/record/cam', headers })).json()).toEqual({
    id: 'cam',
    base: null,
  });
  expect((await app.inject({ method: 'POST', url: '/api/record/cam' })).statusCode).toBe(200);
  const sdp = { 'content-type': 'application/sdp' };
  expect((await app.inject({ method: 'POST', url: '/whip/a', payload: 'v=0', headers: sdp })).json()).toEqual({
    length: 3,
  });
});

test('carries headers of an error and the allowed methods', async () => {
  const { app } = open();
  expect((await app.inject('/taken')).headers['retry-after']).toBe('5');
  expect((await app.inject({ method: 'DELETE', url: '/api/record/cam' })).headers.allow).toBe('POST, GET, OPTIONS');
  expect((await app.inject({ method: 'OPTIONS', url: '/whip/cam' })).statusCode).toBe(204);
});

test('is ready only when every check says so in time', async () => {
  const server = open({ checks: { database: async () => 'ok' } });
  expect((await server.app.inject('/readyz')).json()).toEqual({ status: 'ok', checks: { database: { status: 'ok' } } });
  server.addCheck('broker', async () => ({ reason: 'not connected' }));
  server.addCheck('bucket', () => Promise.reject(new Error('no such\nbucket')));
  const answer = await server.app.inject('/readyz');
  expect(answer.statusCode).toBe(503);
  expect(answer.json().checks).toEqual({
    database: { status: 'ok' },
    broker: { status: 'failed', reason: 'not connected' },
    bucket: { status: 'failed', reason: 'no such bucket' },
  });
  expect((await server.app.inject('/healthz')).statusCode).toBe(200);
});

test('lets other origins read the headers of WHIP only where it is switched on', async () => {
  const headers = { origin: 'https://example.org', 'access-control-request-method': 'POST' };
  const preflight = await open({ cors: true }).app.inject({ method: 'OPTIONS', url: '/whip/cam', headers });
  expect(preflight.statusCode).toBe(204);
  expect(preflight.headers['access-control-allow-headers']).toContain('Authorization');
  const closed = await open().app.inject({ method: 'OPTIONS', url: '/whip/cam', headers });
  expect(closed.headers['access-control-allow-origin']).toBeUndefined();
  const refused = await open({ cors: true }).app.inject({ url: '/taken', headers: { origin: 'https://example.org' } });
  expect(refused.headers['access-control-expose-headers']).toContain('Location');
});

test('serves metrics and an OpenAPI document of its routes', async () => {
  const metrics = createMetrics('test');
  let lost = 3;
  metrics.counted('lost_total', 'Messages lost', () => lost);
  const { app } = open({ metrics });
  expect((await app.inject('/metrics')).body).toContain('weir_lost_total{service="test"} 3');
  lost = 4;
  const later = (await app.inject('/metrics')).body;
  expect(later.split('\n')).toContain('weir_lost_total{service="test"} 4');
  expect(later).toContain('process_cpu_seconds_total');
  const document = (await app.inject('/api/openapi.json')).json();
  expect(document.paths['/api/record/{stream}'].post).toMatchObject({
    summary: 'Starts a recording',
    parameters: [{ name: 'stream', in: 'path', required: true }],
  });
  expect(document.paths['/healthz']).toBeUndefined();
});

test('says in one line that its port is taken', async () => {
  const first = open();
  const { port, url } = await first.listen();
  expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ status: 'ok' });
  const second = open({ listen: { address: '127.0.0.1', port } });
  await expect(second.listen()).rejects.toMatchObject({
    code: 'port_in_use',
    message: `test: 127.0.0.1:${port} is in use: stop the other program or set another port`,
  });
});

test('closes in bounded time although a client keeps its answer open', async () => {
  const server = open({ closeTimeoutMs: 50 });
  const { port } = await server.listen();
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /forever HTTP/1.1\r\nhost: a\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  await server[Symbol.asyncDispose]();
  await closed;
});

const say = (port: number, text: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString();
    });
    socket.on('error', () => undefined).on('close', () => resolve(heard));
  });

test.each([
  ['is no HTTP', 'what is this\r\n\r\n', 400],
  ['has a header that is too long', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
])('answers what %s with a problem document, and closes the connection', async (_name, text, status) => {
  const { port } = await open().listen();
  const [head = '', body = ''] = (await say(port, text)).split('\r\n\r\n');
  expect(head.split('\r\n')[0]).toMatch(`HTTP/1.1 ${status} `);
  expect(head).toContain('Content-Type: application/problem+json');
  expect(JSON.parse(body)).toMatchObject({ code: 'invalid_request', status });
});

test('closes at once although clients hold connections open, without a request or with half of one', async () => {
  const server = open({ closeTimeoutMs: 60_000 });
  const { port } = await server.listen();
  const arrived = Promise.withResolvers<void>();
  server.app.server.on('connection', (socket) => socket.once('data', () => arrived.resolve()));
  const silent = connect(port, '127.0.0.1');
  const hesitant = connect(port, '127.0.0.1', () => hesitant.write('GET /healthz HT'));
  const closed = [silent, hesitant].map((socket) => new Promise((resolve) => socket.resume().once('close', resolve)));
  await arrived.promise;
  await server[Symbol.asyncDispose]();
  await Promise.all(closed);
});

test('sends a running event stream to its end when it closes, and then closes that connection too', async () => {
  const server = open({ closeTimeoutMs: 60_000 });
  const started = Promise.withResolvers<ServerResponse>();
  server.app.get('/events', (_request, reply) => {
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.raw.write('data: first\n\n');
    started.resolve(reply.raw);
    reply.hijack();
  });
  const { port } = await server.listen();
  const heard = say(port, 'GET /events HTTP/1.1\r\nhost: a\r\n\r\n');
  const response = await started.promise;
  const closed = server[Symbol.asyncDispose]();
  await new Promise((resolve) => setImmediate(resolve));
  response.end('data: last\n\n');
  expect(await heard).toContain('data: last');
  await closed;
});

test('tells the log no query, where a signed URL has its signature', async () => {
  const lines: string[] = [];
  const log = createLog('test', { level: 'debug', format: 'json', destination: { write: (line) => lines.push(line) } });
  await open({ log }).app.inject('/api/record/cam?signature=hush');
  expect(lines.some((line) => line.includes('/api/record/cam'))).toBe(true);
  expect(lines.join('')).not.toContain('hush');
});

test('believes what a proxy on this machine says of its caller, only where it may be behind one', async () => {
  const from = async (behindProxy: boolean, remoteAddress: string): Promise<string> => {
    const { app } = open({ behindProxy });
    app.get('/from', async ({ ip, protocol }) => `${protocol} ${ip}`);
    // What the client itself claims stands first; the proxy adds whom it saw.
    const headers = { 'x-forwarded-for': '10.9.9.9, 10.0.0.7', 'x-forwarded-proto': 'https' };
    return (await app.inject({ url: '/from', remoteAddress, headers })).body;
  };
  expect(await from(true, '127.0.0.1')).toBe('https 10.0.0.7');
  expect(await from(true, '::ffff:127.0.0.1')).toBe('https 10.0.0.7');
  expect(await from(true, '10.0.0.8')).toBe('http 10.0.0.8');
  expect(await from(false, '127.0.0.1')).toBe('http 127.0.0.1');
});
