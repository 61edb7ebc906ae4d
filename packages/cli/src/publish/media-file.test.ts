import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { requireProgram, temporaryDirectory } from '@weir/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { copyableFormat, fileSource, type ProbedStream, probeFile } from './media-file.ts';
import { kindsOf } from './media-source.ts';

const run = promisify(execFile);
const directory = temporaryDirectory('media-file');
afterAll(() => directory[Symbol.dispose]());

/** One second of video and sound, made and probed. */
const probed = async (name: string, ...output: string[]) => {
  const path = join(directory.path, name);
  const sources = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30:duration=1', '-f', 'lavfi', '-i', 'sine=d=1'];
  await run(requireProgram('ffmpeg'), ['-v', 'error', '-y', ...sources, ...output, path]);
  return { path, file: await probeFile(requireProgram('ffprobe'), path) };
};

const h264 = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p'];

describe('whether a file is sent as it is', () => {
  test.each([
    ['constrained baseline', 'baseline.mp4', [...h264, '-profile:v', 'baseline'], '42e0'],
    ['main without B-frames', 'main.mp4', [...h264, '-profile:v', 'main', '-bf', '0'], '4d00'],
    ['high without B-frames, Matroska', 'high.mkv', [...h264, '-bf', '0'], '6400'],
    ['high without B-frames, transport stream', 'high.ts', [...h264, '-bf', '0'], '6400'],
    ['B-frames', 'reordered.mp4', [...h264, '-bf', '2', '-b_strategy', '0'], null],
    ['4:4:4', 'full.mp4', ['-c:v', 'libx264', '-pix_fmt', 'yuv444p', '-bf', '0'], null],
    ['no times', 'bare.h264', [...h264, '-bf', '0', '-map', '0:v'], null],
    ['another codec', 'other.mkv', ['-c:v', 'mpeg4'], null],
  ])('%s', async (_, name, output, profile) => {
    const { file } = await probed(name, ...output);
    const fmtp = copyableFormat(file, 'H264')?.fmtp;
    expect(fmtp?.replace(/.*profile-level-id=(....)../, '$1') ?? null).toBe(profile);
  });

  const plain: ProbedStream = {
    index: 0,
    codec_name: 'h264',
    profile: 'High',
    level: 31,
    pix_fmt: 'yuv420p',
    has_b_frames: 0,
  };
  test.each<[string, Partial<ProbedStream>, boolean]>([
    ['nothing special', {}, true],
    ['turned on its side', { side_data_list: [{ rotation: -90 }] }, false],
    ['interlaced', { field_order: 'tt' }, false],
    ['without a level', { level: -99 }, false],
    ['of ten bits', { profile: 'High 10' }, false],
  ])('%s', (_, difference, copied) => {
    const video = { ...plain, ...difference };
    expect(copyableFormat({ video, inOrder: true }, 'H264') !== null).toBe(copied);
    expect(copyableFormat({ video, inOrder: false }, 'H264')).toBeNull();
  });
});

describe('what is sent of a file', () => {
  test('the length asked for, at most its own', async () => {
    const { path, file } = await probed('both.mp4', ...h264);
    expect(fileSource(path, file, {}).durationSeconds).toBeCloseTo(1, 1);
    expect(fileSource(path, file, { durationSeconds: 0.5 })).toMatchObject({ durationSeconds: 0.5 });
    expect(fileSource(path, file, { durationSeconds: 7 }).durationSeconds).toBeCloseTo(1, 1);
  });

  test('the cover of a piece of music is no video', async () => {
    const cover = ['-map', '1:a', '-map', '0:v', '-frames:v', '1', '-c:v', 'mjpeg', '-disposition:v', 'attached_pic'];
    const { path, file } = await probed('music.m4a', ...cover);
    expect(kindsOf(fileSource(path, file, {}))).toEqual(['audio']);
  });
});
