import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { keyFrameTest, parseRtp } from '@weir/media';
import type { VideoCodec } from '@weir/rtc';
import { readFrameNumbers, requireProgram, temporaryDirectory } from '@weir/testkit';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { fileSource, probeFile } from './media-file.ts';
import type { MediaSource, SendingOptions } from './media-source.ts';
import { patternSource } from './test-pattern.ts';
import { startTransmission } from './transmission.ts';
import { openWhipServer, type WhipServer } from './whip-server-fixture.ts';

const run = promisify(execFile);
const ffmpeg = requireProgram('ffmpeg');
const ffprobe = requireProgram('ffprobe');
const directory = temporaryDirectory('publish');
afterAll(() => directory[Symbol.dispose]());
const inDirectory = (name: string): string => join(directory.path, name);

const neverStopped = new AbortController().signal;
const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

/** Two seconds of the test pattern as a file, made by ffmpeg with other arguments than ours. */
const makeClip = async (name: string, ...output: string[]): Promise<string> => {
  const real = patternSource({ durationSeconds: 2 }).inputArgs.filter((argument) => argument !== '-re');
  const path = inDirectory(name);
  await run(ffmpeg, ['-v', 'error', '-y', ...real, ...output, path]);
  return path;
};

const h264 = ['-c:v', 'libx264', '-preset', 'superfast', '-pix_fmt', 'yuv420p', '-g', '30'];

const send = (server: WhipServer, source: MediaSource, signal = neverStopped) =>
  startTransmission({ source, url: server.url, ffmpeg, token: 'secret' }, signal);

const openFile = async (path: string, options: Partial<SendingOptions> = {}): Promise<MediaSource> =>
  fileSource(path, await probeFile(ffprobe, path), options);

/** The frame numbers that arrived, in order, after every one of them was decoded. */
const arrivedNumbers = async (server: WhipServer): Promise<(number | null)[]> => {
  const path = inDirectory('arrived.h264');
  server.writeVideo(path);
  return readFrameNumbers(path);
};

describe('the test pattern', () => {
  test('every frame and every beep arrives, and the session is deleted', async () => {
    await using server = await openWhipServer();
    const transmission = send(server, patternSource({ durationSeconds: 3 }));
    await transmission.done;
    expect(await arrivedNumbers(server)).toEqual(upTo(90));
    expect(transmission.status()).toMatchObject({ videoFrames: 90, durationSeconds: 3 });
    expect(server.packets.audio.length).toBeGreaterThanOrEqual(150);
    expect(server.packets.audio.length).toBeLessThan(155);
    expect(server.tokens).toEqual(['Bearer secret', 'Bearer secret']);
    expect(server.deleted).toBe(1);
    expect(server.ended).toEqual(['local']);
  });

  test('without an end it goes on until it is stopped, and ends with a whole picture', async () => {
    await using server = await openWhipServer();
    const stop = new AbortController();
    const transmission = send(server, patternSource({}), stop.signal);
    await vi.waitFor(() => expect(transmission.status().videoFrames).toBeGreaterThan(20), { timeout: 15_000 });
    server.requestKeyFrame();
    await vi.waitFor(() => expect(transmission.status().keyFrameRequests).toBe(1));
    stop.abort();
    await transmission.done;
    const { videoFrames } = transmission.status();
    expect(await arrivedNumbers(server)).toEqual(upTo(videoFrames));
    expect(server.deleted).toBe(1);
  });
});

describe.each<VideoCodec>(['H265', 'VP9', 'AV1', 'VP8'])('in %s', (codec) => {
  test('every frame is sent, and a key frame each second', async () => {
    await using server = await openWhipServer();
    const source = patternSource({ codec, size: '640x360', durationSeconds: 2 });
    await send(server, source).done;
    const rtp = server.packets.video.flatMap((bytes) => parseRtp(bytes) ?? []);
    const timestamps = [...new Set(rtp.map(({ timestamp }) => timestamp))];
    expect(timestamps).toEqual(upTo(60).map((frame) => ((timestamps[0] ?? 0) + frame * 3000) % 2 ** 32));
    const keys = new Set(rtp.filter(({ payload }) => keyFrameTest(codec)?.(payload)).map(({ timestamp }) => timestamp));
    expect([...keys].map((timestamp) => timestamps.indexOf(timestamp))).toEqual([0, 30]);
    expect(rtp.filter(({ marker }) => marker)).toHaveLength(60);
    expect(server.packets.audio.length).toBeGreaterThanOrEqual(100);
  });
});

