import type { PartOutput, ResumePoint } from '@weir/media';
import { type ClipPacket, clipPackets, makeClip, startTapServer, temporaryDirectory } from '@weir/testkit';
import { beforeAll, expect, test } from 'vitest';
import { joinTrack, probeTrack, publishClip, readLedger, sendLive, startRecorder, TOKEN } from './recorder-fixture.ts';
import { rotation } from './rotation.ts';

const SECONDS = 8;
let packets: ClipPacket[] = [];
let videoFrames = 0;
beforeAll(() => {
  const clip = makeClip({ seconds: SECONDS });
  packets = clipPackets(clip);
  videoFrames = clip.frames.length;
});

const offer = { kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null } as const;

const pointAt = (ordinal: number, wallMs: number): ResumePoint => ({
  track: 'video',
  epoch: 'e',
  publishedAtMs: 1,
  ordinal,
  sequence: 0,
  rtpTimestamp: null,
  decodeTime: 0,
  part: 1,
  segment: 1,
  period: 1,
  clock: { rtp: 0, wallMs, ntpMs: null },
});

const partOf = (segment: number, ordinal: number, wallMs: number): PartOutput => ({
  kind: 'part',
  id: ordinal,
  track: 'video',
  segment,
  period: 1,
  bytes: new Uint8Array(0),
  samples: 1,
  baseDecodeTime: 0,
  duration: 1,
  keyFrame: true,
  resume: [pointAt(ordinal, wallMs)],
});

test('it comes at the first boundary behind the age at which the next recording can begin, never with 0', () => {
  const segment = { segment: 2, resume: [pointAt(70, 4000)], opensAnew: true };
  const aging = rotation(3000, () => 0);
  expect(aging.closed(segment, 2999)).toBeNull();
  expect(aging.closed({ ...segment, opensAnew: false }, 4000)).toBeNull();
  expect(aging.closed(segment, 4000)).toEqual({ epoch: 'e', ordinal: 70 });
  expect(rotation(0, () => 0).closed(segment, 1e9)).toBeNull();
});

test('what follows a boundary at that age stays in the ring, and no more than that', () => {
  const aging = rotation(3000, () => 0);
  aging.part(partOf(1, 50, 1900));
  aging.part(partOf(2, 60, 2500));
  expect(aging.holdFrom()).toBeNull();
  aging.part(partOf(2, 70, 4000));
  expect(aging.holdFrom()).toBeNull();
  aging.part(partOf(3, 80, 4500));
  aging.part(partOf(3, 90, 5000));
  expect(aging.holdFrom()).toBe(70);
  expect(aging.closed({ segment: 2, resume: [pointAt(40, 4000)], opensAnew: true }, 4000)).toEqual({
    epoch: 'e',
    ordinal: 70,
  });
  // It went on, for what followed did not begin at a key frame: the next boundary counts.
  aging.part(partOf(4, 100, 6500));
  expect(aging.holdFrom()).toBe(90);
});

test('what a restart found behind a boundary stays in its recording, what comes behind the next boundary is held', () => {
  const aging = rotation(3000, () => 0, { segment: 3, place: { epoch: 'e', ordinal: 90 } });
  expect(aging.closed({ segment: 2, resume: [pointAt(70, 4000)], opensAnew: true }, 4000)).toBeNull();
  aging.part(partOf(4, 100, 6500));
  expect(aging.holdFrom()).toBe(90);
  const place = { epoch: 'e', ordinal: 90 };
  expect(aging.closed({ segment: 3, resume: [pointAt(90, 6000)], opensAnew: true }, 6000)).toEqual(place);
});

test('a recording rotates without losing or repeating a frame, though a late track lets it close long behind the boundary', async () => {
  using directory = temporaryDirectory('recorder-rotation');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path, { recorder: { max_recording_seconds: 3 } });
  let boundary = 0;
  try {
    const clip = publishClip(tap, Date.now());
    await tap.ask(offer);
    // Sound ends at 2.5 s: the segment that ends at 4 s waits a second for it, while the picture is written on.
    const sent = packets.filter(({ track, atMs }) => track === 'video' || atMs < 2500);
    boundary = 100 + sent.findIndex(({ track, atMs }) => track === 'video' && atMs >= 4000);
    const live = sendLive(clip.send, sent);
    await tap.until(() => tap.messages.some(({ kind }) => kind === 'rotated'));
    const told = tap
      .signals('cam-1')
      .flatMap((signal) => (signal.kind === 'heartbeat' ? [signal.durable_ordinal] : []));
    expect(Math.max(...told)).toBeLessThanOrEqual(boundary);
    await live;
    const next = tap.claims.find(({ recording_id }) => recording_id !== tap.claims[0]?.recording_id);
    expect(next?.from_ordinal).toBeLessThanOrEqual(boundary);
    expect(next?.from_ordinal).toBeGreaterThanOrEqual(Math.max(...told));
  } finally {
    await recorder.stop('orderly');
  }
  const found = readLedger(directory.path);
  const [first, next] = found;
  expect(found.map(({ recording }) => recording.end_cause)).toEqual(['rotated', 'orderly_stop']);
  expect(next?.recording.record).toBeGreaterThan(first?.recording.record ?? 0);
  const frames = found.map(({ path }) => probeTrack(directory.path, joinTrack(path, 'video')).frames);
  expect(frames).toEqual([120, videoFrames - 120]);
  expect(found.flatMap(({ gaps }) => gaps)).toEqual([]);
});
