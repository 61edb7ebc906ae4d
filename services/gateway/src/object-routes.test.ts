import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { type GatewayFixture, openFixture, storedRecording } from './gateway-fixture.ts';

const place = async (gateway: GatewayFixture, key: string, text: string) => {
  const path = join(gateway.directory, 'bucket', key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
};
const dir = 'cam-1/1762842203';
const read = (gateway: GatewayFixture, path: string, headers: object = {}, method: 'GET' | 'HEAD' = 'GET') =>
  gateway.app.inject({ method, url: `/api/record/object/${path}`, headers: { ...gateway.admin, ...headers } });

test.each([
  ['manifest.mpd', 'application/dash+xml', 'no-cache'],
  ['record.json', 'application/json', 'no-cache'],
  ['v_init.m4s', 'video/mp4', 'immutable'],
  ['a_init_2.m4s', 'audio/mp4', 'immutable'],
  ['v_seg_0001.m4s', 'video/mp4', 'immutable'],
  ['a_seg_10000.m4s', 'audio/mp4', 'immutable'],
])('%s is served as %s', async (name, type, caching) => {
  await using gateway = await openFixture();
  await place(gateway, `${dir}/${name}`, '0123456789');
  const answer = await read(gateway, `${dir}/${name}`);
  expect([answer.statusCode, answer.body]).toEqual([200, '0123456789']);
  expect(answer.headers['content-type']?.toString().split(';')[0]).toBe(type);
  expect(answer.headers['cache-control']).toContain(caching);
  expect(answer.headers['content-length']).toBe('10');
  const head = await read(gateway, `${dir}/${name}`, {}, 'HEAD');
  expect([head.statusCode, head.body, head.headers['content-length']]).toEqual([200, '', '10']);
  expect(head.headers.etag).toBe(answer.headers.etag);
});

test('ranges are served as RFC 9110 has them', async () => {
  await using gateway = await openFixture();
  const path = `${dir}/v_seg_0001.m4s`;
  await place(gateway, path, '0123456789');
  const { etag } = (await read(gateway, path)).headers;
  const table: [object, number, string, string | undefined][] = [
    [{ range: 'bytes=2-4' }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=7-' }, 206, '789', 'bytes 7-9/10'],
    [{ range: 'bytes=-3' }, 206, '789', 'bytes 7-9/10'],
    [{ range: 'bytes=8-99' }, 206, '89', 'bytes 8-9/10'],
    [{ range: 'bytes=2-4', 'if-range': etag }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=2-4', 'if-range': '"other"' }, 200, '0123456789', undefined],
    [{ range: 'bytes=0-1,4-5' }, 200, '0123456789', undefined],
    [{ 'if-none-match': etag }, 304, '', undefined],
    [{ 'if-none-match': '"other"' }, 200, '0123456789', undefined],
  ];
  for (const [headers, status, body, range] of table) {
    const answer = await read(gateway, path, headers);
    expect([headers, answer.statusCode, answer.body, answer.headers['content-range']]).toEqual([
      headers,
      status,
      body,
      range,
    ]);
  }
  for (const range of ['bytes=10-', 'bytes=5-2', 'bytes=a-b']) {
    const answer = await read(gateway, path, { range });
    expect([range, answer.statusCode, answer.json().code]).toEqual([range, 416, 'range_not_satisfiable']);
    expect(answer.headers['content-range']).toBe('bytes */10');
  }
});

test.each([
  ['cam-1/1762842203/v_seg_0009.m4s', 404, 'object_not_found'],
  ['cam-1/1762842203/notes.txt', 404, 'object_not_found'],
  ['cam-1/1762842203', 404, 'object_not_found'],
  ['cam-1/day-20260101.mpd', 404, 'object_not_found'],
  ['cam-1%2f..%2fsecrets/manifest.mpd', 400, 'invalid_path'],
  ['..%2fmanifest.mpd', 400, 'invalid_path'],
  ['%2fetc/manifest.mpd', 400, 'invalid_path'],
  ['cam-1//manifest.mpd', 400, 'invalid_path'],
  ['cam-1/.incoming/manifest.mpd', 400, 'invalid_path'],
  ['cam-1/a%5cb/manifest.mpd', 400, 'invalid_path'],
  ['cam-1/%00/manifest.mpd', 400, 'invalid_path'],
  ['', 400, 'invalid_path'],
])('reading %s is refused', async (path, status, code) => {
  await using gateway = await openFixture();
  await place(gateway, 'cam-1/1762842203/notes.txt', 'not ours');
  const answer = await read(gateway, path);
  expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
});

test('a path that climbs is refused also when it comes as no browser sends it', async () => {
  await using gateway = await openFixture();
  const { hostname, port } = new URL(gateway.url);
  for (const path of ['/api/record/object/../../etc/manifest.mpd', '/api/record/object/cam-1/%2e%2e/x/manifest.mpd']) {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    get({ hostname, port, path, headers: gateway.admin, agent: false }, (answer) =>
      resolve(answer.resume().statusCode),
    );
    expect([path, await promise]).toEqual([path, 400]);
  }
});

test('a token for one stream reads what the index says is of that stream', async () => {
  await using gateway = await openFixture();
  await place(gateway, 'trips/7/v_seg_0001.m4s', 'trip');
  const rows = storedRecording('11111111-aaaa-4aaa-8aaa-111111111111', 'cam-1', 'trips/7', Date.UTC(2026, 0, 1), 1);
  const spool = '11111111-1111-4111-8111-111111111111';
  await gateway.catalog.commitRows({ spool, after: 0, rows }, { node: 'site-1', streamPatterns: ['*'] });
  const table: [string, number][] = [
    ['cam-1', 200],
    ['trips', 403],
    ['cam-2', 403],
  ];
  for (const [stream, status] of table) {
    const headers = await gateway.user('viewer', stream, ['subscribe']);
    const answer = await gateway.app.inject({ url: '/api/record/object/trips/7/v_seg_0001.m4s', headers });
    expect([stream, answer.statusCode]).toEqual([stream, status]);
  }
});

test('an object of many megabytes goes through unharmed', async () => {
  await using gateway = await openFixture();
  const text = 'abcdefgh'.repeat(1_000_000);
  await place(gateway, `${dir}/v_seg_0001.m4s`, text);
  const answer = await fetch(`${gateway.url}/api/record/object/${dir}/v_seg_0001.m4s`, { headers: gateway.admin });
  const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  expect(hash(Buffer.from(await answer.arrayBuffer()))).toBe(hash(text));
});
