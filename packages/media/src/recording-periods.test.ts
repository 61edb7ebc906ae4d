import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCoded, packetsOf, removeClips, videoPublication } from './coded-video.fixture.ts';
import {
  type Frame,
  joined,
  makeSound,
  makeVideo,
  numbered,
  of,
  probe,
  publicationOf,
  record,
  removeFiles,
  startMs,
  streamOf,
} from './recording.fixture.ts';

let frames: Frame[] = [];
let sound: Uint8Array[] = [];
beforeAll(() => {
  frames = makeVideo('320x240');
  sound = makeSound();
});
afterAll(() => {
  removeFiles();
  removeClips();
});

const both = { kind: 'publication' as const, publication: publicationOf(['video', 'audio']) };
const finish = { kind: 'finish' as const };

test('a publisher that is back with another codec goes on in the same recording, in a period of its own', () => {
  const first = numbered(streamOf({ video: frames.slice(0, 90), audio: sound.slice(0, 150) }));
  const next = 100 + first.length;
  const vp9 = makeCoded('VP9', { seconds: 2 });
  const backMs = startMs + 5000;
  const later = packetsOf('VP9', vp9.frames).map((packet, index) => ({
    ...packet,
    ordinal: next + index,
    arrivalMs: packet.arrivalMs + 5000,
  }));
  const tracks = videoPublication('VP9').tracks;
  const { outputs, files } = record([
    both,
    ...first,
    { kind: 'ended', ordinal: next, atMs: startMs + 3000 },
    { kind: 'publication', publication: { epoch: 'e1', ordinal: next, startedAtMs: backMs, tracks } },
    ...later,
    finish,
  ]);
  expect(of(outputs, 'init').map(({ track, period, codec }) => [track, period, codec.slice(0, 4)])).toEqual([
    ['video', 1, 'avc1'],
    ['audio', 1, 'opus'],
    ['video', 2, 'vp09'],
  ]);
  expect(of(outputs, 'gap')).toMatchObject([{ cause: 'no_publisher' }]);
  expect(probe(joined(files, 'video', 1, [1])).frames).toBe(90);
  expect(probe(joined(files, 'video', 2, [2]))).toMatchObject({ frames: vp9.frames.length, codec: 'vp9' });
});

test('another profile, or another number of channels, begins a new period', () => {
  const mono = publicationOf(['video', 'audio'], 1000, startMs + 4000);
  const [video, audio] = mono.tracks;
  if (video === undefined || audio === undefined) throw new Error('no tracks');
  const high = makeCoded('H264', { seconds: 2, coder: ['-preset', 'veryfast', '-profile:v', 'high'] });
  const inputs = [
    ...numbered(streamOf({ video: frames.slice(0, 60), audio: sound.slice(0, 100) })),
    {
      kind: 'publication' as const,
      publication: {
        ...mono,
        tracks: [
          { ...video, payloadType: 98 },
          { ...audio, channels: 1 },
        ],
      },
    },
    ...packetsOf('H264', high.frames).map((packet, at) => ({
      ...packet,
      ordinal: 1000 + at,
      arrivalMs: packet.arrivalMs + 4000,
    })),
    ...numbered(streamOf({ audio: sound.slice(0, 100), fromMs: startMs + 4000 }), 3000),
  ];
  const inits = of(record([both, ...inputs, finish]).outputs, 'init');
  expect(inits.filter(({ track }) => track === 'audio').map(({ period, channels }) => [period, channels])).toEqual([
    [1, 2],
    [2, 1],
  ]);
  expect(
    inits.filter(({ track }) => track === 'video').map(({ period, codec }) => [period, codec.slice(0, 7)]),
  ).toEqual([
    [1, 'avc1.42'],
    [2, 'avc1.64'],
  ]);
});

test('what a loss takes from the end of a stream, where no key frame comes behind it, is a gap', () => {
  const { frames: coded } = makeCoded('H265', { seconds: 2 });
  const packets = packetsOf('H265', coded);
  const lostMs = startMs + 1500;
  const kept = packets.filter(({ arrivalMs }) => Math.abs(arrivalMs - lostMs) > 5);
  expect(kept.length).toBeLessThan(packets.length);
  const publication = { kind: 'publication' as const, publication: videoPublication('H265') };
  const { outputs, core } = record([publication, ...kept, finish]);
  expect(core.counters().skippedUnits).toBeGreaterThan(10);
  const gaps = of(outputs, 'gap');
  expect(gaps).toMatchObject([{ cause: 'packet_loss' }]);
  expect(Math.abs((gaps[0]?.fromMs ?? 0) - lostMs)).toBeLessThan(10);
  expect((gaps[0]?.toMs ?? 0) - lostMs).toBeGreaterThan(400);
});
