import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeSenderReport, type RecordingOutput, recordingCore } from '@weir/media';
import { type Endpoint, openEndpoint, type PublisherSession, whipPublish } from '@weir/rtc';
import { beforeAll, expect, test } from 'vitest';
import { openLossyPath } from './lossy-path.ts';
import { clipPackets, type MediaClip, makeClip } from './media-clip.ts';
import { requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const seconds = 8;
let clip: MediaClip;
beforeAll(() => {
  clip = makeClip({ seconds, size: '640x360' });
});

/** A WHIP endpoint whose packets go through the core of a recording; what that says is kept. */
const openRecorder = async () => {
  const endpoint: Endpoint = await openEndpoint({
    listen: { address: '127.0.0.1', port: 0 },
    now: () => performance.now(),
    random: randomBytes,
  });
  const core = recordingCore({ recordingId: 'r-1', spoolId: 's-1' });
  const outputs: RecordingOutput[] = [];
  const startedAtMs = Date.now();
  let session: PublisherSession | undefined;
  let ordinal = 0;
  const step = (input: Parameters<typeof core.step>[0]) => void outputs.push(...core.step(input));
  const take = (track: 'video' | 'audio', bytes: Uint8Array) =>
    step({ kind: 'packet', ordinal: ordinal++, track, arrivalMs: startedAtMs + performance.now(), bytes });
  const whip = createServer(async (request, response) => {
    if (request.method !== 'POST') return void response.end();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const made = endpoint.publish(Buffer.concat(chunks).toString(), {
      onPacket: (kind, rtp) => {
        if (ordinal === 0) {
          step({ kind: 'publication', publication: { epoch: 'e', ordinal: 0, startedAtMs, tracks: made.tracks } });
        }
        take(kind, Buffer.from(rtp));
      },
      onSenderReport: (kind, report) => {
        if (ordinal > 0) take(kind, encodeSenderReport(report));
      },
    });
    session = made;
    response.writeHead(201, { 'content-type': 'application/sdp', location: '/session' }).end(made.answer);
  });
  whip.listen(0, '127.0.0.1');
  await once(whip, 'listening');
  const ticks = setInterval(() => step({ kind: 'tick', nowMs: performance.now() }), 100);
  return {
    url: `http://127.0.0.1:${(whip.address() as AddressInfo).port}`,
    udpPort: endpoint.port,
    outputs,
    step,
    counters: core.counters,
    stats: () => session?.stats().tracks,
    [Symbol.asyncDispose]: async () => {
      clearInterval(ticks);
      whip.closeAllConnections();
      whip.close();
      await endpoint[Symbol.asyncDispose]();
    },
  };
};

/** Sends the packets at their times, the clip's one after the other. */
const play = async (send: (track: 'video' | 'audio', bytes: Buffer) => void): Promise<void> => {
  const beginMs = performance.now();
  for (const { track, atMs, bytes } of clipPackets(clip)) {
    const waitMs = beginMs + atMs - performance.now();
    if (waitMs > 2) await sleep(waitMs);
    send(track, Buffer.from(bytes));
  }
};

/** Decode times in seconds of every frame that ffmpeg decodes of a track; it fails at the first error. */
const decodedTimes = (outputs: readonly RecordingOutput[], track: 'video' | 'audio', directory: string): number[] => {
  const file = join(directory, `${track}.mp4`);
  const bytes = outputs.flatMap((output) =>
    (output.kind === 'init' || output.kind === 'part') && output.track === track ? [output.bytes] : [],
  );
  execFileSync('sh', ['-c', `cat > ${file}`], { input: Buffer.concat(bytes) });
  execFileSync(requireProgram('ffmpeg'), ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-'], { stdio: 'pipe' });
  const args = ['-v', 'error', '-show_entries', 'frame=pts_time', '-of', 'csv=p=0', file];
  const text = execFileSync(requireProgram('ffprobe'), args, { encoding: 'utf8' });
  return text.split('\n').map(Number.parseFloat).filter(Number.isFinite);
};

test.each([
  [1, 0],
  [4, 3],
])(
  'three in a hundred packets lost and five out of order, repetitions too: every frame is recorded and decodes, seed %i, the first %i lost',
  async (seed, loseFirst) => {
    using directory = temporaryDirectory('lossy-path');
    await using recorder = await openRecorder();
    const { url, udpPort } = recorder;
    const bad = { lossShare: 0.03, reorderShare: 0.05, reorderMs: 30, delayMs: 20 };
    await using path = await openLossyPath({ url, udpPort, seed, loseFirst, ...bad });
    const client = whipPublish({ url: `${path.url}/whip`, video: { codec: 'H264' }, audio: 'OPUS' });
    await client.connected;
    await play((track, bytes) => (track === 'video' ? client.sendVideo(bytes) : client.sendAudio(bytes)));
    // What was lost last is asked for while the client still is there, and what shows it may be lost itself.
    const arrived = () => {
      client.repeatLast();
      const { video, audio } = recorder.stats() ?? {};
      return (video?.packets ?? 0) + (audio?.packets ?? 0);
    };
    await expect.poll(arrived, { timeout: 5000 }).toBe(clipPackets(clip).length);
    await client.close();
    recorder.step({ kind: 'finish' });

    const { up, down } = path.counters;
    expect(up.lost).toBeGreaterThan(15);
    expect(up.reordered).toBeGreaterThan(25);
    expect(down.passed + down.lost).toBeGreaterThan(15);
    expect(recorder.counters()).toMatchObject({ lost: 0, droppedUnits: 0, refused: 0 });
    expect(recorder.counters().recovered).toBeGreaterThan(15);
    const times = decodedTimes(recorder.outputs, 'video', directory.path);
    expect(times.map((time) => Math.round(time * clip.fps))).toEqual([...clip.frames.keys()]);
    const sounds = decodedTimes(recorder.outputs, 'audio', directory.path);
    expect(Math.abs(sounds.length - clip.sound.length)).toBeLessThan(5);
  },
);
