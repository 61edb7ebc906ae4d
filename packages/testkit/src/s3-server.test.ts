import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type S3Server, startS3Server } from './s3-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const keys = { accessKey: 'weir', secretKey: 'correct' };
const clock = { ms: Date.UTC(2026, 2, 1, 12) };
const base64 = (algorithm: string, bytes: string): string => createHash(algorithm).update(bytes).digest('base64');

let server: S3Server;
beforeEach(async () => {
  server = await startS3Server({ ...keys, buckets: ['recordings'], now: () => clock.ms });
});
afterEach(() => server.stop());

type Sent = {
  method: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string;
};
type Answer = { status: number; code: string; body: string; headers: IncomingHttpHeaders };

/** Sends exactly these headers, and no other but those HTTP cannot do without. */
const exchange = async ({ method, path, query = {}, headers = {}, body }: Sent): Promise<Answer> => {
  const search = new URLSearchParams(query).toString().replaceAll('+', '%20');
  const there = { host: '127.0.0.1', port: server.port, method, path: search === '' ? path : `${path}?${search}` };
  const sent = request({ ...there, headers, agent: false });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  const said = await text(answer);
  return {
    status: answer.statusCode,
    code: /<Code>(.*)<\/Code>/.exec(said)?.[1] ?? '',
    body: said,
    headers: answer.headers,
  };
};

const signerOf = (identity: { accessKey: string; secretKey: string }, region = 'us-east-1') =>
  new SignatureV4({
    credentials: { accessKeyId: identity.accessKey, secretAccessKey: identity.secretKey },
    region,
    service: 's3',
    sha256: Sha256,
    uriEscapePath: false,
  });

/** A request signed in its header at the server's time, or as the test says. */
const signed = async (
  sent: Sent,
  how: { identity?: typeof keys; region?: string; atMs?: number } = {},
): Promise<Sent> => {
  const { headers } = await signerOf(how.identity ?? keys, how.region).sign(
    {
      protocol: 'http:',
      hostname: '127.0.0.1',
      method: sent.method,
      path: sent.path,
      query: sent.query ?? {},
      headers: { host: `127.0.0.1:${server.port}`, ...sent.headers },
      body: sent.body,
    },
    { signingDate: new Date(how.atMs ?? clock.ms) },
  );
  return { ...sent, headers };
};

const presigned = async (sent: Sent, expiresIn = 60): Promise<Sent> => {
  const names = new Set(Object.keys(sent.headers ?? {}));
  const bare = {
    protocol: 'http:',
    hostname: '127.0.0.1',
    method: sent.method,
    path: sent.path,
    query: sent.query ?? {},
  };
  const headers = { host: `127.0.0.1:${server.port}`, ...sent.headers };
  const { query } = await signerOf(keys).presign(
    { ...bare, headers, body: {} },
    {
      signingDate: new Date(clock.ms),
      expiresIn,
      unhoistableHeaders: names,
      signableHeaders: new Set(['host', ...names]),
    },
  );
  return { ...sent, query: query as Record<string, string> };
};

const put = (headers: Record<string, string> = {}, body = 'media'): Sent => ({
  method: 'PUT',
  path: '/recordings/cam-1/a',
  headers: { 'content-length': String(Buffer.byteLength(body)), ...headers },
  body,
});
const get: Sent = { method: 'GET', path: '/recordings/cam-1/a' };

