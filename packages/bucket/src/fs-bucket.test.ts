import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { temporaryDirectory } from '@weir/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Bucket, ObjectMeta } from './bucket.ts';
import { openBucket } from './open-bucket.ts';

const media = randomBytes(100_000);
const metaOf = (bytes: Uint8Array, createOnly = false): ObjectMeta => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  bytes: bytes.length,
  type: 'video/mp4',
  createOnly,
});

const listed = async (): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of bucket.list('')) keys.push(key);
  return keys;
};

let stack: DisposableStack;
let root: string;
let bucket: Bucket;
let nowMs: number;
beforeEach(async () => {
  stack = new DisposableStack();
  root = join(stack.use(temporaryDirectory('bucket')).path, 'data', 'bucket');
  nowMs = Date.now();
  bucket = await openBucket({ type: 'fs', root }, { now: () => nowMs, random: Math.random });
});
afterEach(() => stack.dispose());

test('the directory is made when it is missing', async () => {
  expect(existsSync(root)).toBe(true);
  await bucket.check();
});

test('a root that cannot be one is refused with its path', async () => {
  const file = join(root, 'file');
  await writeFile(file, '');
  const opened = openBucket({ type: 'fs', root: join(file, 'below') }, { now: Date.now, random: Math.random });
  await expect(opened).rejects.toThrow(`storage directory ${join(file, 'below')}: ENOTDIR`);
});

test('an object has its name only when all of it is there', async () => {
  const halves = [media.subarray(0, 50_000), media.subarray(50_000)];
  const seen: (number | undefined)[] = [];
  const source = async function* () {
    for (const half of halves) {
      seen.push((await bucket.head('cam-1/1/v_seg_0001.m4s'))?.bytes);
      yield half;
    }
  };
  await bucket.put('cam-1/1/v_seg_0001.m4s', Readable.from(source()), metaOf(media, true));
  expect(seen).toEqual([undefined, undefined]);
  expect((await bucket.head('cam-1/1/v_seg_0001.m4s'))?.bytes).toBe(100_000);
});

test('a put that fails on the way leaves nothing, neither the object nor what grew', async () => {
  const source = async function* () {
    yield media;
    throw new Error('the publisher is gone');
  };
  await expect(bucket.put('a', Readable.from(source()), metaOf(media))).rejects.toThrow('the publisher is gone');
  const more = Readable.from([media, media]);
  await expect(bucket.put('a', more, metaOf(media))).rejects.toMatchObject({ class: 'digest' });
  expect(await readdir(root)).toEqual(['.incoming']);
  expect(await readdir(join(root, '.incoming'))).toEqual([]);
});

test('whoever reads while an object is replaced sees one of both, whole', async () => {
  await bucket.put('manifest.mpd', media, metaOf(media));
  const before = await bucket.get('manifest.mpd');
  const next = randomBytes(90_000);
  await bucket.put('manifest.mpd', next, metaOf(next));
  expect(await buffer(before?.body ?? Readable.from([]))).toEqual(media);
  const after = await bucket.get('manifest.mpd');
  expect(await buffer(after?.body ?? Readable.from([]))).toEqual(next);
});

test('what a crash left is removed by the check, once it is a day old', async () => {
  const [old, young] = [join(root, '.incoming', 'old'), join(root, '.incoming', 'young')];
  await writeFile(old, 'x');
  await writeFile(young, 'x');
  const twoDaysAgo = new Date(nowMs - 48 * 3_600_000);
  await utimes(old, twoDaysAgo, twoDaysAgo);
  await bucket.check();
  expect(await readdir(join(root, '.incoming'))).toEqual(['young']);
  expect(await listed()).toEqual([]);
  await expect(bucket.get('.incoming/young')).rejects.toMatchObject({ class: 'invalid_path' });
});

test('no symbolic link leads out of the root, to read, write or delete', async () => {
  const outside = join(root, '..', 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'secret'), 'secret');
  await symlink(outside, join(root, 'link'));
  await symlink(join(outside, 'secret'), join(root, 'file'));
  const refusal = { class: 'invalid_path' };
  for (const key of ['link/secret', 'file']) {
    await expect(bucket.get(key)).rejects.toMatchObject(refusal);
    await expect(bucket.head(key)).rejects.toMatchObject(refusal);
    await expect(bucket.delete(key)).rejects.toMatchObject(refusal);
  }
  for (const key of ['link/new', 'link/deep/er/new']) {
    await expect(bucket.put(key, media, metaOf(media))).rejects.toMatchObject(refusal);
  }
  expect(await readdir(outside)).toEqual(['secret']);
  expect(await listed()).toEqual([]);
});

test('an object is not a directory, nor a directory an object', async () => {
  await bucket.put('a/b', media, metaOf(media));
  expect(await bucket.get('a')).toBeNull();
  expect(await bucket.get('a/b/c')).toBeNull();
  await expect(bucket.put('a', media, metaOf(media))).rejects.toMatchObject({ class: 'invalid_path' });
  await expect(bucket.put('a/b/c', media, metaOf(media))).rejects.toMatchObject({ class: 'invalid_path' });
});

test('puts and deletes in one directory do not disturb each other', async () => {
  const turns = Array.from({ length: 20 }, async (_, n) => {
    const key = `busy/dir/${n}`;
    await bucket.put(key, media, metaOf(media, true));
    await bucket.delete(key);
  });
  await Promise.all(turns);
  expect(await readdir(root)).toEqual(['.incoming']);
});

test('only who holds the key presigns', async () => {
  await expect(bucket.presign({ method: 'GET', key: 'a', ttlSeconds: 1 })).rejects.toMatchObject({ class: 'config' });
});
