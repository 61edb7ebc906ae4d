import { join } from 'node:path';
import { launchChromium, type PictureCodec, temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPage, playToEnd, preferCodec, publishCamera, stopPublishing, watchLive } from './browser.ts';
import { type Judged, judgeRecording, matrixFrames, matrixStreams, publishMatrix } from './codec-matrix.ts';
import { publishPattern, stopRecording } from './test-pattern.ts';
import { eventually, startWeirUp, type WeirUp } from './weir-process.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);
const probedNames: Record<PictureCodec, string> = { H264: 'h264', H265: 'hevc', VP9: 'vp9', AV1: 'av1' };

const streams = matrixStreams(['H264', 'H265', 'VP9', 'AV1']);
const directory = temporaryDirectory('codecs');
let weir: WeirUp;
beforeAll(async () => {
  weir = await startWeirUp(directory.path, ['--recorder.segment_seconds=1']);
});
afterAll(async () => {
  await weir[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const judge = (stream: string): Promise<Judged> => judgeRecording(weir, stream, join(directory.path, 'download'));

describe('each codec, with sound and without, in 720p and with a change of size in mid-stream', () => {
  beforeAll(() => publishMatrix(weir, streams));

  test.each(streams)('$name decodes without error, and has every frame', async ({ name, codec, changes, sound }) => {
    const judged = await judge(name);
    expect(judged.numbers).toEqual(upTo(matrixFrames.all));
    expect(judged.sizes).toEqual(changes ? ['1280x720', '640x360'] : ['1280x720']);
    expect(new Set(judged.codecs)).toEqual(new Set([probedNames[codec]]));
    const soundSeconds = sound ? matrixFrames.all / 30 : 0;
    expect(Math.abs(judged.soundSeconds - soundSeconds)).toBeLessThan(0.1);
  });

  test('all but H265, which Chromium does not decode, play to their end in the page', async () => {
    await using chromium = await launchChromium();
    const context = await chromium.browser.newContext();
    const waiting = streams.filter(({ codec }) => codec !== 'H265');
    const playAll = async () => {
      const page = await openPage(context, weir.url, weir.password ?? '');
      for (let stream = waiting.pop(); stream !== undefined; stream = waiting.pop()) {
        const { name, changes } = stream;
        const played = await playToEnd(page, name);
        expect(played, name).toMatchObject({ fault: null, height: changes ? 360 : 720 });
        // A publisher that is short of CPU sends its two tracks apart, and says so in its sender reports.
        expect(Math.abs(played.seconds - matrixFrames.all / 30), name).toBeLessThan(0.5);
        expect(played.currentTime, name).toBeCloseTo(played.seconds, 1);
        await page.getByRole('button', { name: 'Close' }).click();
      }
    };
    await Promise.all([playAll(), playAll()]);
  });
});

test('Chromium publishes VP9 and AV1 where it prefers them, another shows them live, and what is recorded decodes', async () => {
  await using chromium = await launchChromium();
  const codecs = ['VP9', 'AV1'] as const;
  await Promise.all(
    codecs.map(async (codec) => {
      const context = await chromium.browser.newContext({ permissions: ['camera', 'microphone'] });
      await context.addInitScript(preferCodec, `video/${codec}`);
      const page = await openPage(context, weir.url, weir.password ?? '');
      await publishCamera(page, `camera-${codec}`);
      const viewer = await openPage(context, weir.url, weir.password ?? '');
      await watchLive(viewer, `camera-${codec}`, 60);
      await viewer.locator(`[data-testid=stream-camera-${codec}][data-recording=true]`).waitFor();
      await stopPublishing(page);
      await stopRecording(weir, `camera-${codec}`);
    }),
  );
  for (const codec of codecs) {
    const judged = await judge(`camera-${codec}`);
    expect(new Set(judged.codecs)).toEqual(new Set([probedNames[codec]]));
    expect(judged.numbers.length).toBeGreaterThan(30);
    expect(judged.soundSeconds).toBeGreaterThan(1);
  }
});

test('weir publish sends every codec: those that can be recorded have every frame, VP8 is refused with the reason', async () => {
  const codecs = ['H265', 'VP9', 'AV1'] as const;
  const options = (codec: string) => [`--codec=${codec.toLowerCase()}`, '--size=640x360', '--no-audio'];
  const publishAndJudge = async (codec: (typeof codecs)[number]) => {
    const frames = await publishPattern(weir, `pattern-${codec}`, 3, options(codec));
    await stopRecording(weir, `pattern-${codec}`);
    const judged = await judge(`pattern-${codec}`);
    expect(judged).toMatchObject({ sizes: ['640x360'], codecs: [probedNames[codec]], soundSeconds: 0 });
    expect(judged.numbers).toEqual(upTo(frames));
  };
  await Promise.all(codecs.map(publishAndJudge));
  const vp8 = publishPattern(weir, 'pattern-VP8', 4, options('VP8'));
  const answer = await eventually(async () => {
    const headers = { authorization: `Bearer ${weir.token}` };
    const response = await fetch(`${weir.url}/api/record/pattern-VP8`, { method: 'POST', headers });
    return response.status === 404 ? null : ((await response.json()) as unknown);
  });
  expect(answer).toMatchObject({ status: 422, code: 'codec_not_recordable', detail: expect.stringMatching(/VP8/) });
  await vp8;
});
