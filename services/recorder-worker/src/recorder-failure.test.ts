import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ClipPacket,
  clipPackets,
  freePort,
  makeClip,
  startChild,
  startTapServer,
  type TapServer,
  temporaryDirectory,
} from '@weir/testkit';
import { beforeAll, expect, test } from 'vitest';
import { joinTrack, probeTrack, publishClip, readLedger, sendLive, startRecorder, TOKEN } from './recorder-fixture.ts';
import { type Disk, systemDisk } from './segment-file.ts';

const SECONDS = 8;
const END_MS = SECONDS * 1000 + 100;
let packets: ClipPacket[] = [];
let videoFrames = 0;
let soundPackets = 0;
beforeAll(() => {
  const clip = makeClip({ seconds: SECONDS });
  packets = clipPackets(clip);
  videoFrames = clip.frames.length;
  soundPackets = clip.sound.length;
});

const offer = { kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null } as const;
const between = (fromMs: number, toMs: number) => packets.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);

/** True when the recorder has told that all but the last packets, which wait for their successors, are durable. */
const isDurable = (tap: TapServer, ofPackets = packets.length): boolean =>
  tap.signals('cam-1').some((signal) => signal.kind === 'heartbeat' && signal.durable_ordinal >= 100 + ofPackets - 60);

const expectEveryFrameOnce = (directory: string, path: string) => {
  const video = probeTrack(directory, joinTrack(path, 'video'));
  expect(video.times).toEqual(Array.from({ length: videoFrames }, (_, index) => index * 3000));
  expect(video.frames).toBe(videoFrames);
  const audio = probeTrack(directory, joinTrack(path, 'audio')).times;
  expect(audio).toEqual(Array.from({ length: soundPackets }, (_, index) => index * 960));
};

test('a recorder process killed four times at any instant goes on in the same directory: every frame once', async () => {
  using directory = temporaryDirectory('recorder-kill');
  await using tap = await startTapServer(TOKEN);
  const spool = join(directory.path, 'spool');
  const port = await freePort();
  const start = () =>
    startChild(
      process.execPath,
      [
        join(import.meta.dirname, 'main.ts'),
        `--data_dir=${directory.path}`,
        `--tap.connect=127.0.0.1:${tap.port}`,
        `--tap.token=${TOKEN}`,
        `--recorder.listen=127.0.0.1:${port}`,
        `--recorder.upload.local_dir=${spool}`,
        '--recorder.reserve_bytes=0',
        '--recorder.segment_seconds=2',
        '--recorder.reconnect_seconds=10',
      ],
      { ready: /recorder is ready/, env: { WEIR_CONFIG: '' } },
    );
  let child = await start();
  try {
    const clip = publishClip(tap, Date.now());
    expect(await tap.ask(offer)).toMatchObject({ kind: 'accepted' });
    const live = sendLive(clip.send, packets);
    for (const afterMs of [1100, 1337, 1250, 990]) {
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      process.kill(child.pid, 'SIGKILL');
      await child.stop();
      child = await start();
    }
    await live;
    await tap.until(() => isDurable(tap));
    const id = readLedger(spool)[0]?.recording.recording_id ?? '';
    const until = { epoch: tap.epoch, ordinal: 100 + packets.length };
    expect(await tap.ask({ kind: 'stop', stream: 'cam-1', recording_id: id, until })).toMatchObject({
      kind: 'stopped',
    });
  } finally {
    await child.stop();
  }
  const found = readLedger(spool);
  expect(found).toHaveLength(1);
  expect(found[0]?.gaps).toEqual([]);
  expect(found[0]?.segments.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  expectEveryFrameOnce(directory.path, found[0]?.path ?? '');
}, 60_000);

test('a stop records what the node had taken in before it, be it still on its way', async () => {
  using directory = temporaryDirectory('recorder-stop');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path);
  try {
    const clip = publishClip(tap, Date.now() - 10_000);
    await tap.ask(offer);
    clip.send(between(0, 3000));
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
    const id = readLedger(directory.path)[0]?.recording.recording_id ?? '';
    clip.send(between(3000, END_MS));
    const until = { epoch: tap.epoch, ordinal: 100 + packets.length };
    expect(await tap.ask({ kind: 'stop', stream: 'cam-1', recording_id: id, until })).toMatchObject({
      kind: 'stopped',
    });
  } finally {
    await recorder.stop();
  }
  const [found] = readLedger(directory.path);
  expect(found?.recording).toMatchObject({ status: 'ended', end_cause: 'deleted' });
  expectEveryFrameOnce(directory.path, found?.path ?? '');
});

