import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeChainBox } from '@weir/media';
import { type ClipPacket, clipPackets, makeClip, startTapServer, temporaryDirectory } from '@weir/testkit';
import { beforeAll, expect, test } from 'vitest';
import {
  countFrames,
  joinTrack,
  probeTrack,
  publishClip,
  readLedger,
  sendLive,
  startRecorder,
  TOKEN,
  validateManifest,
} from './recorder-fixture.ts';

const SECONDS = 8;
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
const nowMs = () => Date.now();

test('records what is offered: every frame once, in segments of both tracks with chained files and a row each', async () => {
  using directory = temporaryDirectory('recorder');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path);
  try {
    const clip = publishClip(tap, nowMs());
    clip.send(packets);
    const accepted = await tap.ask(offer);
    expect(accepted).toMatchObject({
      kind: 'accepted',
      recording: { record_dir: expect.stringMatching(/^cam-1\/\d{10}$/) },
    });
    if (accepted.kind !== 'accepted') return;
    expect(await tap.ask(offer)).toMatchObject({ kind: 'accepted', recording: accepted.recording });
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 3);
    const manifest = join(directory.path, accepted.recording.record_dir, 'manifest.mpd');
    await tap.until(() => existsSync(manifest));
    expect(readFileSync(manifest, 'utf8')).toContain('type="dynamic"');
    validateManifest(manifest);
    const stopped = await tap.ask({
      kind: 'stop',
      stream: 'cam-1',
      recording_id: accepted.recording.recording_id,
    });
    expect(stopped).toMatchObject({ kind: 'stopped', summary: { segments: 4, duration_ms: SECONDS * 1000 } });
  } finally {
    await recorder.stop();
  }
  const [found] = readLedger(directory.path);
  if (found === undefined) throw new Error('no recording');
  expect(found.recording).toMatchObject({ status: 'ended', end_cause: 'deleted' });
  expect(found.segments.map(({ tracks }) => tracks.map(({ samples }) => samples))).toEqual([
    [60, 100],
    [60, 100],
    [60, 100],
    [60, soundPackets - 300],
  ]);
  expect(found.segments.every(({ key_frame }) => key_frame)).toBe(true);
  expect(found.gaps).toEqual([]);
  const video = probeTrack(directory.path, joinTrack(found.path, 'video'));
  expect(video.frames).toBe(videoFrames);
  expect(video.times).toEqual(Array.from({ length: videoFrames }, (_, index) => index * 3000));
  expect(probeTrack(directory.path, joinTrack(found.path, 'audio')).times).toHaveLength(soundPackets);
  const manifest = join(found.path, 'manifest.mpd');
  expect(readFileSync(manifest, 'utf8')).toContain('type="static"');
  validateManifest(manifest);
  expect(countFrames(manifest)).toBe(videoFrames);
  let previous: { number: number; sha256: string } | null = null;
  for (const { number, tracks } of found.segments) {
    const bytes = readFileSync(join(found.path, `v_seg_000${number}.m4s`));
    const row = tracks.find(({ track }) => track === 'video');
    expect(row).toMatchObject({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    expect(decodeChainBox(bytes)?.chain).toMatchObject({ recordingId: found.recording.recording_id, number, previous });
    previous = { number, sha256: row?.sha256 ?? '' };
  }
});

