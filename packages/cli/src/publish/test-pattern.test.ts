import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readFrameNumbers, requireProgram, temporaryDirectory } from '@weir/testkit';
import { afterAll, expect, test } from 'vitest';
import { patternSource } from './test-pattern.ts';

const run = promisify(execFile);
const directory = temporaryDirectory('test-pattern');
afterAll(() => directory[Symbol.dispose]());

const render = async (name: string, ...output: string[]): Promise<string> => {
  const path = join(directory.path, name);
  // As fast as it goes, not in real time.
  const inputs = patternSource({ durationSeconds: 9 }).inputArgs.filter((argument) => argument !== '-re');
  await run(requireProgram('ffmpeg'), ['-v', 'error', '-y', ...inputs, '-map', '0:v', ...output, path]);
  return path;
};

// 270 frames: the check has come round once (251), and 8 bits do not hold the number.
const numbers = Array.from({ length: 270 }, (_, number) => number);
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];

test.each([
  ['as sent', 'sent.mp4', [...x264, '-b:v', '2500k']],
  ['at a tenth of the bitrate', 'low.mp4', [...x264, '-b:v', '250k', '-maxrate', '250k', '-bufsize', '250k']],
  ['reordered', 'reordered.mp4', [...x264, '-bf', '3']],
  ['at a quarter of the size', 'small.mp4', [...x264, '-vf', 'scale=320:180', '-b:v', '200k']],
])('each frame tells its number, %s', async (_, name, output) => {
  expect(await readFrameNumbers(await render(name, ...output))).toEqual(numbers);
});

test('a picture without the strip tells none', async () => {
  const path = await render('covered.mp4', '-vf', 'drawbox=y=600:color=black:t=fill', '-frames:v', '3', ...x264);
  expect(await readFrameNumbers(path)).toEqual([null, null, null]);
});

test('its length is exact to the frame', () => {
  expect(patternSource({ durationSeconds: 12 }).inputArgs.join(' ')).toContain('trim=end_frame=360');
  expect(patternSource({ durationSeconds: 0.5 })).toMatchObject({ durationSeconds: 0.5 });
  expect(patternSource({}).durationSeconds).toBeNull();
});
