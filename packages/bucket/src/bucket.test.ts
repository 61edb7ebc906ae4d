import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { startS3Server, startSwift, swiftMissing } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bucket, ObjectBody, ObjectMeta } from './bucket.ts';
import { answerFsObject } from './fs-object.ts';
import { openBucket } from './open-bucket.ts';
import { headPresigned, putPresigned } from './presigned.ts';

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const metaOf = (bytes: Uint8Array, more: Partial<ObjectMeta> = {}): ObjectMeta => ({
  sha256: hash(bytes),
  bytes: bytes.length,
  type: 'video/mp4',
  createOnly: false,
  ...more,
});

type Peer = { bucket: Bucket; clock: { ms: number }; lacks?: Lacks };
/** What a real server is known not to do. */
type Lacks = { readonly ifNoneMatch: true; readonly checksums: true };
type OpenPeer = (stack: AsyncDisposableStack) => Promise<Peer>;

const openS3: OpenPeer = async (stack) => {
  const clock = { ms: Date.now() };
  const now = (): number => clock.ms;
  const keys = { accessKey: 'weir', secretKey: 'correct' };
  const server = stack.use(await startS3Server({ ...keys, buckets: ['recordings'], now }));
  const config = { type: 's3', bucket: 'recordings', root: '/site/a', endpoint: server.endpoint } as const;
  const given = { access_key_id: 'weir', secret_access_key: 'correct', disable_config_load: true };
  const bucket = stack.use(await openBucket({ ...config, ...given }, { now, random: Math.random }));
  return { bucket, clock };
};

const openDirectory: OpenPeer = async (stack) => {
  const clock = { ms: Date.now() };
  const now = (): number => clock.ms;
  const root = await mkdtemp(join(tmpdir(), 'weir-bucket-'));
  stack.defer(() => rm(root, { recursive: true }));
  const secret = randomBytes(32);
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://localhost');
    const key = decodeURIComponent(url.pathname.replace('/api/storage/object/', ''));
    const { method = '', headers } = request;
    const asked = { method, key, query: url.searchParams, headers, body: request };
    const answer = await answerFsObject(asked, { bucket, secret, now });
    response.writeHead(answer.status, answer.headers);
    if (answer.body !== undefined) answer.body.pipe(response);
    else response.end(answer.problem === undefined ? '' : JSON.stringify(answer.problem));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => server.closeAllConnections());
  stack.defer(() => void server.close());
  const signing = { secret, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const bucket = stack.use(await openBucket({ type: 'fs', root }, { now, random: Math.random, signing }));
  return { bucket, clock };
};

/** OpenStack Swift answers 501 to `If-None-Match` and overlooks checksum headers (2.30). */
const openSwift: OpenPeer = async (stack) => {
  const clock = { ms: Date.now() };
  const { endpoint, accessKey, secretKey } = stack.use(await startSwift(['recordings']));
  const config = { type: 's3', bucket: 'recordings', root: '/site/a', endpoint } as const;
  const given = { access_key_id: accessKey, secret_access_key: secretKey, disable_config_load: true };
  const deps = { now: () => clock.ms, random: Math.random };
  const bucket = stack.use(await openBucket({ ...config, ...given }, deps));
  return { bucket, clock, lacks: { ifNoneMatch: true, checksums: true } };
};

const isReal = process.env.S3_PEER === 'swift';
const peers: [string, OpenPeer][] = isReal
  ? [['OpenStack Swift', openSwift]]
  : [
      ['S3', openS3],
      ['a directory', openDirectory],
    ];
const missing = isReal ? swiftMissing() : undefined;

