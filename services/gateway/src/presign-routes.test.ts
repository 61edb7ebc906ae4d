import { createHash } from 'node:crypto';
import { startS3Server } from '@weir/testkit';
import { expect, test } from 'vitest';
import { type GatewayFixture, openFixture } from './gateway-fixture.ts';

const bytes = Buffer.from('an init file');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const spoolA = '11111111-1111-4111-8111-111111111111';
const spoolB = '22222222-2222-4222-8222-222222222222';
const init = 'cam-1/1762842203/v_init.m4s';
const put = (path: string, spool?: string) => ({
  method: 'PUT',
  path,
  sha256,
  length: bytes.length,
  type: 'video/mp4',
  create_only: true,
  ...(spool === undefined ? {} : { spool }),
});

const presign = (gateway: GatewayFixture, payload: object, headers: object = gateway.admin) =>
  gateway.app.inject({
    method: 'POST',
    url: '/api/storage/presign',
    headers: { host: new URL(gateway.url).host, ...headers },
    payload,
  });

const s3Storage = async () => {
  const server = await startS3Server({ accessKey: 'key', secretKey: 'secret', buckets: ['media'] });
  const storage = {
    type: 's3',
    bucket: 'media',
    root: '/weir/',
    region: 'us-east-1',
    endpoint: server.endpoint,
    access_key_id: 'key',
    secret_access_key: 'secret',
  };
  return { server, storage };
};

test.each(['fs', 's3'])(
  'an object is put, confirmed and read back by presigned URLs of a bucket of type %s',
  async (type) => {
    const s3 = type === 's3' ? await s3Storage() : null;
    await using _server = s3?.server ?? { [Symbol.asyncDispose]: async () => undefined };
    await using gateway = await openFixture({}, s3?.storage);
    const { url, headers } = (await presign(gateway, put(init, spoolA))).json();
    expect(headers).toMatchObject({ 'x-amz-meta-sha256': sha256, 'if-none-match': '*', 'content-type': 'video/mp4' });
    expect((await fetch(url, { method: 'PUT', headers, body: bytes })).status).toBe(200);
    expect((await fetch(url, { method: 'PUT', headers, body: bytes })).status).toBe(412);
    const head = (await presign(gateway, { method: 'HEAD', path: init })).json();
    const found = await fetch(head.url, { method: 'HEAD', headers: head.headers });
    expect([found.status, found.headers.get('content-length')]).toEqual([200, String(bytes.length)]);
    expect(found.headers.get('x-amz-meta-sha256')).toBe(sha256);
    const get = (await presign(gateway, { method: 'GET', path: init })).json();
    expect(await (await fetch(get.url)).text()).toBe('an init file');
    const read = await gateway.app.inject({ url: `/api/record/object/${init}`, headers: gateway.admin });
    expect([read.statusCode, read.body]).toEqual([200, 'an init file']);
    expect((await gateway.app.inject({ url: '/api/storage/ping', headers: gateway.admin })).body).toBe('ok');
  },
);

test('bytes other than those that were signed are refused by both kinds of bucket', async () => {
  const { server, storage } = await s3Storage();
  await using _server = server;
  await using inCloud = await openFixture({}, storage);
  await using onDisk = await openFixture();
  for (const gateway of [inCloud, onDisk]) {
    const { url, headers } = (await presign(gateway, put(init, spoolA))).json();
    const wrong = await fetch(url, { method: 'PUT', headers, body: Buffer.from('AN INIT FILE') });
    expect(wrong.status).toBe(400);
    await wrong.text();
    const read = await gateway.app.inject({ url: `/api/record/object/${init}`, headers: gateway.admin });
    expect(read.statusCode).toBe(404);
  }
});

