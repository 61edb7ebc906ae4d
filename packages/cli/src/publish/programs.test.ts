import { dirname } from 'node:path';
import { requireProgram } from '@weir/testkit';
import { expect, test } from 'vitest';
import { findProgram } from './programs.ts';

test('a missing ffmpeg is told in one line, with how to get it', () => {
  const find = () => findProgram('ffmpeg', { PATH: '/nowhere:' });
  expect(find).toThrow(/^ffmpeg is not in the PATH, .*apt-get install ffmpeg/);
  expect(find).toThrow(expect.objectContaining({ code: 'program_missing' }));
});

test('it is found in the PATH', () => {
  const path = requireProgram('ffprobe');
  expect(findProgram('ffprobe', { PATH: `/nowhere:${dirname(path)}` })).toBe(path);
});