describe('a signature in the header', () => {
  test('that is right is taken', async () => {
    expect((await exchange(await signed(put({ 'x-amz-meta-a': 'b' })))).status).toBe(200);
    const answer = await exchange(await signed(get));
    expect(answer).toMatchObject({ status: 200, body: 'media' });
    expect(answer.headers['x-amz-meta-a']).toBe('b');
    expect(server.requests.map(({ method, auth, status }) => [method, auth, status])).toEqual([
      ['PUT', 'header', 200],
      ['GET', 'header', 200],
    ]);
    expect(server.counts.get('PUT 200')).toBe(1);
  });

  test('is needed', async () => {
    expect(await exchange(get)).toMatchObject({ status: 403, code: 'AccessDenied' });
  });

  test.each([
    ['another secret', { identity: { ...keys, secretKey: 'wrong' } }, 'SignatureDoesNotMatch'],
    ['another key', { identity: { ...keys, accessKey: 'nobody' } }, 'InvalidAccessKeyId'],
    ['another region', { region: 'eu-west-1' }, 'AuthorizationHeaderMalformed'],
    ['a clock 16 minutes late', { atMs: clock.ms - 16 * 60_000 }, 'RequestTimeTooSkewed'],
    ['a clock 16 minutes early', { atMs: clock.ms + 16 * 60_000 }, 'RequestTimeTooSkewed'],
  ])('made with %s is refused', async (_name, how, code) => {
    expect(await exchange(await signed(put(), how))).toMatchObject({ code });
    expect(server.store.keys('recordings')).toEqual([]);
  });

  test('made 14 minutes ago is taken', async () => {
    expect((await exchange(await signed(put(), { atMs: clock.ms - 14 * 60_000 }))).status).toBe(200);
  });

  test.each([
    ['method', { method: 'DELETE' }, 'SignatureDoesNotMatch'],
    ['path', { path: '/recordings/cam-1/b' }, 'SignatureDoesNotMatch'],
    ['query', { query: { 'x-id': 'PutObject' } }, 'SignatureDoesNotMatch'],
    ['body', { body: 'Media' }, 'XAmzContentSHA256Mismatch'],
  ])('of another %s is refused', async (_name, change, code) => {
    expect(await exchange({ ...(await signed(put())), ...change })).toMatchObject({ code });
  });

  test('covers the values of headers, and all that begin with x-amz-', async () => {
    const good = await signed(put({ 'x-amz-meta-a': 'b' }));
    const altered = { ...good, headers: { ...good.headers, 'x-amz-meta-a': 'c' } };
    expect(await exchange(altered)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
    const added = { ...good, headers: { ...good.headers, 'x-amz-meta-b': 'c' } };
    expect(await exchange(added)).toMatchObject({ status: 403, code: 'AccessDenied' });
  });
});

describe('a signature in the query', () => {
  const headers = { 'content-type': 'video/mp4', 'x-amz-checksum-sha256': base64('sha256', 'media') };

  test('that is right is taken, with its signed headers', async () => {
    expect((await exchange(await presigned(put(headers)))).status).toBe(200);
    expect(server.store.get('recordings', 'cam-1/a')?.type).toBe('video/mp4');
    expect(await exchange(await presigned(get))).toMatchObject({ status: 200, body: 'media' });
  });

  test('is over when its time is', async () => {
    const good = await presigned(put(headers));
    clock.ms += 61_000;
    const answer = await exchange(good);
    clock.ms -= 61_000;
    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(answer.body).toContain('Request has expired');
  });

  test('does not cover another time, body, header or checksum', async () => {
    const good = await presigned(put(headers));
    const later = { ...good, query: { ...good.query, 'X-Amz-Expires': '600' } };
    expect(await exchange(later)).toMatchObject({ code: 'SignatureDoesNotMatch' });
    const type = { ...good, headers: { ...good.headers, 'content-type': 'audio/mp4' } };
    expect(await exchange(type)).toMatchObject({ code: 'SignatureDoesNotMatch' });
    const { 'content-type': _type, ...rest } = good.headers ?? {};
    expect(await exchange({ ...good, headers: rest })).toMatchObject({ code: 'SignatureDoesNotMatch' });
    expect(await exchange({ ...good, body: 'Media' })).toMatchObject({ status: 400, code: 'BadDigest' });
    const checksum = { ...good.headers, 'x-amz-checksum-sha256': base64('sha256', 'Media') };
    expect(await exchange({ ...good, headers: checksum, body: 'Media' })).toMatchObject({
      code: 'SignatureDoesNotMatch',
    });
  });
});

describe('a PUT', () => {
  test.each([
    ['x-amz-checksum-sha256', base64('sha256', 'other'), 'BadDigest'],
    ['x-amz-checksum-sha256', 'c2hvcnQ=', 'InvalidRequest'],
    ['x-amz-checksum-crc32', 'AAAAAA==', 'BadDigest'],
    ['content-md5', base64('md5', 'other'), 'BadDigest'],
    ['content-md5', 'c2hvcnQ=', 'InvalidDigest'],
    ['x-amz-copy-source', '/recordings/b', 'NotImplemented'],
  ])('with %s %s is refused', async (name, value, code) => {
    expect(await exchange(await signed(put({ [name]: value })))).toMatchObject({ code });
    expect(server.store.keys('recordings')).toEqual([]);
  });

  test('needs Content-Length', async () => {
    const chunked = put({ 'transfer-encoding': 'chunked', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' });
    const { 'content-length': _length, ...headers } = chunked.headers ?? {};
    expect(await exchange(await signed({ ...chunked, headers }))).toMatchObject({
      status: 411,
      code: 'MissingContentLength',
    });
  });

  test('with If-None-Match never replaces', async () => {
    expect((await exchange(await signed(put({ 'if-none-match': '*' })))).status).toBe(200);
    const second = await exchange(await signed(put({ 'if-none-match': '*' }, 'other')));
    expect(second).toMatchObject({ status: 412, code: 'PreconditionFailed' });
    expect(server.store.get('recordings', 'cam-1/a')?.body.toString()).toBe('media');
  });

  test('in aws-chunked is decoded, and its trailing checksum checked', async () => {
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32('media'));
    const chunked = (trailer: string) => {
      const body = `3\r\nmed\r\n2\r\nia\r\n0\r\nx-amz-checksum-crc32:${trailer}\r\n\r\n`;
      const headers = {
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': '5',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      };
      return signed(put(headers, body));
    };
    expect(await exchange(await chunked('AAAAAA=='))).toMatchObject({ code: 'BadDigest' });
    expect((await exchange(await chunked(sum.toString('base64')))).status).toBe(200);
    expect(server.store.get('recordings', 'cam-1/a')?.body.toString()).toBe('media');
  });
});

test('objects are read in ranges, asked for, deleted', async () => {
  await exchange(await signed(put()));
  const part = await exchange(await signed({ ...get, headers: { range: 'bytes=1-2' } }));
  expect([part.status, part.body, part.headers['content-range']]).toEqual([206, 'ed', 'bytes 1-2/5']);
  const last = await exchange(await signed({ ...get, headers: { range: 'bytes=-2' } }));
  expect(last.body).toBe('ia');
  const beyond = await exchange(await signed({ ...get, headers: { range: 'bytes=5-' } }));
  expect(beyond).toMatchObject({ status: 416, code: 'InvalidRange' });
  const head = await exchange(await signed({ ...get, method: 'HEAD' }));
  expect([head.status, head.headers['content-length'], head.body]).toEqual([200, '5', '']);
  expect((await exchange(await signed({ ...get, method: 'DELETE' }))).status).toBe(204);
  expect(await exchange(await signed(get))).toMatchObject({ status: 404, code: 'NoSuchKey' });
});

test('what S3 has and this server has not is said, never ignored', async () => {
  const acl = { method: 'GET', path: '/recordings/cam-1/a', query: { acl: '' } };
  expect(await exchange(await signed(acl))).toMatchObject({ status: 501, code: 'NotImplemented' });
  const missing = { method: 'GET', path: '/nowhere/cam-1/a' };
  expect(await exchange(await signed(missing))).toMatchObject({ status: 404, code: 'NoSuchBucket' });
});

test('faults hit the requests they are meant for, as often as they are meant to', async () => {
  const fault = { kind: 'status', status: 503, code: 'SlowDown', retryAfterS: 3 } as const;
  server.faults.add({ fault, times: 2, match: ({ method }) => method === 'PUT' });
  expect((await exchange(await signed(get))).status).toBe(404);
  const first = await exchange(await signed(put()));
  expect([first.status, first.headers['retry-after']]).toEqual([503, '3']);
  expect((await exchange(await signed(put()))).status).toBe(503);
  expect((await exchange(await signed(put()))).status).toBe(200);
  server.faults.add({ fault: { kind: 'lost-reply' } });
  await expect(exchange(await signed(put({}, 'taken')))).rejects.toThrow(/hang up|ECONNRESET/);
  expect(server.store.get('recordings', 'cam-1/a')?.body.toString()).toBe('taken');
  server.faults.add({ fault: { kind: 'slow', chunkBytes: 1, pauseMs: 1 } });
  expect((await exchange(await signed(get))).body).toBe('taken');
});

test('objects kept in a directory are there after a restart', async () => {
  using directory = temporaryDirectory('s3');
  const options = { ...keys, buckets: ['recordings'], root: directory.path, now: () => clock.ms };
  await server.stop();
  server = await startS3Server(options);
  await exchange(await signed(put()));
  await server.stop();
  server = await startS3Server(options);
  expect(await exchange(await signed(get))).toMatchObject({ status: 200, body: 'media' });
});

test('it runs as a process of its own, which ends with whoever started it', async () => {
  const entry = new URL('./s3-server-main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [entry, '--bucket', 'one'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { endpoint } = JSON.parse(line) as { endpoint: string };
  expect((await fetch(`${endpoint}/one/a`)).status).toBe(403);
  child.stdin.end();
  expect(await once(child, 'exit')).toEqual([0, null]);
});