test('a signed URL of a directory opens one object, for one method, for its time', async () => {
  await using gateway = await openFixture();
  const { url, headers } = (await presign(gateway, put(init, spoolA))).json();
  const at = (path: string) => url.replace('v_init.m4s', path);
  const attempts: [string, RequestInit, number, string][] = [
    [url.replace(/signature=./, 'signature=~'), { method: 'PUT', headers, body: bytes }, 403, 'signature_refused'],
    [at('v_init_2.m4s'), { method: 'PUT', headers, body: bytes }, 403, 'signature_refused'],
    [url, { method: 'PUT', body: bytes }, 403, 'signature_refused'],
    [url, { method: 'GET', headers: { ...headers, 'content-length': '0' } }, 403, 'signature_refused'],
    [url.split('?')[0] ?? '', { method: 'GET' }, 403, 'signature_refused'],
    [at('..%2f..%2fx'), { method: 'PUT', headers, body: bytes }, 400, 'invalid_path'],
  ];
  for (const [target, init, status, code] of attempts) {
    const answer = await fetch(target, init);
    expect([target.slice(0, 80), answer.status, (await answer.json()).code]).toEqual([
      target.slice(0, 80),
      status,
      code,
    ]);
  }
  gateway.clock.nowMs = 301_000;
  const late = await fetch(url, { method: 'PUT', headers, body: bytes });
  expect([late.status, (await late.json()).code]).toEqual([403, 'url_expired']);
});

test('a directory belongs to the spool that asked first', async () => {
  await using gateway = await openFixture();
  expect((await presign(gateway, put(init, spoolA))).statusCode).toBe(200);
  expect((await presign(gateway, put('cam-1/1762842203/v_seg_0001.m4s', spoolA))).statusCode).toBe(200);
  for (const path of [init, 'cam-1/1762842203/v_seg_0002.m4s', 'cam-1/1762842203/manifest.mpd']) {
    const answer = await presign(gateway, put(path, spoolB));
    expect([path, answer.statusCode, answer.json().code]).toEqual([path, 409, 'record_taken']);
  }
  expect((await presign(gateway, put(init))).statusCode).toBe(409);
  expect((await presign(gateway, put('cam-1/1762842204/v_init.m4s', spoolB))).statusCode).toBe(200);
});

test('a token with every right that names no spool has its directories for itself', async () => {
  await using gateway = await openFixture();
  for (let again = 0; again < 2; again += 1) expect((await presign(gateway, put(init))).statusCode).toBe(200);
  expect((await presign(gateway, put(init, spoolA))).statusCode).toBe(409);
});

test('a batch is answered item by item', async () => {
  await using gateway = await openFixture();
  await presign(gateway, put(init, spoolA));
  const items = [put(init, spoolA), put(init, spoolB), put('../x', spoolA), { method: 'GET', path: init }];
  const answer = (await presign(gateway, { items })).json();
  expect(answer.items.map((item: { url?: string; code?: string }) => item.code ?? 'granted')).toEqual([
    'granted',
    'record_taken',
    'invalid_path',
    'granted',
  ]);
});

test.each([
  ['a path that climbs', put('cam-1/../../etc/passwd', spoolA), 400, 'invalid_path'],
  ['an absolute path', put('/cam-1/1762842203/v_init.m4s', spoolA), 400, 'invalid_path'],
  ['an object of no recording', put('cam-1/1762842203/notes.txt', spoolA), 400, 'invalid_path'],
  ['an object without a directory', put('manifest.mpd', spoolA), 400, 'invalid_path'],
  ['another method', { ...put(init, spoolA), method: 'DELETE' }, 400, 'invalid_body'],
  ['a time of a week', { ...put(init, spoolA), ttl_seconds: 604_800 }, 400, 'invalid_body'],
])('presign with %s is refused', async (_, payload, status, code) => {
  await using gateway = await openFixture();
  const answer = await presign(gateway, payload);
  expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
});

test("a user's token presigns nothing", async () => {
  await using gateway = await openFixture();
  const answer = await presign(gateway, put(init, spoolA), await gateway.user('alice', '*', ['publish', 'subscribe']));
  expect([answer.statusCode, answer.json().code]).toEqual([403, 'forbidden']);
});

test('URLs of a directory carry the address that the configuration names, else the one that was asked', async () => {
  await using named = await openFixture({ gateway: { listen: '127.0.0.1:0', public: 'https://weir.example/' } });
  expect((await presign(named, put(init, spoolA))).json().url).toMatch(
    /^https:\/\/weir\.example\/api\/storage\/object\//,
  );
  await using asked = await openFixture();
  expect((await presign(asked, put(init, spoolA))).json().url).toMatch(new RegExp(`^${asked.url}/api/storage/object/`));
});
