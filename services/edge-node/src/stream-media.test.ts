import { type Publication, type TapFrame, tapFrameDecoder } from '@weir/contracts';
import { encodeRtp } from '@weir/media';
import { expect, test } from 'vitest';
import { audioTrack, videoTrack } from './fake-endpoint.ts';
import { createStreamMedia, type StreamMedia } from './stream-media.ts';

const open = (): StreamMedia =>
  createStreamMedia({
    epoch: 'epoch-1',
    startOrdinal: 40,
    bounds: { maxAgeMs: 20_000, maxBytes: 1_000_000 },
    clock: { now: () => 1_700_000_000_000, monotonicMs: () => 0 },
  });

const read = (media: StreamMedia) => {
  const decode = tapFrameDecoder();
  const frames: TapFrame[] = [];
  const reading = media.read({ frame: (bytes) => void frames.push(...(decode(bytes) ?? [])) });
  return { frames, reading };
};

const video = (timestamp: number, type: number): Uint8Array =>
  encodeRtp({ payloadType: 96, marker: false, sequence: 1, timestamp, ssrc: 11, payload: Uint8Array.of(type, 0) });

test('readers get signals and packets with their ordinals, and nothing after they left', () => {
  const media = open();
  const { frames, reading } = read(media);
  media.begin([videoTrack, audioTrack]);
  media.packet('video', video(0, 0x67), false);
  media.packet('audio', Uint8Array.of(0x80, 200, 0, 6), true);
  media.end();
  reading[Symbol.dispose]();
  media.begin([videoTrack]);
  expect(frames.map((frame) => (frame.kind === 'packet' ? frame.ordinal : frame.value))).toEqual([
    expect.objectContaining({ kind: 'publication' }),
    40,
    41,
    { kind: 'ended', ordinal: 42, at_ms: 1_700_000_000_000 },
  ]);
});

test('two publications of the same instant have different starts; an amended one keeps its own', () => {
  const media = open();
  const starts: (Publication | null)[] = [];
  media.begin([{ ...videoTrack, ssrc: 0 }]);
  starts.push(media.publication);
  media.amend([videoTrack]);
  starts.push(media.publication);
  media.end();
  media.begin([videoTrack]);
  starts.push(media.publication);
  const [first, amended, second] = starts;
  expect(amended?.startedAtMs).toBe(first?.startedAtMs);
  expect(amended?.tracks[0]?.ssrc).toBe(11);
  expect(second?.startedAtMs).not.toBe(first?.startedAtMs);
});

test('a key frame of several packets begins with its parameter sets, and the ring keeps all of it', () => {
  const media = open();
  media.keep();
  media.begin([videoTrack]);
  for (const timestamp of [0, 3_000]) media.packet('video', video(timestamp, 0x41), false);
  for (const type of [0x67, 0x68, 0x65]) media.packet('video', video(6_000, type), false);
  media.packet('video', video(9_000, 0x41), false);
  media.ring?.durable(45);
  expect(media.ring?.firstOrdinal).toBe(42);
});

test('keeping begins with what comes next, forgetting counts what was not durable', () => {
  const media = open();
  media.begin([videoTrack]);
  media.packet('video', video(0, 0x65), false);
  media.keep();
  expect([media.ring?.firstOrdinal, media.nextOrdinal]).toEqual([41, 41]);
  media.packet('video', video(3_000, 0x41), false);
  media.ring?.expire(50_000);
  media.release();
  expect([media.ring, media.overflowed]).toEqual([null, 1]);
});