test('tells the node its durable watermark and resume points within a second or so, and ends without a publisher', async () => {
  using directory = temporaryDirectory('recorder');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path, { recorder: { reconnect_seconds: 1 } });
  try {
    const clip = publishClip(tap, nowMs());
    await tap.ask(offer);
    await sendLive(
      clip.send,
      packets.filter(({ atMs }) => atMs < 3000),
    );
    await tap.until(() =>
      tap.signals('cam-1').some((signal) => signal.kind === 'heartbeat' && signal.durable_ordinal > 150),
    );
    let metrics = '';
    const read = (name: string) => Number(new RegExp(`^weir_${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(metrics)?.[1]);
    // Between two segments no file is open; the last one's stay open for as long as the publisher may go on.
    while (read('recorder_stream_open_files') !== 2) {
      metrics = await (await fetch(`http://127.0.0.1:${recorder.port}/metrics`)).text();
    }
    expect(read('recorder_stream_packets')).toBe(read('recorder_packets_total'));
    expect(read('recorder_stream_samples')).toBe(read('recorder_samples_total'));
    expect(read('recorder_stream_parts')).toBeGreaterThan(5);
    expect(read('recorder_stream_lost_packets')).toBe(0);
    expect(read('recorder_open_files')).toBe(2);
    expect(read('recorder_stream_seconds_since_durable')).toBeLessThan(2);
    expect(read('recorder_sync_seconds_count')).toBeGreaterThan(2);
    const beats = tap.signals('cam-1').flatMap((signal) => (signal.kind === 'heartbeat' ? [signal] : []));
    expect(beats.at(-1)?.resume.map(({ track, epoch }) => ({ track, epoch }))).toEqual([
      { track: 'video', epoch: 'epoch-1' },
      { track: 'audio', epoch: 'epoch-1' },
    ]);
    clip.end(3000);
    await tap.until(() => tap.messages.some(({ kind }) => kind === 'ended'));
    const after = await (await fetch(`http://127.0.0.1:${recorder.port}/metrics`)).text();
    expect(after).not.toMatch(/recorder_stream_[a-z_]+\{/);
    expect(beats.at(-1)?.tally).toMatchObject({ lost: 0, recovered: 0 });
    expect(beats.map(({ tally }) => tally?.open_files)).toContain(2);
    expect(tap.messages.find(({ kind }) => kind === 'ended')).toMatchObject({ stream: 'cam-1', cause: 'no_publisher' });
  } finally {
    await recorder.stop();
  }
  expect(readLedger(directory.path)[0]?.recording).toMatchObject({ status: 'ended', end_cause: 'no_publisher' });
});

test('counts what came and is not in the recording: before the first key frame, and a picture with a packet lost', async () => {
  using directory = temporaryDirectory('recorder');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path);
  try {
    const clip = publishClip(tap, nowMs());
    await tap.ask(offer);
    const tuned = packets.filter(({ atMs }) => atMs >= 1500 && atMs < 5000);
    const video = tuned.filter(({ track }) => track === 'video');
    const lost = video.find((packet, at) => packet.atMs > 3000 && !isMarked(packet) && !isMarked(video[at - 1]));
    await sendLive(
      clip.send,
      tuned.filter((packet) => packet !== lost),
    );
    let metrics = '';
    const read = (name: string) =>
      Number(new RegExp(`^weir_recorder_${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(metrics)?.[1]);
    while (read('dropped_units_total') !== 1) {
      metrics = await (await fetch(`http://127.0.0.1:${recorder.port}/metrics`)).text();
    }
    expect(read('lost_packets_total')).toBe(1);
    // Half a second of each track; which packet of sound is the first in the recording is a matter of its rounding.
    expect(read('skipped_units_total')).toBeGreaterThanOrEqual(15 + 24);
    expect(read('skipped_units_total')).toBeLessThanOrEqual(15 + 26);
  } finally {
    await recorder.stop();
  }
});

const isMarked = (packet: ClipPacket | undefined): boolean => packet === undefined || (packet.bytes[1] ?? 0) > 127;

test('a lost connection and a restart of the recorder lose nothing: SIGTERM leaves the recording open', async () => {
  using directory = temporaryDirectory('recorder');
  await using tap = await startTapServer(TOKEN);
  const third = Math.floor(packets.length / 3);
  const clip = publishClip(tap, nowMs());
  const first = await startRecorder(tap, directory.path);
  await tap.ask(offer);
  clip.send(packets.slice(0, third));
  await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
  tap.cut();
  await tap.until(() => tap.claims.length === 2);
  clip.send(packets.slice(third, third + 200));
  await first.stop('term');
  expect(readLedger(directory.path)[0]?.recording.status).toBe('recording');
  clip.send(packets.slice(third + 200, 2 * third));
  const second = await startRecorder(tap, directory.path);
  await tap.until(() => tap.hellos.at(-1)?.orders.length === 1);
  clip.send(packets.slice(2 * third));
  await tap.until(() => readLedger(directory.path)[0]?.segments.length === 3);
  await second.stop('orderly');
  const found = readLedger(directory.path);
  expect(found).toHaveLength(1);
  expect(found[0]?.recording).toMatchObject({ status: 'ended', end_cause: 'orderly_stop' });
  expect(found[0]?.gaps).toEqual([]);
  const path = found[0]?.path ?? '';
  const video = probeTrack(directory.path, joinTrack(path, 'video'));
  expect(video.frames).toBe(videoFrames);
  expect(video.times).toEqual(Array.from({ length: videoFrames }, (_, index) => index * 3000));
  const audio = probeTrack(directory.path, joinTrack(path, 'audio')).times;
  expect(audio).toEqual(Array.from({ length: soundPackets }, (_, index) => index * 960));
});