describe('a file', () => {
  test('H264 without B-frames goes as it is, AAC as Opus', async () => {
    const path = await makeClip('plain.mp4', ...h264, '-bf', '0', '-profile:v', 'high', '-c:a', 'aac');
    const source = await openFile(path);
    expect(source.name).toContain('H264 copied');
    await using server = await openWhipServer();
    await send(server, source).done;
    expect(await arrivedNumbers(server)).toEqual(upTo(60));
    expect(server.packets.audio.length).toBeGreaterThanOrEqual(100);
    expect(server.offers[0]).toMatch(/profile-level-id=64001f/);
  });

  test('video with B-frames is encoded, frame by frame', async () => {
    const path = await makeClip('reordered.mp4', ...h264, '-bf', '3', '-b_strategy', '0', '-c:a', 'aac');
    const source = await openFile(path);
    expect(source.name).toContain('H264 encoded');
    await using server = await openWhipServer();
    await send(server, source).done;
    expect(await arrivedNumbers(server)).toEqual(upTo(60));
  });

  test('a file of the codec asked for goes as it is, without its sound', async () => {
    const vp9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-g', '30', '-c:a', 'libopus'];
    const path = await makeClip('plain.webm', ...vp9);
    const source = await openFile(path, { codec: 'VP9', withAudio: false });
    expect(source.name).toMatch(/VP9 copied, no audio/);
    await using server = await openWhipServer();
    const transmission = send(server, source);
    await transmission.done;
    expect(transmission.status()).toMatchObject({ videoFrames: 60, audioPackets: 0 });
    expect(await openFile(path, { size: '320x180' })).toHaveProperty('name', expect.stringMatching(/H264 encoded/));
  });

  test('sound alone and pictures alone go too', async () => {
    await using server = await openWhipServer();
    await send(server, await openFile(await makeClip('sound.ogg', '-vn', '-c:a', 'libopus', '-t', '1'))).done;
    expect(server.packets.video).toEqual([]);
    expect(server.packets.audio.length).toBeGreaterThanOrEqual(50);
    await using other = await openWhipServer();
    await send(other, await openFile(await makeClip('mute.mkv', ...h264, '-bf', '0', '-an', '-t', '1'))).done;
    expect(await arrivedNumbers(other)).toEqual(upTo(30));
    expect(other.packets.audio).toEqual([]);
  });

  test('pictures longer than their sound are not held up by its end', async () => {
    const path = await makeClip('short-sound.mp4', ...h264, '-bf', '0', '-c:a', 'aac', '-af', 'atrim=end=0.5');
    await using server = await openWhipServer();
    const transmission = send(server, await openFile(path));
    // Read while it is under way: what is held up would all come at the end.
    await vi.waitFor(() => expect(server.packets.audio.length).toBeGreaterThan(20), { timeout: 15_000 });
    const { videoFrames } = transmission.status();
    expect(videoFrames).toBeGreaterThan(5);
    await vi.waitFor(() => expect(transmission.status().videoFrames).toBeGreaterThan(videoFrames + 5));
    expect(transmission.status().connection).toBe('connected');
    await transmission.done;
    expect(await arrivedNumbers(server)).toEqual(upTo(60));
  });
});

describe('what goes wrong', () => {
  test('a refusal is told in the words of the server', async () => {
    const refusal = { status: 409, code: 'stream_has_publisher', detail: 'stream test has a publisher' };
    await using server = await openWhipServer({ refusal });
    await expect(send(server, patternSource({ durationSeconds: 1 })).done).rejects.toMatchObject({
      code: 'stream_has_publisher',
      message: expect.stringMatching(/409.*stream test has a publisher$/),
    });
  });

  test('without the right credentials it says where a token is named', async () => {
    const refusal = { status: 401, code: 'unauthorized', detail: 'no valid credentials' };
    await using server = await openWhipServer({ refusal });
    await expect(send(server, patternSource({ durationSeconds: 1 })).done).rejects.toThrow(
      /401: no valid credentials; .*--token-file/,
    );
  });

  test('a server that is not there', async () => {
    const source = patternSource({ durationSeconds: 1 });
    const { done } = startTransmission({ source, url: 'http://127.0.0.1:1/whip/a', ffmpeg }, neverStopped);
    await expect(done).rejects.toMatchObject({ code: 'node_unreachable' });
  });

  test('a session that the server ends is published again, and what came meanwhile is counted', async () => {
    await using server = await openWhipServer();
    const transmission = send(server, patternSource({ durationSeconds: 5 }));
    await vi.waitFor(() => expect(transmission.status().videoFrames).toBeGreaterThan(20), { timeout: 15_000 });
    server.hangUp();
    await vi.waitFor(() => expect(transmission.status().connection).toBe('reconnecting'));
    await transmission.done;
    const { videoFrames, unsentFrames, reconnections } = transmission.status();
    expect(reconnections).toBe(1);
    expect(server.offers).toHaveLength(2);
    // A picture that the end of the connection cut in two counts on both sides.
    expect(videoFrames + unsentFrames - 150).toBeLessThanOrEqual(2);
    expect(videoFrames + unsentFrames).toBeGreaterThanOrEqual(150);
  });

  test('a server that is gone for good is told when the source ends', async () => {
    await using server = await openWhipServer();
    const transmission = send(server, patternSource({ durationSeconds: 3 }));
    await vi.waitFor(() => expect(transmission.status().videoFrames).toBeGreaterThan(20), { timeout: 15_000 });
    server.refuse({ status: 503, code: 'not_ready', detail: 'starting' });
    server.hangUp();
    await expect(transmission.done).rejects.toThrow(/was lost after \d+\.\d s \(closed\)/);
  });

  test('a refusal of what had been taken before ends it', async () => {
    await using server = await openWhipServer();
    const transmission = send(server, patternSource({ durationSeconds: 60 }));
    await vi.waitFor(() => expect(transmission.status().videoFrames).toBeGreaterThan(0), { timeout: 15_000 });
    server.refuse({ status: 403, code: 'forbidden', detail: 'this token may not publish test' });
    server.hangUp();
    await expect(transmission.done).rejects.toThrow(/403: this token may not publish test/);
  });

  test('an ffmpeg that fails is quoted, and the session deleted', async () => {
    await using server = await openWhipServer();
    const source = { ...patternSource({ durationSeconds: 1 }), inputArgs: ['-i', inDirectory('nothing.mp4')] };
    await expect(send(server, source).done).rejects.toThrow(/nothing\.mp4: No such file/);
    expect(server.deleted).toBe(1);
  });

  test('a file that is no media, or not there', async () => {
    await expect(probeFile(ffprobe, import.meta.filename)).rejects.toThrow(
      /transmission\.test\.ts cannot be read: Inv/,
    );
    await expect(probeFile(ffprobe, inDirectory('gone.mp4'))).rejects.toThrow(/gone\.mp4 cannot be read: No such file/);
    expect(existsSync(inDirectory('gone.mp4'))).toBe(false);
  });
});
