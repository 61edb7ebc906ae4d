import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RecordingOutput, recordingCore } from '@weir/media';
import { openEndpoint } from '@weir/rtc';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { launchChromium } from './chromium.ts';
import { requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

let chromium: Awaited<ReturnType<typeof launchChromium>>;
beforeAll(async () => {
  chromium = await launchChromium();
});
afterAll(() => chromium[Symbol.asyncDispose]());

/** Publishes a moving picture from the page in one codec and scalability mode; the answer is set by what is returned. */
const offerOf = (page: Page, codec: string, scalabilityMode: string): Promise<string> =>
  page.evaluate(
    async ({ codec: name, scalabilityMode: mode }) => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [640, 360];
      const context = canvas.getContext('2d');
      let frame = 0;
      const draw = () => {
        if (context === null) return;
        context.fillStyle = `hsl(${frame} 80% 40%)`;
        context.fillRect(0, 0, 640, 360);
        context.fillStyle = 'white';
        for (let index = 0; index < 40; index++) {
          context.fillRect((index * 97 + frame * 3) % 640, (index * 53 + frame * 2) % 360, 24, 24);
        }
        frame++;
      };
      setInterval(draw, 33);
      draw();
      const connection = new RTCPeerConnection();
      const [track] = canvas.captureStream(30).getVideoTracks();
      if (track === undefined) throw new Error('no track');
      const transceiver = connection.addTransceiver(track, {
        direction: 'sendonly',
        sendEncodings: [{ scalabilityMode: mode, maxBitrate: 2_000_000 } as RTCRtpEncodingParameters],
      });
      const own = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
      const parameters = { ...transceiver.sender.getParameters(), degradationPreference: 'maintain-resolution' };
      await transceiver.sender.setParameters(parameters as RTCRtpSendParameters);
      transceiver.setCodecPreferences(own.filter(({ mimeType }) => mimeType === `video/${name}`));
      await connection.setLocalDescription();
      Object.assign(window, { connection, transceiver });
      return connection.localDescription?.sdp ?? '';
    },
    { codec, scalabilityMode },
  );

/** How many frames the page says that it has sent; with spatial layers, those of each layer. */
const framesSentBy = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const { connection } = window as unknown as { connection: RTCPeerConnection };
    const reports = [...(await connection.getStats()).values()];
    return reports.find(({ type }) => type === 'outbound-rtp')?.framesSent ?? 0;
  });

const untilSent = (page: Page, frames: number): Promise<void> =>
  vi.waitFor(async () => expect(await framesSentBy(page)).toBeGreaterThan(frames), { timeout: 30_000, interval: 100 });

/** Sizes of the decoded pictures in bytes. VP9 by libvpx, as in browsers: ffmpeg's own decoder shows each spatial layer. */
const pictureSizes = (file: string, codec: string): number[] => {
  const decoder = codec === 'VP9' ? ['-c:v', 'libvpx-vp9'] : [];
  const output = ['-fps_mode', 'passthrough', '-f', 'framemd5', '-'];
  const args = ['-v', 'error', '-xerror', ...decoder, '-i', file, ...output];
  const text = execFileSync(requireProgram('ffmpeg'), args, { encoding: 'utf8' });
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => Number(line.split(',')[4]));
};

const of = <K extends RecordingOutput['kind']>(outputs: readonly RecordingOutput[], kind: K) =>
  outputs.filter((output): output is Extract<RecordingOutput, { kind: K }> => output.kind === kind);

test.each([
  ['H264', 'L1T1', /^avc1\.42/],
  ['VP9', 'L1T3', /^vp09\.00\.30\.08/],
  ['VP9', 'L3T3', /^vp09\.00\.30\.08/],
  ['AV1', 'L1T3', /^av01\.0\.01M\.08/],
  ['AV1', 'L2T2_KEY', /^av01\.0\.01M\.08/],
])(
  '%s in %s, as Chromium sends it, is recorded whole and decodes',
  async (codec, mode, codecString) => {
    using directory = temporaryDirectory('browser-codecs');
    await using endpoint = await openEndpoint({
      listen: { address: '127.0.0.1', port: 0 },
      now: () => performance.now(),
      random: randomBytes,
    });
    const core = recordingCore({ recordingId: 'r-1', spoolId: 's-1', segmentMs: 500 });
    const outputs: RecordingOutput[] = [];
    let ordinal = 0;
    const page = await chromium.browser.newPage();
    const session = endpoint.publish(await offerOf(page, codec, mode), {
      onTrack: (track) => {
        const publication = { epoch: 'e1', ordinal, startedAtMs: 1_762_842_203_000, tracks: [track] };
        outputs.push(...core.step({ kind: 'publication', publication }));
      },
      onPacket: (track, rtp, arrivalMs) => {
        const packet = { ordinal: ordinal++, track, arrivalMs, bytes: Uint8Array.from(rtp) };
        outputs.push(...core.step({ kind: 'packet', ...packet }));
      },
    });
    await page.evaluate(async (sdp) => {
      const { connection } = window as unknown as { connection: RTCPeerConnection };
      await connection.setRemoteDescription({ type: 'answer', sdp });
    }, session.answer);
    await untilSent(page, 40);
    session.requestKeyFrame();
    await untilSent(page, 80);
    await page.close();
    outputs.push(...core.step({ kind: 'finish' }));

    expect(core.counters()).toMatchObject({ lost: 0, malformed: 0, skippedUnits: 0 });
    // The page may be closed in the middle of a frame.
    expect(core.counters().droppedUnits).toBeLessThanOrEqual(1);
    expect(of(outputs, 'init')).toMatchObject([{ width: 640, height: 360, codec: expect.stringMatching(codecString) }]);
    const segments = of(outputs, 'segment-closed');
    expect(segments.length).toBeGreaterThan(1);
    expect(segments.every(({ startsWithKeyFrame }) => startsWithKeyFrame)).toBe(true);
    const file = join(directory.path, 'video.mp4');
    writeFileSync(file, Buffer.concat([...of(outputs, 'init'), ...of(outputs, 'part')].map(({ bytes }) => bytes)));
    const sizes = pictureSizes(file, codec);
    expect(sizes).toHaveLength(core.counters().samples);
    expect(new Set(sizes)).toEqual(new Set([640 * 360 * 1.5]));
  },
  90_000,
);