test('a recording rotates at a key frame without losing or repeating a frame of video', async () => {
  using directory = temporaryDirectory('recorder-rotate');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path, { recorder: { max_recording_seconds: 3 } });
  try {
    const clip = publishClip(tap, Date.now());
    clip.send(packets);
    await tap.ask(offer);
    await tap.until(() => tap.messages.some(({ kind }) => kind === 'rotated'));
    await tap.until(() => readLedger(directory.path)[1]?.segments.length === 1);
  } finally {
    await recorder.stop('orderly');
  }
  const [first, second] = readLedger(directory.path);
  expect(first?.recording).toMatchObject({ status: 'ended', end_cause: 'rotated' });
  expect(second?.recording.record).toBeGreaterThan(first?.recording.record ?? 0);
  const frames = [first, second].map((each) => probeTrack(directory.path, joinTrack(each?.path ?? '', 'video')).frames);
  expect(frames).toEqual([120, videoFrames - 120]);
  expect([...(first?.gaps ?? []), ...(second?.gaps ?? [])]).toEqual([]);
});

test('a node that restarts leaves a gap in the same recording, which goes on in a new period', async () => {
  using directory = temporaryDirectory('recorder-edge');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path);
  const startMs = Date.now() - 20_000;
  try {
    publishClip(tap, startMs).send(between(0, 3000));
    await tap.ask(offer);
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
    tap.restart();
    publishClip(tap, startMs).send(between(5000, END_MS));
    await tap.until(() => (readLedger(directory.path)[0]?.gaps.length ?? 0) > 0);
  } finally {
    await recorder.stop('orderly');
  }
  const [found] = readLedger(directory.path);
  expect(found?.gaps).toMatchObject([{ cause: 'edge_restart', segment: null }]);
  const gap = found?.gaps[0];
  expect(Math.abs((gap?.to_ms ?? 0) - startMs - 5000)).toBeLessThan(50);
  expect(Math.abs((gap?.from_ms ?? 0) - startMs - 3000)).toBeLessThan(100);
  expect(found?.inits.map(({ track, period }) => `${track} ${period}`)).toEqual([
    'video 1',
    'audio 1',
    'video 2',
    'audio 2',
  ]);
  expect(found?.segments.map(({ period }) => period)).toEqual([1, 1, 2, 2]);
});

test.each([
  ['', 0],
  [', when the clock is set back meanwhile', 3_600_000],
  [', when the clock is set forward meanwhile', -3_600_000],
])(
  'a disk without room: recording stops and says so, new offers are declined, and it goes on when there is room%s',
  async (_name, clockOffMs) => {
    using directory = temporaryDirectory('recorder-full');
    await using tap = await startTapServer(TOKEN);
    let free = 10_000_000;
    const recorder = await startRecorder(tap, directory.path, {
      recorder: { reserve_bytes: 1_000_000 },
      freeBytes: async () => free,
    });
    const startMs = Date.now();
    try {
      const clip = publishClip(tap, startMs);
      await tap.ask(offer);
      clip.send(between(0, 3000), clockOffMs);
      await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
      free = 500_000;
      await tap.until(() => tap.messages.some((message) => message.kind === 'spool' && message.spool.level === 'full'));
      expect(await tap.ask({ ...offer, stream: 'cam-2' })).toMatchObject({ kind: 'declined', code: 'disk_full' });
      await tap.until(() => readLedger(directory.path)[0]?.gaps[0]?.cause === 'disk_full');
      const lost = packets.findIndex(({ atMs }) => atMs >= 5000);
      clip.send(between(3000, 6000));
      tap.forget('cam-1', 100 + lost);
      clip.send(between(6000, END_MS));
      free = 10_000_000;
      await tap.until(() => tap.messages.some((message) => message.kind === 'spool' && message.spool.level === 'ok'));
      await tap.until(() => readLedger(directory.path)[0]?.segments.length === 3);
    } finally {
      await recorder.stop('orderly');
    }
    const [found] = readLedger(directory.path);
    expect(found?.recording).toMatchObject({ status: 'ended', end_cause: 'orderly_stop' });
    expect(found?.gaps).toHaveLength(1);
    const [gap] = found?.gaps ?? [];
    expect(gap?.cause).toBe('disk_full');
    expect(Math.abs((gap?.from_ms ?? 0) - startMs - 3000)).toBeLessThan(600);
    expect(Math.abs((gap?.to_ms ?? 0) - startMs - 5000)).toBeLessThan(600);
    const { frames } = probeTrack(directory.path, joinTrack(found?.path ?? '', 'video'));
    expect(frames).toBeGreaterThanOrEqual(60 + 90);
    expect(frames).toBeLessThan(videoFrames);
  },
);

/** The segment files of a recording's directory. */
const segmentFiles = (path: string): string[] =>
  readdirSync(path)
    .filter((name) => name.includes('_seg_'))
    .sort();

