/** The journey of the command line: `weir publish --test-pattern`, and every frame of it in the bucket. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFrameNumbers } from '@weir/testkit';
import { expect } from 'vitest';
import { decodes, download, endedRecording, probe, validateManifest } from './recordings.ts';
import { callApi, type Installation, startWeir } from './weir-process.ts';

/** Where a publication goes: a node or a gateway, with the API token of its data directory where there is one. */
export type PublishTarget = { url: string; directory?: string };

/** What `weir publish` told at its end. */
export type SentFrames = { frames: number; unsent: number; reconnections: number };

/** A publication that runs. */
export type SentPattern = {
  /** Resolves at its end; rejects when it failed. */
  done: Promise<SentFrames>;
  /** Ctrl-C: what is in hand is sent, the session is deleted. */
  interrupt(): void;
};

const readSummary = (output: string): SentFrames => {
  const line = output.split('\n').findLast((one) => one.startsWith('weir publish: sent')) ?? '';
  const count = (pattern: RegExp) => Number(pattern.exec(line)?.[1] ?? 0);
  const frames = count(/(\d+) video frames,/);
  if (!(frames > 0)) throw new Error(`weir publish told no frames:\n${output}`);
  return { frames, unsent: count(/(\d+) video frames not sent/), reconnections: count(/(\d+) reconnections/) };
};

/** Starts publishing the test pattern. */
export const startPattern = (
  { url, directory }: PublishTarget,
  stream: string,
  seconds: number,
  options: readonly string[] = [],
): SentPattern => {
  const publisher = startWeir(directory ?? tmpdir(), [
    'publish',
    '--test-pattern',
    `--stream=${stream}`,
    `--url=${url}/whip/${stream}`,
    ...(directory === undefined ? [] : [`--token-file=${join(directory, 'data/secrets/api-token')}`]),
    `--duration=${seconds}`,
    ...options,
  ]);
  const done = publisher.ended.then((code) => {
    if (code !== 0) throw new Error(`weir publish ended with ${code}:\n${publisher.output()}`);
    return readSummary(publisher.output());
  });
  done.catch(() => undefined);
  return { done, interrupt: () => void publisher.child.kill('SIGINT') };
};

/** Publishes the test pattern for some seconds; returns how many frames were sent. */
export const publishPattern = async (
  weir: Installation,
  stream: string,
  seconds: number,
  options: readonly string[] = [],
): Promise<number> => (await startPattern(weir, stream, seconds, options).done).frames;

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
