import { relative } from 'node:path';
import {
  type ClipPacket,
  clipPackets,
  clipTracks,
  makeClip,
  openShaka,
  type Shaka,
  startTapServer,
  type TapServer,
  type TemporaryDirectory,
  temporaryDirectory,
} from '@weir/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishClip, readLedger, sendLive, startRecorder, TOKEN, validateManifest } from './recorder-fixture.ts';

const SECONDS = 8;
let packets: ClipPacket[] = [];
let larger: ClipPacket[] = [];
let directory: TemporaryDirectory;
let shaka: Shaka;
beforeAll(async () => {
  packets = clipPackets(makeClip({ seconds: SECONDS }));
  larger = clipPackets(makeClip({ seconds: SECONDS, size: '640x360' }));
  directory = temporaryDirectory('manifest-playback');
  shaka = await openShaka(directory.path);
});
afterAll(async () => {
  await shaka[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const offer = { kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null } as const;
let spools = 0;
const newSpool = (): string => `${directory.path}/${++spools}`;
const manifestOf = (spool: string): string =>
  `${relative(directory.path, readLedger(spool)[0]?.path ?? '')}/manifest.mpd`;

/** Packets of one track from and up to a time. */
const cut = (of: readonly ClipPacket[], track: 'video' | 'audio', fromMs = 0, toMs = SECONDS * 2000) =>
  of.filter((packet) => packet.track === track && packet.atMs >= fromMs && packet.atMs < toMs);

/** Records packets as one publication, to their end. */
const record = async (tap: TapServer, spool: string, sent: readonly ClipPacket[]): Promise<void> => {
  const recorder = await startRecorder(tap, spool);
  const startMs = Date.now();
  const publisher = tap.publish('cam-1', clipTracks, startMs);
  await tap.ask(offer);
  let last = 0;
  for (const { track, bytes, atMs } of sent) last = publisher.packet(track, bytes, startMs + atMs);
  await tap.until(() =>
    tap.signals('cam-1').some((s) => s.kind === 'heartbeat' && s.resume.some(({ ordinal }) => ordinal > last - 60)),
  );
  await recorder.stop('orderly');
};

test.each<[what: string, leastFrames: number, sent: () => ClipPacket[][]]>([
  [
    'a new resolution half-way',
    240,
    () => [cut(packets, 'audio'), cut(packets, 'video', 0, 4000), cut(larger, 'video', 4000)],
  ],
  // A player that waits for both begins where the second does.
  ['sound from 3 s on', 150, () => [cut(packets, 'video'), cut(packets, 'audio', 3000)]],
  [
    'sound that is mute for 2 s',
    240,
    () => [cut(packets, 'video'), cut(packets, 'audio', 0, 3000), cut(packets, 'audio', 5000)],
  ],
  ['sound up to 3 s', 240, () => [cut(packets, 'video'), cut(packets, 'audio', 0, 3000)]],
  ['a picture from 3 s on', 150, () => [cut(packets, 'audio'), cut(packets, 'video', 3000)]],
  ['a picture up to 3 s', 90, () => [cut(packets, 'audio'), cut(packets, 'video', 0, 3000)]],
  ['a picture alone', 240, () => [cut(packets, 'video')]],
  ['sound alone', 0, () => [cut(packets, 'audio')]],
])(
  'a recording with %s plays to its end, with its frames',
  async (_, frames, sent) => {
    await using tap = await startTapServer(TOKEN);
    const spool = newSpool();
    await record(
      tap,
      spool,
      sent()
        .flat()
        .sort((a, b) => a.atMs - b.atMs),
    );
    const manifest = manifestOf(spool);
    validateManifest(`${directory.path}/${manifest}`);
    await shaka.play(manifest, { speed: 4 });
    const end = await shaka.until(({ ended }) => ended);
    expect(end).toMatchObject({ error: null, live: false });
    expect(end.frames).toBeGreaterThanOrEqual(frames);
    expect(Math.abs(end.currentTime - SECONDS)).toBeLessThan(0.1);
  },
  60_000,
);

test('a recording that goes on plays as live from its beginning, follows what comes, and ends when it ends', async () => {
  await using tap = await startTapServer(TOKEN);
  const spool = newSpool();
  const recorder = await startRecorder(tap, spool, { recorder: { segment_seconds: 1 } });
  const clip = publishClip(tap, Date.now());
  await tap.ask(offer);
  const live = sendLive(clip.send, packets);
  await tap.until(() => (readLedger(spool)[0]?.segments.length ?? 0) >= 2);
  const manifest = manifestOf(spool);
  validateManifest(`${directory.path}/${manifest}`);
  await shaka.play(manifest, { startSeconds: 0 });
  const early = await shaka.until(({ currentTime }) => currentTime > 0.5);
  expect(early).toMatchObject({ error: null, live: true });
  await live;
  const later = await shaka.until(({ seekRange }) => seekRange.end >= 6);
  expect(later).toMatchObject({ error: null, live: true });
  expect(later.seekRange.start).toBeLessThan(0.1);
  await recorder.stop('orderly');
  const end = await shaka.until(({ ended }) => ended);
  expect(end).toMatchObject({ error: null, live: false });
  expect(end.frames).toBeGreaterThanOrEqual(240);
}, 60_000);