/** A disk of which each write fails while `failing` holds, half of it written. */
const failingDisk = (failing: () => string | null): Disk => ({
  ...systemDisk,
  open: async (path, flags) => {
    const file = await systemDisk.open(path, flags);
    return {
      ...file,
      write: async (pieces, position) => {
        const code = failing();
        if (code === null) return file.write(pieces, position);
        const [first = new Uint8Array(0)] = pieces;
        await file.write([first.subarray(0, first.length / 2)], position);
        throw Object.assign(new Error(`${code}: write`), { code });
      },
    };
  },
});

test.each(['ENOSPC', 'EIO'])(
  'writes that fail with %s for a while lose nothing that the ring still has',
  async (code) => {
    using directory = temporaryDirectory('recorder-disk');
    await using tap = await startTapServer(TOKEN);
    let failures = 0;
    const recorder = await startRecorder(tap, directory.path, {
      disk: failingDisk(() => {
        if (failures === 0) return null;
        failures -= 1;
        return code;
      }),
    });
    try {
      const clip = publishClip(tap, Date.now());
      await tap.ask(offer);
      clip.send(between(0, 3000));
      await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
      failures = 1;
      clip.send(between(3000, 5000));
      await tap.until(() => failures === 0);
      clip.send(between(5000, END_MS));
      await tap.until(() => readLedger(directory.path)[0]?.segments.length === 3);
    } finally {
      await recorder.stop('orderly');
    }
    const [found] = readLedger(directory.path);
    expect(found?.gaps).toEqual([]);
    expectEveryFrameOnce(directory.path, found?.path ?? '');
  },
);

test('a write that fails while a recording ends does not end it: its last frames get their row', async () => {
  using directory = temporaryDirectory('recorder-disk');
  await using tap = await startTapServer(TOKEN);
  let failures = 0;
  const recorder = await startRecorder(tap, directory.path, {
    disk: failingDisk(() => {
      if (failures === 0) return null;
      failures -= 1;
      return 'EIO';
    }),
  });
  try {
    const clip = publishClip(tap, Date.now());
    await tap.ask(offer);
    clip.send(between(0, 3000));
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
    await tap.until(() => isDurable(tap, between(0, 3000).length));
    failures = 1;
  } finally {
    await recorder.stop('orderly');
  }
  expect(failures).toBe(0);
  const [found] = readLedger(directory.path);
  expect(found?.recording).toMatchObject({ status: 'ended', end_cause: 'orderly_stop' });
  expect(found?.segments.map(({ number }) => number)).toEqual([1, 2]);
  expect(segmentFiles(found?.path ?? '')).toEqual([
    'a_seg_0001.m4s',
    'a_seg_0002.m4s',
    'v_seg_0001.m4s',
    'v_seg_0002.m4s',
  ]);
});

test('an absence that the ring bridged is no gap when the recording ends later', async () => {
  using directory = temporaryDirectory('recorder-disk');
  await using tap = await startTapServer(TOKEN);
  let failures = 0;
  const recorder = await startRecorder(tap, directory.path, {
    disk: failingDisk(() => {
      if (failures === 0) return null;
      failures -= 1;
      return 'EIO';
    }),
  });
  try {
    // Its media lie in the past, as those of a recording that has gone on for a while.
    const clip = publishClip(tap, Date.now() - 60_000);
    await tap.ask(offer);
    clip.send(between(0, 3000));
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
    failures = 1;
    clip.send(between(3000, 5000));
    await tap.until(() => failures === 0);
    clip.send(between(5000, END_MS));
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 3);
  } finally {
    await recorder.stop('orderly');
  }
  expect(readLedger(directory.path)[0]?.gaps).toEqual([]);
});

test('a disk that is too slow closes the connection, and the rest comes from the ring', async () => {
  using directory = temporaryDirectory('recorder-slow');
  await using tap = await startTapServer(TOKEN);
  const slow: Disk = {
    ...systemDisk,
    open: async (path, flags) => {
      const file = await systemDisk.open(path, flags);
      return {
        ...file,
        sync: async () => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          await file.sync();
        },
      };
    },
  };
  const recorder = await startRecorder(tap, directory.path, { disk: slow, settings: { maxQueuedBytes: 20_000 } });
  try {
    const clip = publishClip(tap, Date.now());
    clip.send(packets);
    await tap.ask(offer);
    await tap.until(() => isDurable(tap), 20_000);
    expect(tap.claims.length).toBeGreaterThan(1);
  } finally {
    await recorder.stop('orderly');
  }
  const [found] = readLedger(directory.path);
  expect(found?.gaps).toEqual([]);
  expectEveryFrameOnce(directory.path, found?.path ?? '');
});