describe.skipIf(missing !== undefined).each(peers)('objects in %s', (_name, openPeer) => {
  const stack = new AsyncDisposableStack();
  let bucket: Bucket;
  let clock: { ms: number };
  let scratch: string;
  let lacks: Lacks | undefined;
  const media = randomBytes(300_000);

  beforeAll(async () => {
    ({ bucket, clock, lacks } = await openPeer(stack));
    scratch = await mkdtemp(join(tmpdir(), 'weir-scratch-'));
    stack.defer(() => rm(scratch, { recursive: true }));
  });
  afterAll(() => stack.disposeAsync());

  const fetchAs = (presigned: { url: string; headers: Record<string, string> }, init: RequestInit = {}) =>
    fetch(presigned.url, { headers: presigned.headers, ...init });
  const read = (found: ObjectBody | null): Promise<Buffer> => buffer(found?.body ?? Readable.from([]));
  const listed = async (prefix: string, startAfter?: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of bucket.list(prefix, { startAfter })) keys.push(key);
    return keys;
  };

  test('the check at start finds nothing wrong', async () => {
    await bucket.check();
  });

  test('what was put from memory comes back, whole and in ranges', async () => {
    expect(await bucket.put('cam-1/100/v_init.m4s', media, metaOf(media))).toBe('stored');
    const whole = await bucket.get('cam-1/100/v_init.m4s');
    expect(whole).toMatchObject({ bytes: 300_000, type: 'video/mp4' });
    expect(whole?.range).toBeUndefined();
    expect(await read(whole)).toEqual(media);

    const middle = await bucket.get('cam-1/100/v_init.m4s', { start: 10, end: 19 });
    expect(middle).toMatchObject({ bytes: 300_000, range: { start: 10, end: 19 } });
    expect(await read(middle)).toEqual(media.subarray(10, 20));

    const tail = await bucket.get('cam-1/100/v_init.m4s', { start: 299_990 });
    expect(tail?.range).toEqual({ start: 299_990, end: 299_999 });
    expect(await read(tail)).toEqual(media.subarray(299_990));
    await expect(bucket.get('cam-1/100/v_init.m4s', { start: 300_000 })).rejects.toMatchObject({ class: 'range' });
  });

  test('a file is put from an offset on, a stream to its end, and nothing at all is an object too', async () => {
    const path = join(scratch, 'grown.m4s');
    await writeFile(path, media);
    const part = media.subarray(1_000, 201_000);
    expect(await bucket.put('cam-1/100/v_seg_0001.m4s', { path, offset: 1_000 }, metaOf(part))).toBe('stored');
    expect(await bucket.head('cam-1/100/v_seg_0001.m4s')).toMatchObject({ bytes: 200_000, sha256: hash(part) });
    const nothing = new Uint8Array(0);
    expect(await bucket.put('empty.json', { path }, metaOf(nothing))).toBe('stored');
    expect(await bucket.head('empty.json')).toMatchObject({ bytes: 0, sha256: hash(nothing) });
  });

  test('what is not there is null', async () => {
    expect(await bucket.get('cam-1/absent')).toBeNull();
    expect(await bucket.head('cam-1/absent')).toBeNull();
    await bucket.delete('cam-1/absent');
  });

  test('create-only keeps what is there and tells whether it is the same', async () => {
    const createOnly = { createOnly: true };
    const other = randomBytes(300_000);
    expect(await bucket.put('cam-1/200/a_init.m4s', media, metaOf(media, createOnly))).toBe('stored');
    expect(await bucket.put('cam-1/200/a_init.m4s', media, metaOf(media, createOnly))).toBe('exists-same');
    expect(await bucket.put('cam-1/200/a_init.m4s', other, metaOf(other, createOnly))).toBe('exists-different');
    expect((await bucket.head('cam-1/200/a_init.m4s'))?.sha256).toBe(hash(media));
    expect(await bucket.put('cam-1/200/a_init.m4s', other, metaOf(other))).toBe('stored');
    expect((await bucket.head('cam-1/200/a_init.m4s'))?.sha256).toBe(hash(other));
  });

  test('of many that create one object, exactly one does', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, () => {
        const mine = randomBytes(50_000);
        return bucket.put('cam-1/race/v_init.m4s', mine, metaOf(mine, { createOnly: true }));
      }),
    );
    const stored = results.filter((result) => result === 'stored');
    expect(results.filter((result) => result === 'exists-different')).toHaveLength(8 - stored.length);
    // A HEAD before the PUT is not one step with it: two that start in the same moment both find nothing.
    if (lacks === undefined) expect(stored).toHaveLength(1);
    else expect(stored.length).toBeGreaterThan(0);
  });

  test('bytes that are not those announced are refused and leave nothing', async () => {
    const path = join(scratch, 'rotten.m4s');
    await writeFile(path, media);
    const wrong = metaOf(media, { sha256: hash(randomBytes(3)) });
    await expect(bucket.put('cam-1/rotten', { path }, wrong)).rejects.toMatchObject({ class: 'digest' });
    expect(await bucket.head('cam-1/rotten')).toBeNull();
  });

  test('an aborted put stops and leaves nothing', async () => {
    const reason = new Error('the service stops');
    await expect(bucket.put('cam-1/late', media, metaOf(media), AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(await bucket.head('cam-1/late')).toBeNull();
  });

  test('keys are listed by prefix, in the order of their bytes', async () => {
    const keys = ['ls/a-b/x', 'ls/a.mpd', 'ls/a/v_seg_0001.m4s', 'ls/a/v_seg_10000.m4s', 'ls/ä', 'lsx'];
    for (const key of keys.toReversed()) await bucket.put(key, new Uint8Array([1]), metaOf(new Uint8Array([1])));
    expect(await listed('ls')).toEqual(keys);
    expect(await listed('ls/a/')).toEqual(['ls/a/v_seg_0001.m4s', 'ls/a/v_seg_10000.m4s']);
    expect(await listed('ls/a')).toEqual(keys.slice(0, 4));
    expect(await listed('ls/', 'ls/a.mpd')).toEqual(keys.slice(2, 5));
    expect(await listed('nothing/')).toEqual([]);
  });

  test('what was deleted is gone', async () => {
    await bucket.put('gone/deep/er', media, metaOf(media));
    await bucket.delete('gone/deep/er');
    expect(await bucket.head('gone/deep/er')).toBeNull();
    expect(await listed('gone')).toEqual([]);
  });

  test.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', 'a/.', 'a\\b', 'a\nb', 'a\0b', 'x'.repeat(1025)])(
    'the key %j is refused',
    async (key) => {
      const refusal = { class: 'invalid_path' };
      await expect(bucket.put(key, media, metaOf(media))).rejects.toMatchObject(refusal);
      await expect(async () => bucket.get(key)).rejects.toMatchObject(refusal);
      await expect(async () => bucket.head(key)).rejects.toMatchObject(refusal);
      await expect(bucket.delete(key)).rejects.toMatchObject(refusal);
      await expect(bucket.presign({ method: 'GET', key, ttlSeconds: 60 })).rejects.toMatchObject(refusal);
    },
  );

  describe('with presigned URLs', () => {
    const wanted = metaOf(media, { createOnly: true });
    const putRequest = (key: string) =>
      ({ method: 'PUT', key, ttlSeconds: 60, sha256: wanted.sha256, length: 300_000, type: 'video/mp4' }) as const;
    const name = 'pre signed/1+1/ü&=?#%.m4s';

    test('plain fetch puts, reads, and asks', async () => {
      const put = await bucket.presign({ ...putRequest(name), createOnly: true });
      if (lacks === undefined) {
        expect((await fetchAs(put, { method: 'PUT', body: media })).status).toBe(200);
        expect((await fetchAs(put, { method: 'PUT', body: media })).status).toBe(412);
      } else {
        expect((await fetchAs(put, { method: 'PUT', body: media })).status).toBe(501);
        const without = await bucket.presign(putRequest(name));
        expect((await fetchAs(without, { method: 'PUT', body: media })).status).toBe(200);
      }

      const get = await bucket.presign({ method: 'GET', key: name, ttlSeconds: 60 });
      expect(get.headers).toEqual({});
      expect(Buffer.from(await (await fetchAs(get)).arrayBuffer())).toEqual(media);
      const part = await fetchAs(get, { headers: { range: 'bytes=5-7' } });
      expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 5-7/300000']);
      expect(Buffer.from(await part.arrayBuffer())).toEqual(media.subarray(5, 8));

      const head = await bucket.presign({ method: 'HEAD', key: name, ttlSeconds: 60 });
      const answer = await fetchAs(head, { method: 'HEAD' });
      expect([answer.status, answer.headers.get('x-amz-meta-sha256')]).toEqual([200, wanted.sha256]);
    });

    test('an uploader puts a file from disk and settles a 412 by HEAD', async () => {
      const path = join(scratch, 'segment.m4s');
      await writeFile(path, Buffer.concat([Buffer.alloc(7), media]));
      const createOnly = lacks === undefined;
      const put = await bucket.presign({ ...putRequest('up/v_seg_0001.m4s'), createOnly });
      const head = await bucket.presign({ method: 'HEAD', key: 'up/v_seg_0001.m4s', ttlSeconds: 60 });
      const deps = { now: () => clock.ms };
      expect(await headPresigned(head, deps)).toBeNull();
      expect(await putPresigned(put, { path, offset: 7 }, wanted, deps)).toBe('stored');
      expect(await putPresigned(put, { path, offset: 7 }, wanted, deps)).toBe(createOnly ? 'exists' : 'stored');
      expect(await headPresigned(head, deps)).toMatchObject({ bytes: 300_000, sha256: wanted.sha256 });
      expect((await bucket.head('up/v_seg_0001.m4s'))?.sha256).toBe(wanted.sha256);
    });

    test('other bytes than those that were signed are refused', async () => {
      const md5 = createHash('md5').update(media).digest('hex');
      const put = await bucket.presign({ ...putRequest('up/other'), ...(lacks === undefined ? {} : { md5 }) });
      const answer = putPresigned(put, randomBytes(300_000), wanted, { now: () => clock.ms });
      await expect(answer).rejects.toMatchObject({ class: 'digest', status: 400 });
      expect(await bucket.head('up/other')).toBeNull();
    });

    test.each(['content-type', 'if-none-match', 'x-amz-meta-sha256'])(
      'the header %s cannot be altered or left out',
      async (header) => {
        const { url, headers } = await bucket.presign({ ...putRequest('up/tampered'), createOnly: true });
        expect(headers).toHaveProperty(header);
        const altered = { ...headers, [header]: header === 'if-none-match' ? '"x"' : 'altered' };
        const { [header]: _left, ...rest } = headers;
        for (const sent of [altered, rest]) {
          const { status } = await fetch(url, { method: 'PUT', body: new Uint8Array(media), headers: sent });
          // Swift refuses the condition before it looks at the signature.
          expect(status).toBe(lacks !== undefined && sent['if-none-match'] !== undefined ? 501 : 403);
        }
        expect(await bucket.head('up/tampered')).toBeNull();
      },
    );

    test('a longer body, another method, another key are refused', async () => {
      const { url, headers } = await bucket.presign(putRequest('up/one'));
      const longer = Buffer.concat([media, media]);
      const more = { ...headers, 'content-length': String(longer.length) };
      expect((await fetch(url, { method: 'PUT', body: longer, headers: more })).status).toBe(403);
      expect((await fetch(url)).status).toBe(403);
      expect((await fetch(url.replace('up/one', 'up/two'), { method: 'PUT', body: media, headers })).status).toBe(403);
      expect(await listed('up/two')).toEqual([]);
    });

    test('a URL whose time is over is refused as expired', async () => {
      clock.ms -= 62_000;
      const put = await bucket.presign(putRequest('up/expired'));
      clock.ms += 62_000;
      const answer = putPresigned(put, media, wanted, { now: () => clock.ms });
      await expect(answer).rejects.toMatchObject({ class: 'expired', status: 403 });
      await expect(answer).rejects.toSatisfy(
        (error: Error) => !error.message.includes('?X-Amz') && !/ignature=/.test(error.message),
      );
    });
  });
});
