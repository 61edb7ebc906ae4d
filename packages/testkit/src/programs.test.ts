import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { findProgram, missingPrograms, requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

afterEach(() => vi.unstubAllEnvs());

test('what is missing is named with the package that brings it, each once', () => {
  const missing = missingPrograms((program) => (program === 'ffmpeg' || program === 'psql' ? undefined : '/found'));
  expect(missing).toEqual([
    { program: 'ffmpeg', package: 'ffmpeg' },
    { program: 'psql', package: 'postgresql' },
  ]);
});

test('this machine has what the tests need, or they would not run', () => {
  expect(missingPrograms()).toEqual([]);
  expect(requireProgram('ffmpeg')).toMatch(/\/ffmpeg$/);
});

test('the first in the path is taken', () => {
  using directory = temporaryDirectory('programs');
  const path = join(directory.path, 'xmllint');
  writeFileSync(path, '');
  chmodSync(path, 0o755);
  vi.stubEnv('PATH', directory.path);
  expect(findProgram('xmllint')).toBe(path);
});
