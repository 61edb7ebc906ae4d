import { openHttp, silentLog } from '@weir/runtime';
import { expect, test } from 'vitest';
import { openFixture } from './gateway-fixture.ts';
import { addPageRoutes } from './page-routes.ts';

test('nothing but the page, login and health is open', async () => {
  await using gateway = await openFixture();
  const { app } = gateway;
  const closed: [string, string][] = [
    ['GET', '/api/nodes'],
    ['GET', '/api/streams'],
    ['GET', '/api/streams/cam-1'],
    ['GET', '/api/sse/streams'],
    ['GET', '/api/playback'],
    ['GET', '/api/playback/cam-1'],
    ['GET', '/api/record/object/cam-1/1762842203/manifest.mpd'],
    ['HEAD', '/api/record/object/cam-1/1762842203/manifest.mpd'],
    ['GET', '/api/record/cam-1'],
    ['POST', '/api/record/cam-1'],
    ['DELETE', '/api/record/cam-1'],
    ['POST', '/api/storage/presign'],
    ['GET', '/api/storage/ping'],
    ['POST', '/api/token'],
    ['GET', '/api/openapi.json'],
    ['GET', '/metrics'],
    ['POST', '/whip/cam-1'],
    ['POST', '/whep/cam-1'],
    ['GET', '/whep/cam-1'],
    ['PATCH', '/session/cam-1/abc'],
    ['DELETE', '/session/cam-1/abc'],
    ['POST', '/api/cascade/cam-1'],
    ['GET', '/api/playback/cam-1/timeline?from=0&to=1'],
    ['GET', '/no/such/path'],
    ['GET', '/../etc/passwd'],
  ];
  for (const [method, url] of closed) {
    const answer = await app.inject({ method: method as 'GET', url });
    expect([method, url, answer.statusCode]).toEqual([method, url, 401]);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    if (method !== 'HEAD') expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  }
  for (const url of ['/', '/assets/main-1a2b3c.js', '/healthz', '/readyz'])
    expect([url, (await app.inject(url)).statusCode]).toEqual([url, 200]);
});

test('every route of the gateway names who may call it', async () => {
  await using gateway = await openFixture();
  const { app, admin } = gateway;
  const document = (await app.inject({ url: '/api/openapi.json', headers: admin })).json();
  const open = ['/api/login'];
  for (const [path, methods] of Object.entries<object>(document.paths))
    for (const method of Object.keys(methods)) {
      const url = path.replace('{stream}', 'cam-1').replace('{session}', 's1').replace('{path}', 'a/b');
      const answer = await app.inject({ method: method.toUpperCase() as 'GET', url });
      expect([method, path, answer.statusCode === 401]).toEqual([method, path, !open.includes(path)]);
    }
});

test('a token opens what its rights say and no more', async () => {
  await using gateway = await openFixture();
  const { app, user } = gateway;
  const viewer = await user('viewer', 'cam-1', ['subscribe']);
  const reader = await user('reader', '*', ['subscribe']);
  const table: [string, string, { authorization: string }, number][] = [
    ['GET', '/api/playback', viewer, 403],
    ['GET', '/api/playback/cam-1', viewer, 200],
    ['GET', '/api/playback/cam-2', viewer, 403],
    ['GET', '/api/record/object/cam-2/day-20260101.mpd', viewer, 403],
    ['GET', '/api/record/object/cam-1/day-20260101.mpd', viewer, 404],
    ['GET', '/api/record/object/cam-1/1762842203/manifest.mpd', viewer, 403],
    ['POST', '/whip/cam-1', viewer, 403],
    ['GET', '/api/nodes', viewer, 403],
    ['GET', '/api/nodes', reader, 200],
    ['GET', '/metrics', viewer, 200],
    ['POST', '/api/record/cam-1', reader, 403],
    ['POST', '/api/token', reader, 403],
    ['GET', '/api/nodes', { authorization: 'Bearer forged' }, 401],
    ['GET', '/api/nodes', { authorization: 'Basic YTpi' }, 401],
    ['GET', `/api/nodes?access_token=${gateway.secrets.apiToken}`, { authorization: '' }, 401],
  ];
  for (const [method, url, headers, status] of table) {
    const answer = await app.inject({ method: method as 'GET', url, headers });
    expect([method, url, answer.statusCode]).toEqual([method, url, status]);
  }
});

test('a token that has expired opens nothing', async () => {
  await using gateway = await openFixture();
  const headers = await gateway.user('viewer', '*', ['subscribe']);
  gateway.clock.nowMs = 2 * 3_600_000;
  const answer = await gateway.app.inject({ url: '/api/nodes', headers });
  expect(answer.statusCode).toBe(401);
  expect(answer.headers['www-authenticate']).toContain('invalid_token');
});

test('authentication that is switched off opens every door', async () => {
  await using gateway = await openFixture({ auth: { enabled: false } });
  expect((await gateway.app.inject('/api/nodes')).json()).toEqual([]);
});

test('every answer carries the headers that keep a browser from misusing it', async () => {
  await using gateway = await openFixture();
  for (const url of ['/', '/api/nodes', '/healthz']) {
    const { headers } = await gateway.app.inject(url);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['content-security-policy']).toContain("media-src 'self' blob:");
  }
});

test('what is not built yet says so by name', async () => {
  await using gateway = await openFixture();
  const { app, admin } = gateway;
  for (const [method, url, name] of [
    ['POST', '/api/cascade/cam-1', 'cascade'],
    ['GET', '/api/hls/cam-1/index.m3u8', 'HLS'],
    ['GET', '/api/clip/cam-1', 'clip'],
    ['GET', '/api/thumbnails/cam-1', 'thumbnails'],
  ] as const) {
    const answer = await app.inject({ method, url, headers: admin });
    expect([url, answer.statusCode, answer.json().code]).toEqual([url, 501, 'not_implemented']);
    expect(answer.json().detail).toContain(name);
  }
});

test('the page is revalidated and its assets never change', async () => {
  await using gateway = await openFixture();
  expect((await gateway.app.inject('/')).headers['cache-control']).toBe('no-cache');
  expect((await gateway.app.inject('/assets/main-1a2b3c.js')).headers['cache-control']).toContain('immutable');
});

test('without the built page the gateway says how to build it', async () => {
  const app = openHttp({ name: 'gateway', listen: { address: '127.0.0.1', port: 0 }, log: silentLog() }).app;
  addPageRoutes(app, '/no/such/directory');
  const answer = await app.inject('/');
  expect([answer.statusCode, answer.json().code]).toEqual([503, 'not_ready']);
  expect(answer.json().detail).toContain('npm start');
});
