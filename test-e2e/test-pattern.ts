/** The journey of the command line: `weir publish --test-pattern`, and every frame of it in the bucket. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readFrameNumbers } from '@weir/testkit';
import { expect } from 'vitest';
import { decodes, download, endedRecording, probe, validateManifest } from './recordings.ts';
import { callApi, type Installation } from './weir-process.ts';

const run = promisify(execFile);
const cli = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url));

/** Publishes the test pattern for some seconds; returns how many frames were sent. */
export const publishPattern = async (weir: Installation, stream: string, seconds: number): Promise<number> => {
  const { stderr } = await run(process.execPath, [
    cli,
    'publish',
    '--test-pattern',
    `--stream=${stream}`,
    `--url=${weir.url}/whip/${stream}`,
    `--token-file=${join(weir.directory, 'data/secrets/api-token')}`,
    `--duration=${seconds}`,
  ]);
  const frames = Number(
    /(\d+) (?:video )?frames/.exec(stderr.split('\n').findLast((line) => /frames/.test(line)) ?? '')?.[1],
  );
  if (!(frames > 0)) throw new Error(`weir publish told no frames:\n${stderr}`);
  return frames;
};

/** Ends the recording of a stream, as an operator does. */
export const stopRecording = (weir: Installation, stream: string): Promise<unknown> =>
  callApi(weir, `/api/record/${stream}`, { method: 'DELETE' });

/** Shows that a recording has every published frame once and in order, decodes, and has a sound manifest. */
export const expectEveryFrame = async (weir: Installation, stream: string, frames: number): Promise<void> => {
  const recording = await endedRecording(weir, stream);
  const manifest = await download(weir, recording, join(weir.directory, 'download'));
  await validateManifest(manifest);
  await decodes(manifest);
  const { streams, seconds } = await probe(manifest);
  expect(streams.map((one) => one.codec_name).sort()).toEqual(['h264', 'opus']);
  expect(Math.abs(seconds - frames / 30)).toBeLessThan(0.5);
  const numbers = await readFrameNumbers(manifest);
  expect(numbers).toEqual(Array.from({ length: frames }, (_, n) => n));
};
