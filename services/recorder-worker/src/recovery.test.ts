import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeChainBox,
  encodeSenderReport,
  type PublishedTrack,
  type RecordingCore,
  type RecordingInput,
  recordingCore,
  unixMsToNtp,
} from '@weir/media';
import { silentLog } from '@weir/runtime';
import { openSpool, type Spool } from '@weir/spool';
import { type ClipPacket, clipPackets, clipTracks, makeClip, temporaryDirectory } from '@weir/testkit';
import { beforeAll, expect, test } from 'vitest';
import { openMediaWriter } from './media-writer.ts';
import { joinTrack, probeTrack } from './recorder-fixture.ts';
import { initOf, segmentOf } from './recording-rows.ts';
import { type Recovered, recoverRecording } from './recovery.ts';
import { type Disk, systemDisk } from './segment-file.ts';
import { recoveryReader } from './unreadable-file.ts';

const START_MS = 1_762_842_203_000;
let packets: ClipPacket[] = [];
let videoFrames = 0;
let soundPackets = 0;
beforeAll(() => {
  const clip = makeClip({ seconds: 6 });
  // The sound arrives 700 ms after the picture, so that its file is one segment behind at every cut.
  const late = clipPackets(clip).map((packet) =>
    packet.track === 'audio' ? { ...packet, atMs: packet.atMs + 700 } : packet,
  );
  const report = (ssrc: number, rtpTimestamp: number) =>
    encodeSenderReport({ ssrc, rtpTimestamp, ...unixMsToNtp(START_MS), packetCount: 0, octetCount: 0, reports: [] });
  packets = [
    { track: 'video', atMs: 0, bytes: report(1, 0xffff_0000) },
    { track: 'audio', atMs: 0, bytes: report(2, 0xffff_f000) },
    ...late.sort((a, b) => a.atMs - b.atMs),
  ];
  videoFrames = clip.frames.length;
  soundPackets = clip.sound.length;
});

const inputs = (): RecordingInput[] => [
  {
    kind: 'publication',
    publication: { epoch: 'e', ordinal: 0, startedAtMs: START_MS, tracks: clipTracks as PublishedTrack[] },
  },
  ...packets.map(
    ({ track, bytes, atMs }, ordinal) =>
      ({ kind: 'packet', track, bytes, arrivalMs: START_MS + atMs, ordinal }) as const,
  ),
];

/** Runs a core on what the disk has, over these inputs; the process "dies" when they are used up. */
const recordOver = async (
  spool: Spool,
  recovered: Recovered,
  some: readonly RecordingInput[],
): Promise<RecordingCore> => {
  const recordingId = recovered.recording.recording.recording_id;
  const core = recordingCore({ recordingId, spoolId: spool.spoolId, segmentMs: 2000, resume: recovered.resume });
  let failure: unknown = null;
  const writer = openMediaWriter(
    {
      spool,
      recordingId,
      path: recovered.recording.path,
      disk: systemDisk,
      maxQueuedBytes: 1e9,
      durable: (part) => core.step({ kind: 'durable', part }),
      release: (bytes) => bytes.fill(0xdd),
      closed: () => undefined,
      failed: (error) => {
        failure = error;
      },
    },
    recovered.start,
  );
  for (const input of some) {
    for (const output of core.step(input)) {
      if (output.kind === 'init') writer.push({ kind: 'init', bytes: output.bytes, init: initOf(output) });
      else if (output.kind === 'part') writer.push({ kind: 'part', part: output });
      else if (output.kind === 'segment-closed') writer.push({ kind: 'close', segment: segmentOf(output) });
    }
    await writer.drained();
  }
  await writer.close();
  expect(failure).toBeNull();
  return core;
};

const recover = (spool: Spool, disk: Disk, id: string): Promise<Recovered> =>
  recoverRecording(
    spool,
    disk,
    id,
    recoveryReader(disk, silentLog(), () => undefined),
  );

const open = (directory: string) => {
  const spool = openSpool(join(directory, 'spool'));
  const { recording_id: id } = spool.startRecording({
    stream: 'cam-1',
    nodeId: 'n',
    nodeAlias: 'a',
    baseDir: null,
    cause: 'auto',
  });
  return { spool, id };
};

