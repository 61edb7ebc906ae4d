import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type S3ServerOptions, startS3Server } from '@weir/testkit';
import { afterEach, expect, test, vi } from 'vitest';
import { BucketError } from './bucket-error.ts';
import { headPresigned, putPresigned } from './presigned.ts';
import { openS3Bucket } from './s3-bucket.ts';
import type { S3Config } from './s3-client.ts';

const media = randomBytes(120_000);
const meta = {
  sha256: createHash('sha256').update(media).digest('hex'),
  bytes: media.length,
  type: 'video/mp4',
  createOnly: true,
};
const keys = { accessKey: 'weir', secretKey: 'correct' };
const now = Date.now;

let stack = new AsyncDisposableStack();
afterEach(async () => {
  vi.unstubAllEnvs();
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const startServer = async (more: Partial<S3ServerOptions> = {}) =>
  stack.use(await startS3Server({ ...keys, buckets: ['recordings'], now, ...more }));
const open = (
  endpoint: string,
  more: Partial<S3Config> = {},
  idleTimeoutMs = 5_000,
  onUnsupported?: (header: string) => void,
) => {
  const given = { access_key_id: 'weir', secret_access_key: 'correct', disable_config_load: true };
  const config: S3Config = { type: 's3', bucket: 'recordings', endpoint, ...given, ...more };
  return stack.use(openS3Bucket(config, { now, idleTimeoutMs, onUnsupported }));
};
const scratchFile = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-s3-'));
  stack.defer(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'media'), media);
  return join(directory, 'media');
};
const closedPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
};

test('the check at start names a missing bucket, where it was looked for, and what to do', async () => {
  const server = await startServer();
  const answer = open(server.endpoint, { bucket: 'elsewhere' }).check();
  await expect(answer).rejects.toMatchObject({ class: 'missing_bucket' });
  await expect(answer).rejects.toThrow(/"elsewhere" at http:\/\/127.*create bucket/);
});

test('the check at start names the access key that was refused, and no secret', async () => {
  const server = await startServer();
  const answer = open(server.endpoint, { secret_access_key: 'wrong-secret' }).check();
  await expect(answer).rejects.toMatchObject({ class: 'forbidden', status: 403 });
  await expect(answer).rejects.toThrow(/access key weir/);
  await expect(answer).rejects.not.toThrow(/wrong-secret/);
});

test('an endpoint that nobody listens on is a network error', async () => {
  const bucket = open(`http://127.0.0.1:${await closedPort()}`);
  await expect(bucket.check()).rejects.toMatchObject({ class: 'network' });
  await expect(bucket.put('a', media, meta)).rejects.toThrow(/ECONNREFUSED.*check the endpoint/);
});

test('a missing bucket is no missing object', async () => {
  const server = await startServer();
  const bucket = open(server.endpoint, { bucket: 'elsewhere' });
  await expect(bucket.get('a')).rejects.toMatchObject({ class: 'missing_bucket' });
  await expect(bucket.put('a', media, meta)).rejects.toMatchObject({ class: 'missing_bucket' });
});

test.each([
  [{ access_key_id: undefined, secret_access_key: undefined }, /disable_config_load is true/],
  [{ secret_access_key: undefined }, /needed together/],
])('half-given credentials %j are refused with what to do', (more, words) => {
  expect(() => open('http://127.0.0.1:1', more)).toThrow(words);
});

test('credentials come from the environment where the configuration gives none', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'weir');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'correct');
  vi.stubEnv('AWS_SESSION_TOKEN', 'for-an-hour');
  const server = await startServer({ sessionToken: 'for-an-hour' });
  const none = { access_key_id: undefined, secret_access_key: undefined, disable_config_load: false };
  const bucket = open(server.endpoint, none);
  expect(await bucket.put('a', media, meta)).toBe('stored');
  const { url } = await bucket.presign({ method: 'GET', key: 'a', ttlSeconds: 60 });
  expect((await fetch(url)).status).toBe(200);
});

test('a put tells its hash three times, and all are signed', async () => {
  const server = await startServer();
  const path = await scratchFile();
  await open(server.endpoint, { root: '/recordings/' }).put('cam-1/1/v_seg_0001.m4s', { path }, meta);
  const [put] = server.requests;
  expect(put).toMatchObject({
    method: 'PUT',
    key: 'recordings/cam-1/1/v_seg_0001.m4s',
    status: 200,
    bodyBytes: 120_000,
  });
  expect(put?.headers).toMatchObject({
    'x-amz-checksum-sha256': Buffer.from(meta.sha256, 'hex').toString('base64'),
    'x-amz-content-sha256': meta.sha256,
    'x-amz-meta-sha256': meta.sha256,
    'content-length': '120000',
    'content-type': 'video/mp4',
    'if-none-match': '*',
  });
  expect(put?.headers['content-encoding']).toBeUndefined();
  for (const name of ['x-amz-checksum-sha256', 'x-amz-content-sha256', 'x-amz-meta-sha256']) {
    expect(put?.headers.authorization).toContain(name);
  }
});

