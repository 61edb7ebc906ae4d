import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { checkedFile, fileMemory } from './local-file.ts';

const content = randomBytes(70_000);

const fileOf = (path: string, bytes = content) => ({
  track: 'video' as const,
  key: 'cam-1/1/v_seg_0001.m4s',
  path,
  bytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

/** Memory that knows how many slabs are out. */
const countedMemory = () => {
  const memory = fileMemory(2);
  const count = { taken: 0, out: 0 };
  return {
    count,
    memory: {
      take: () => {
        count.taken += 1;
        count.out += 1;
        return memory.take();
      },
      giveBack: (slab: Buffer) => {
        count.out -= 1;
        memory.giveBack(slab);
      },
    },
  };
};

test('a file is read once, into memory that is used again', async () => {
  using directory = temporaryDirectory('local-file');
  const path = join(directory.path, 'file');
  writeFileSync(path, content);
  const memory = fileMemory(1);
  const first = await checkedFile(fileOf(path), memory);
  if ('damage' in first || first.slab === null) throw new Error('not read into memory');
  expect(Buffer.from(first.source as Uint8Array).equals(content)).toBe(true);
  memory.giveBack(first.slab);
  const second = await checkedFile(fileOf(path), memory);
  expect('slab' in second && second.slab).toBe(first.slab);
});

test.each([
  ['other bytes', randomBytes(70_000), 'has 70000 bytes with sha256'],
  ['a byte too few', content.subarray(1), 'has 69999 bytes'],
  ['bytes too many', Buffer.concat([content, content]), 'has 140000 bytes'],
  ['nothing', Buffer.alloc(0), 'has 0 bytes'],
])('a file with %s is damaged, and holds no memory', async (_, found, words) => {
  using directory = temporaryDirectory('local-file');
  const path = join(directory.path, 'file');
  writeFileSync(path, found);
  const { memory, count } = countedMemory();
  const checked = await checkedFile(fileOf(path), memory);
  expect('damage' in checked && checked.damage).toContain(words);
  expect(count).toEqual({ taken: 1, out: 0 });
});

test('a file that is gone is told, and holds no memory', async () => {
  using directory = temporaryDirectory('local-file');
  const { memory, count } = countedMemory();
  const checked = await checkedFile(fileOf(join(directory.path, 'gone')), memory);
  expect('damage' in checked && checked.damage).toContain('is not there');
  expect(count.out).toBe(0);
});

test('a file that is larger than a slab is put from the disk', async () => {
  using directory = temporaryDirectory('local-file');
  const path = join(directory.path, 'file');
  const large = randomBytes(5_000_000);
  writeFileSync(path, large);
  const { memory, count } = countedMemory();
  expect(await checkedFile(fileOf(path, large), memory)).toEqual({ source: { path }, slab: null });
  expect(count.taken).toBe(0);
});
