import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { encodePictures, type PictureCodec } from './coded-picture.ts';
import { readFrameNumbers } from './frame-number.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const directory = temporaryDirectory('coded-picture');
afterAll(() => directory[Symbol.dispose]());

test.each<PictureCodec>(['H264', 'H265'])('frames of %s are whole, and tell their numbers', async (codec) => {
  const runs = await encodePictures(codec, [
    { size: '1280x720', first: 0, frames: 31 },
    { size: '640x360', first: 20, frames: 5 },
  ]);
  expect(runs.map((run) => run.length)).toEqual([31, 5]);
  const path = join(directory.path, `frames.${codec.toLowerCase()}`);
  writeFileSync(path, Buffer.concat(runs[1] ?? []));
  expect(await readFrameNumbers(path)).toEqual([20, 21, 22, 23, 24]);
});