test.each(["a b/ü'(1)*!+&=;,@$~.m4s", '100%/%41?x#y', '日本/1'])('a key as %s is put where it is read', async (key) => {
  const bucket = open((await startServer()).endpoint, { root: '/r s/' });
  expect(await bucket.put(key, media, meta)).toBe('stored');
  expect(await bucket.head(key)).toMatchObject({ bytes: media.length, sha256: meta.sha256 });
});

test('a put that is refused for its clock is signed by the clock of the bucket the next time', async () => {
  const server = await startServer({ now: () => now() + 3_600_000 });
  const bucket = open(server.endpoint);
  await expect(bucket.put('a', media, meta)).rejects.toMatchObject({ class: 'skew' });
  expect(await bucket.put('a', media, meta)).toBe('stored');
});

test('objects of any size go over connections that are kept', async () => {
  const server = await startServer();
  const bucket = open(server.endpoint);
  const large = Buffer.alloc(3_000_000, 7);
  const about = { ...meta, bytes: large.length, sha256: createHash('sha256').update(large).digest('hex') };
  for (const key of ['a', 'b', 'c', 'd', 'e']) expect(await bucket.put(key, large, about)).toBe('stored');
  // One may still be at the end of its answer when the next object goes.
  expect(server.connections).toBeLessThan(3);
});

test('a presigned PUT has its promises in signed headers and none in the query', async () => {
  const request = {
    method: 'PUT',
    key: 'a',
    ttlSeconds: 60,
    sha256: meta.sha256,
    length: 5,
    type: 'video/mp4',
  } as const;
  const { url, headers } = await open('http://127.0.0.1:1').presign({ ...request, createOnly: true });
  const query = new URL(url).searchParams;
  expect(query.get('X-Amz-SignedHeaders')?.split(';').toSorted()).toEqual(['host', ...Object.keys(headers)].toSorted());
  expect([...query.keys()].filter((name) => /checksum|meta/i.test(name))).toEqual([]);
  expect(headers).toEqual({
    'content-length': '5',
    'content-type': 'video/mp4',
    'if-none-match': '*',
    'x-amz-checksum-sha256': Buffer.from(meta.sha256, 'hex').toString('base64'),
    'x-amz-meta-sha256': meta.sha256,
  });
});

test('a bucket that takes no checksums gets a signed Content-MD5 instead', async () => {
  const server = await startServer();
  const md5 = createHash('md5').update(media).digest('hex');
  const request = { method: 'PUT', key: 'a', ttlSeconds: 60, sha256: meta.sha256, md5 } as const;
  const put = await open(server.endpoint).presign(request);
  expect(Object.keys(put.headers)).toEqual(['content-md5', 'x-amz-meta-sha256']);
  expect(await putPresigned(put, media, meta, { now })).toBe('stored');
  const other = putPresigned(put, randomBytes(media.length), meta, { now });
  await expect(other).rejects.toMatchObject({ class: 'digest' });
});

test('virtual-host style names the bucket in the host', async () => {
  const server = await startServer();
  const bucket = open(`http://localhost:${server.port}`, { enable_virtual_host_style: true });
  const { url, headers } = await bucket.presign({ method: 'PUT', key: 'a/b', ttlSeconds: 60, length: media.length });
  const { host, pathname, search } = new URL(url);
  expect([host, pathname]).toEqual([`recordings.localhost:${server.port}`, '/a/b']);
  // Not every machine resolves names below localhost.
  const there = { host: '127.0.0.1', port: server.port, path: pathname + search, method: 'PUT' };
  const status = await new Promise((resolve, reject) => {
    const sent = httpRequest({ ...there, headers: { ...headers, host } }, (answer) => resolve(answer.statusCode));
    sent.on('error', reject).end(media);
  });
  expect(status).toBe(200);
  expect(server.store.keys('recordings')).toEqual(['a/b']);
});

test('lists longer than a page come whole', async () => {
  const server = await startServer();
  const bucket = open(server.endpoint, { root: 'r' });
  const about = { type: 'video/mp4', metadata: {}, etag: '"x"', sha256: '', modifiedMs: 0, body: Buffer.alloc(3) };
  const names = Array.from({ length: 2_345 }, (_, n) => `s/${String(n).padStart(5, '0')}`);
  for (const name of names) server.store.put('recordings', `r/${name}`, about);
  const listed: string[] = [];
  for await (const { key, bytes } of bucket.list('s/')) listed.push(`${key}:${bytes}`);
  expect(listed).toEqual(names.map((name) => `${name}:3`));
  expect(server.counts.get('GET 200')).toBe(3);
});

