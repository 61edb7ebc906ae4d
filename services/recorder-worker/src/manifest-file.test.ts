import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@weir/testkit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { manifestFile } from './manifest-file.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const openManifest = (path: string, buildMs: number) => {
  const seen = { builds: 0, nowMs: 1000 };
  const build = () => {
    seen.builds += 1;
    seen.nowMs += buildMs;
    return `version ${seen.builds}`;
  };
  const failed = (error: unknown) => {
    throw error;
  };
  return { seen, file: manifestFile(path, build, () => seen.nowMs, failed) };
};

test('a manifest that takes long to make is made seldom, and once more at the end', async () => {
  using directory = temporaryDirectory('manifest');
  const { file, seen } = openManifest(directory.path, 400);
  await file.finish();
  file.changed();
  vi.advanceTimersByTime(199_000);
  expect(seen.builds).toBe(1);
  await file.finish();
  expect(readFileSync(join(directory.path, 'manifest.mpd'), 'utf8')).toBe('version 2');
});

test('a cancelled change is not written: nothing keeps the process or reads a ledger that is closed', () => {
  using directory = temporaryDirectory('manifest');
  const { file, seen } = openManifest(directory.path, 1);
  file.changed();
  file.cancel();
  expect(vi.getTimerCount()).toBe(0);
  expect([seen.builds, existsSync(join(directory.path, 'manifest.mpd'))]).toEqual([0, false]);
});
