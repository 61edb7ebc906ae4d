import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Bucket, PresignRequest } from './bucket.ts';
import { answerFsObject } from './fs-object.ts';
import { openBucket } from './open-bucket.ts';

const secret = Buffer.alloc(32, 1);
const now = (): number => 1_762_842_203_000;
const sha256 = createHash('sha256').update('0123456789').digest('hex');
const stack = new DisposableStack();
let bucket: Bucket;

beforeAll(async () => {
  const root = stack.use(temporaryDirectory('object')).path;
  const signing = { secret, baseUrl: 'http://weir.example' };
  bucket = await openBucket({ type: 'fs', root }, { now, random: Math.random, signing });
  await bucket.put('a.mpd', Buffer.from('0123456789'), { sha256, bytes: 10, type: '', createOnly: false });
});
afterAll(() => stack.dispose());

const answer = async (request: PresignRequest, headers: Record<string, string> = {}, body = '') => {
  const presigned = await bucket.presign(request);
  const { searchParams: query } = new URL(presigned.url);
  const asked = { method: request.method, key: request.key, query, headers: { ...presigned.headers, ...headers } };
  const got = await answerFsObject({ ...asked, body: Readable.from([body]) }, { bucket, secret, now });
  return { ...got, said: got.body === undefined ? '' : await text(got.body) };
};
const get = { method: 'GET', key: 'a.mpd', ttlSeconds: 9 } as const;

test.each([
  ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
  ['bytes=7-', 206, '789', 'bytes 7-9/10'],
  ['bytes=7-99', 206, '789', 'bytes 7-9/10'],
  ['bytes=-2', 206, '89', 'bytes 8-9/10'],
  ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
  ['bytes=1-2,4-5', 200, '0123456789', undefined],
  ['bytes=-', 200, '0123456789', undefined],
  ['lines=1-2', 200, '0123456789', undefined],
])('a GET with the range %s', async (range, status, said, place) => {
  const got = await answer(get, { range });
  expect([got.status, got.said, got.headers['content-range']]).toEqual([status, said, place]);
  expect(got.headers).toMatchObject({ 'content-type': 'application/dash+xml', 'content-length': String(said.length) });
});

test('a range beyond the end is 416', async () => {
  expect(await answer(get, { range: 'bytes=10-' })).toMatchObject({ status: 416 });
});

test('what is not there is 404', async () => {
  expect(await answer({ ...get, key: 'b' })).toMatchObject({ status: 404, problem: { code: 'object_not_found' } });
  expect(await answer({ ...get, method: 'HEAD', key: 'b' })).toMatchObject({ status: 404 });
});

test('a PUT must be signed with hash, length and type', async () => {
  const put = { method: 'PUT', key: 'c', ttlSeconds: 9, sha256, length: 10 } as const;
  expect(await answer(put, {}, '0123456789')).toMatchObject({ status: 400, problem: { code: 'hash_missing' } });
  const whole = { ...put, type: 'video/mp4' };
  expect(await answer(whole, {}, '012345678_')).toMatchObject({ status: 400, problem: { code: 'digest_mismatch' } });
  expect(await answer(whole, {}, '0123456789')).toMatchObject({ status: 200 });
});