test.each([
  ['a server error', { kind: 'status', status: 500, code: 'InternalError' }, { class: 'server', status: 500 }],
  [
    'a throttle',
    { kind: 'status', status: 503, code: 'SlowDown', retryAfterS: 7 },
    { class: 'throttled', retryAfterMs: 7_000 },
  ],
  ['a conflict', { kind: 'status', status: 409, code: 'ConditionalRequestConflict' }, { class: 'conflict' }],
  ['a refusal', { kind: 'status', status: 400, code: 'InvalidRequest' }, { class: 'refused', status: 400 }],
  ['a dropped connection', { kind: 'drop' }, { class: 'network' }],
  ['silence', { kind: 'hang' }, { class: 'network' }],
] as const)('%s on a put is told as what it is, directly and presigned', async (_name, fault, expected) => {
  const server = await startServer({ faults: [{ fault, times: 2 }] });
  const bucket = open(server.endpoint, {}, 300);
  await expect(bucket.put('a', { path: await scratchFile() }, meta)).rejects.toMatchObject(expected);
  if (fault.kind === 'hang') return;
  const put = await bucket.presign({ method: 'PUT', key: 'a', ttlSeconds: 60, length: media.length });
  const answer = await putPresigned(put, media, meta, { now }).catch((error: unknown) => error);
  expect(answer).toBeInstanceOf(BucketError);
  expect(answer).toMatchObject(expected);
  expect(String(answer)).not.toContain('X-Amz-Signature');
});

test('a put whose answer was lost is found to be the same the next time', async () => {
  const server = await startServer({ faults: [{ fault: { kind: 'lost-reply' } }] });
  const bucket = open(server.endpoint);
  const path = await scratchFile();
  await expect(bucket.put('a', { path }, meta)).rejects.toMatchObject({ class: 'network' });
  expect(await bucket.put('a', { path }, meta)).toBe('exists-same');
});

test('an object whose metadata were lost is known by its checksum', async () => {
  const server = await startServer();
  const bucket = open(server.endpoint);
  await bucket.put('a', media, meta);
  const kept = server.store.get('recordings', 'a');
  if (kept !== undefined) server.store.put('recordings', 'a', { ...kept, metadata: {} });
  expect(await bucket.put('a', media, meta)).toBe('exists-same');
});

test('a put that is aborted on the way ends with the reason it was given', async () => {
  const server = await startServer({ faults: [{ fault: { kind: 'hang' }, times: 2 }] });
  const bucket = open(server.endpoint);
  const controller = new AbortController();
  const reason = new Error('the service stops');
  const put = bucket.put('a', { path: await scratchFile() }, meta, controller.signal);
  await vi.waitUntil(() => server.requests.length === 1);
  controller.abort(reason);
  await expect(put).rejects.toBe(reason);
});

test('a clock that is an hour off corrects itself by the answer', async () => {
  const server = await startServer({ now: () => now() + 3_600_000 });
  const bucket = open(server.endpoint);
  await bucket.check();
  const { url } = await bucket.presign({ method: 'HEAD', key: 'a', ttlSeconds: 60 });
  expect(await headPresigned({ url, headers: {} }, { now })).toBeNull();
  await expect(open(server.endpoint).put('a', media, meta)).rejects.toMatchObject({ class: 'skew' });
});

test('a bucket without If-None-Match and checksums is found out once, and still never replaces', async () => {
  const server = await startServer({ refusedHeaders: ['if-none-match', 'x-amz-checksum-sha256'] });
  const told: string[] = [];
  const bucket = open(server.endpoint, {}, 5_000, (header) => told.push(header));
  const path = await scratchFile();
  expect(await bucket.put('a', { path }, meta)).toBe('stored');
  expect(await bucket.put('a', { path }, meta)).toBe('exists-same');
  const other = { ...meta, sha256: createHash('sha256').update('other').digest('hex'), bytes: 5 };
  expect(await bucket.put('a', Buffer.from('other'), other)).toBe('exists-different');
  expect(told).toEqual(['If-None-Match', 'x-amz-checksum-sha256']);
  await expect(bucket.put('b', Buffer.from('0ther'), other)).rejects.toMatchObject({ class: 'digest' });
});

test('a wrong region is a mistake of configuration', async () => {
  const server = await startServer({ region: 'eu-central-1' });
  await expect(open(server.endpoint).put('a', media, meta)).rejects.toThrow(/eu-central-1.*correct region/);
});
