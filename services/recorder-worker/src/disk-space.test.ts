import { expect, test } from 'vitest';
import { watchDiskSpace } from './disk-space.ts';

const MB = 1_000_000;

test('is full below the reserve, and only with a margin above it has room again', async () => {
  let free = 500 * MB;
  const levels: string[] = [];
  using space = await watchDiskSpace({
    dir: '/spool',
    reserveBytes: 100 * MB,
    freeBytes: async () => free,
    changed: (level) => levels.push(level),
    everyMs: 3_600_000,
  });
  const at = async (bytes: number) => {
    free = bytes;
    await space.look();
    return space.level();
  };
  expect(space.level()).toBe('ok');
  expect(await at(199 * MB)).toBe('low');
  expect(await at(99 * MB)).toBe('full');
  expect(await at(101 * MB)).toBe('full');
  expect(await at(120 * MB)).toBe('low');
  expect(await at(300 * MB)).toBe('ok');
  expect(levels).toEqual(['low', 'full', 'low', 'ok']);
});

test('a write that met a full disk counts before the next look does', async () => {
  const levels: string[] = [];
  using space = await watchDiskSpace({
    dir: '/spool',
    reserveBytes: 0,
    freeBytes: async () => 10 * MB,
    changed: (level) => levels.push(level),
    everyMs: 3_600_000,
  });
  space.full();
  expect(space.level()).toBe('full');
  const given: string[] = [];
  const stop = new AbortController();
  const waiting = space.room(new AbortController().signal).then(() => given.push('room'));
  const stopped = space.room(stop.signal).then(() => given.push('stopped'));
  stop.abort();
  await stopped;
  expect(given).toEqual(['stopped']);
  await space.look();
  await waiting;
  expect(levels).toEqual(['full', 'ok']);
});

test('room is made before recording has to stop, and no more than is short', async () => {
  let free = 500 * MB;
  const asked: number[] = [];
  const levels: string[] = [];
  using space = await watchDiskSpace({
    dir: '/spool',
    reserveBytes: 80 * MB,
    freeBytes: async () => free,
    changed: (level) => levels.push(level),
    makeRoom: (bytes) => {
      asked.push(bytes);
      free += bytes;
      return bytes;
    },
    everyMs: 3_600_000,
  });
  await space.look();
  free = 101 * MB;
  await space.look();
  expect(asked).toEqual([]);
  free = 99 * MB;
  await space.look();
  expect([asked, free]).toEqual([[11 * MB], 110 * MB]);
  free = 10 * MB;
  await space.look();
  expect([asked.at(-1), free]).toEqual([100 * MB, 110 * MB]);
  expect(levels).toEqual(['low']);
});

test('a full disk without a reserve has some room made too', async () => {
  let free = 0;
  let evictable = 0;
  const levels: string[] = [];
  using space = await watchDiskSpace({
    dir: '/spool',
    reserveBytes: 0,
    freeBytes: async () => free,
    changed: (level) => levels.push(level),
    makeRoom: (bytes) => {
      const freed = Math.min(bytes, evictable);
      free += freed;
      return freed;
    },
    everyMs: 3_600_000,
  });
  space.full();
  await space.look();
  expect([free, levels]).toEqual([0, ['full']]);
  evictable = 20 * MB;
  await space.look();
  expect([free, levels]).toEqual([8 * 1024 * 1024, ['full', 'ok']]);
});