const expectWhole = (directory: string, spool: Spool, id: string) => {
  const { path } = spool.openRecording(id);
  const segments = spool.segments(id);
  expect(
    segments.map(({ number, tracks }) => [number, ...tracks.map(({ track, samples }) => `${track} ${samples}`)]),
  ).toEqual([
    [1, 'video 60', 'audio 100'],
    [2, 'video 60', 'audio 100'],
    [3, 'video 60', `audio ${soundPackets - 200}`],
  ]);
  expect(segments.map(({ start_ms }) => Math.abs(start_ms - START_MS - 0) % 2000 < 60)).toEqual([true, true, true]);
  const times = (track: 'video' | 'audio') => probeTrack(directory, joinTrack(path, track)).times;
  expect(times('video')).toEqual(Array.from({ length: videoFrames }, (_, index) => index * 3000));
  expect(times('audio')).toHaveLength(soundPackets);
  for (const { number, tracks } of segments.slice(1)) {
    for (const { track } of tracks) {
      const bytes = readFileSync(join(path, `${track === 'video' ? 'v' : 'a'}_seg_000${number}.m4s`));
      const before = segments[number - 2]?.tracks.find((each) => each.track === track);
      expect(decodeChainBox(bytes)?.chain.previous).toEqual({ number: number - 1, sha256: before?.sha256 });
    }
  }
};

test.each([1.1, 2.2, 2.5, 3.3, 4.4, 4.65, 5.9])(
  'killed %s s into a recording whose sound is late, it goes on with every frame once',
  async (seconds) => {
    using directory = temporaryDirectory('recovery');
    const { spool, id } = open(directory.path);
    using _ = spool;
    const all = inputs();
    const alive = all.filter((input) => input.kind !== 'packet' || input.arrivalMs < START_MS + seconds * 1000);
    await recordOver(spool, await recover(spool, systemDisk, id), alive);
    const recovered = await recover(spool, systemDisk, id);
    await recordOver(spool, recovered, [...all, { kind: 'finish' }]);
    expectWhole(directory.path, spool, id);
  },
);

test('what was not written whole is cut off, at any length, and comes again from the ring', async () => {
  const all = inputs();
  const alive = all.filter((input) => input.kind !== 'packet' || input.arrivalMs < START_MS + 3300);
  for (const cut of [1, 25, 700, 5000]) {
    using directory = temporaryDirectory('recovery');
    const { spool, id } = open(directory.path);
    using _ = spool;
    await recordOver(spool, await recover(spool, systemDisk, id), alive);
    const { path, files } = spool.openRecording(id);
    const video = files.findLast(({ track }) => track === 'video');
    if (video === undefined) throw new Error('no open video file');
    truncateSync(video.path, Math.max(10, video.bytes - cut));
    appendFileSync(join(path, 'a_seg_0002.m4s'), 'half a part');
    writeFileSync(join(path, 'v_init_2.m4s'), 'an init file that has no row');
    const recovered = await recover(spool, systemDisk, id);
    expect(recovered.tornBytes).toBeGreaterThan(10);
    expect(existsSync(join(path, 'v_init_2.m4s'))).toBe(false);
    await recordOver(spool, recovered, [...all, { kind: 'finish' }]);
    expectWhole(directory.path, spool, id);
  }
});

test('lower files are final: names synced before their rows, hashed as they are, whatever became of them', async () => {
  using directory = temporaryDirectory('recovery');
  const { spool, id } = open(directory.path);
  using _ = spool;
  const all = inputs();
  const alive = all.filter((input) => input.kind !== 'packet' || input.arrivalMs < START_MS + 5900);
  const order: string[] = [];
  let isAlive = true;
  const watched: Spool = {
    ...spool,
    closeSegment: (recordingId, segment) => {
      if (isAlive) return;
      order.push(`row ${segment.number}`);
      spool.closeSegment(recordingId, segment);
    },
  };
  const disk: Disk = {
    ...systemDisk,
    syncDirectory: async (path) => {
      await systemDisk.syncDirectory(path);
      order.push('names');
    },
  };
  await recordOver(watched, await recover(watched, disk, id), alive);
  isAlive = false;
  const path = spool.openRecording(id).files.find(({ number }) => number === 2)?.path ?? '';
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const { start } = await recover(watched, disk, id);
  for (const { file } of start.open) await file.close();
  expect(order).toEqual(['names', 'row 1', 'row 2']);
  const row = spool.segments(id)[1]?.tracks.find(({ track }) => track === 'video');
  expect(row).toMatchObject({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  expect(readFileSync(path)).toEqual(bytes);
});

test('a recovery that is itself interrupted finds the same again', async () => {
  using directory = temporaryDirectory('recovery');
  const { spool, id } = open(directory.path);
  using _ = spool;
  const all = inputs();
  const alive = all.filter((input) => input.kind !== 'packet' || input.arrivalMs < START_MS + 4400);
  await recordOver(spool, await recover(spool, systemDisk, id), alive);
  const first = await recover(spool, systemDisk, id);
  for (const { file } of first.start.open) await file.close();
  const second = await recover(spool, systemDisk, id);
  expect(second.resume).toEqual(first.resume);
  expect(second.lastMediaMs).toBe(first.lastMediaMs);
  await recordOver(spool, second, [...all, { kind: 'finish' }]);
  expectWhole(directory.path, spool, id);
});
