import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concatBytes } from './boxes.ts';
import { codecs } from './codecs.ts';
import {
  type CodedVideo,
  makeCoded,
  packetsOf,
  pictureOf,
  picturesOf,
  removeClips,
  timestampOf,
  type VideoCodec,
  videoPublication,
} from './coded-video.fixture.ts';
import { decodeInitSegment } from './init-segment.ts';
import { keyFrameTest } from './key-frame.ts';
import { scanSegment } from './part-scan.ts';
import {
  joined,
  makeSound,
  numbered,
  of,
  type PacketInput,
  probe,
  publicationOf,
  record,
  removeFiles,
  segmentNumbers,
  streamOf,
} from './recording.fixture.ts';
import type { RecordingInput } from './recording-messages.ts';
import { resumeFromFiles } from './recording-resume.ts';
import { parseRtp } from './rtp.ts';

afterAll(() => {
  removeClips();
  removeFiles();
});

/** Numbers from 0 to 1 that are the same each time (an LCG of Numerical Recipes). */
const randomFrom = (seed: number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const finish: RecordingInput = { kind: 'finish' };

describe.each([
  ['H264', 'h264', 'avc1', /^avc1\.42c0/],
  ['H265', 'hevc', 'hvc1', /^hvc1\.1\.6\.L\d+\.90$/],
  ['VP9', 'vp9', 'vp09', /^vp09\.00\.\d\d\.08\.01\.02\.02\.02\.00$/],
  ['AV1', 'av1', 'av01', /^av01\.0\.\d\dM\.08$/],
] as const)('%s', (codec: VideoCodec, name, tag, codecString) => {
  let clip: CodedVideo;
  let larger: CodedVideo;
  let packets: PacketInput[];
  let pictures: string[];
  beforeAll(() => {
    clip = makeCoded(codec);
    larger = makeCoded(codec, { size: '642x362', seconds: 2 });
    packets = packetsOf(codec, clip.frames);
    pictures = picturesOf(clip.file);
  }, 120_000);

  const publish: RecordingInput = { kind: 'publication', publication: videoPublication(codec) };
  const limits = { segmentMs: 1000 };
  const frameOf = (packet: PacketInput): number =>
    clip.frames.findIndex((_, index) => timestampOf(index) === parseRtp(packet.bytes)!.timestamp);

  test('every frame is in the files once, and its decoded picture is the encoder’s own', () => {
    const { outputs, files, core } = record([publish, ...packets, finish], limits);
    expect(clip.frames).toHaveLength(90);
    const file = joined(files, 'video');
    expect(probe(file)).toMatchObject({ frames: 90, codec: name });
    expect(probe(file).times).toEqual(clip.frames.map((_, index) => index * 3000));
    expect(picturesOf(file)).toEqual(pictures);
    expect(pictureOf(file)).toMatchObject({ codec_tag_string: tag, width: 320, height: 240, pix_fmt: 'yuv420p' });
    expect(of(outputs, 'init').map((init) => init.codec)).toEqual([expect.stringMatching(codecString)]);
    expect(of(outputs, 'segment-closed').map(({ startsWithKeyFrame }) => startsWithKeyFrame)).toEqual([
      true,
      true,
      true,
    ]);
    expect(core.counters()).toMatchObject({ malformed: 0, droppedUnits: 0, lost: 0 });
  });

  test('each segment decodes by itself behind the init segment', () => {
    const { files } = record([publish, ...packets, finish], limits);
    for (const segment of segmentNumbers(files, 'video')) {
      expect(picturesOf(joined(files, 'video', 1, [segment]))).toEqual(
        pictures.slice((segment - 1) * 30, segment * 30),
      );
    }
  });

  test('packets out of order, and of any size, change nothing', () => {
    for (const maxBytes of [1200, 300, 61]) {
      const shuffled = packetsOf(codec, clip.frames.slice(0, 40), maxBytes);
      for (let at = 2; at + 3 < shuffled.length; at += 5) {
        const [first, second, third] = shuffled.slice(at, at + 3) as [PacketInput, PacketInput, PacketInput];
        [shuffled[at], shuffled[at + 1], shuffled[at + 2]] = [
          { ...third, ordinal: first.ordinal, arrivalMs: first.arrivalMs },
          { ...first, ordinal: second.ordinal, arrivalMs: first.arrivalMs },
          { ...second, ordinal: third.ordinal, arrivalMs: first.arrivalMs },
        ];
      }
      const { files, core } = record([publish, ...shuffled, finish], limits);
      expect(picturesOf(joined(files, 'video'))).toEqual(pictures.slice(0, 40));
      expect(core.counters()).toMatchObject({ malformed: 0, droppedUnits: 0, lost: 0 });
    }
  });

  test('a packet that never comes drops its frame whole, wherever it is in it, and what no decoder could take behind it', () => {
    const small = packetsOf(codec, clip.frames, 120);
    for (const victim of [36, 52]) {
      const own = small.filter((packet) => frameOf(packet) === victim);
      const missing = codec === 'H264' ? [victim] : Array.from({ length: 60 - victim }, (_, index) => victim + index);
      const present = clip.frames.flatMap((_, index) => (missing.includes(index) ? [] : [index * 3000]));
      for (const lost of new Set([own[0], own[Math.floor(own.length / 2)], own.at(-1)])) {
        const { outputs, files, core } = record(
          [publish, ...small.filter((packet) => packet !== lost), finish],
          limits,
        );
        expect([victim, probe(joined(files, 'video')).times]).toEqual([victim, present]);
        expect(core.counters()).toMatchObject({ lost: 1 });
        expect(of(outputs, 'request-key-frame').length).toBeGreaterThan(0);
        expect(of(outputs, 'gap').map(({ cause }) => cause)).toEqual(codec === 'H264' ? [] : ['packet_loss']);
      }
    }
  });

  test('of 3 % of the packets lost and others late, no decoder sees anything, and what it shows is the encoder’s own', () => {
    for (const seed of [1, 2, 3]) {
      const random = randomFrom(seed);
      const late = (packet: PacketInput) => ({ packet, at: packet.arrivalMs + (random() < 0.1 ? 40 : 0) });
      const arriving = packets.filter(() => random() >= 0.03).map(late);
      const sent = numbered(
        arriving.sort((a, b) => a.at - b.at).map(({ packet, at }) => ({ ...packet, arrivalMs: at })),
      );
      const { files, core } = record([publish, ...sent, finish], limits);
      expect(core.counters().lost).toBeGreaterThan(0);
      const file = joined(files, 'video');
      const shown = picturesOf(file);
      expect(shown.length).toBeGreaterThan(0);
      // An H264 decoder conceals what it misses; the others were given nothing that refers to it.
      if (codec === 'H264') continue;
      expect(shown.length).toBe(core.counters().samples);
      const indexes = shown.map((picture) => pictures.indexOf(picture));
      expect(indexes).toEqual([...new Set(indexes)].filter((index) => index >= 0).sort((a, b) => a - b));
    }
  });

  test('joined in its middle, it begins with the next key frame', () => {
    const { files } = record([publish, ...packets.filter((packet) => frameOf(packet) >= 17), finish], limits);
    expect(picturesOf(joined(files, 'video'))).toEqual(pictures.slice(30));
  });

  test('another resolution begins a new period with an init segment of its own', () => {
    const frames = [...clip.frames.slice(0, 45), ...larger.frames];
    const { outputs, files } = record([publish, ...packetsOf(codec, frames), finish], limits);
    expect(of(outputs, 'init').map(({ period, width, height }) => [period, width, height])).toEqual([
      [1, 320, 240],
      [2, 642, 362],
    ]);
    const later = of(outputs, 'segment-closed').flatMap(({ segment, period }) => (period === 2 ? [segment] : []));
    const file = joined(files, 'video', 2, later);
    expect(picturesOf(file)).toEqual(picturesOf(larger.file));
    expect(pictureOf(file)).toMatchObject({ width: 642, height: 362 });
  });

  test('the configuration is read back from the init segment, and describes the same', () => {
    const { outputs } = record([publish, ...packets, finish], limits);
    const [init] = of(outputs, 'init');
    const read = decodeInitSegment(init!.bytes)!;
    const { sampleEntry: _, ...described } = codecs[codec]!.describe(read.configuration)!;
    expect(read).toMatchObject({ ...described, track: 'video', width: 320, height: 240, codec: init!.codec });
  });

  /** What a recorder does that was killed behind these packets: cuts its last file, and reads on from its resume point. */
  const recordOver = (all: PacketInput[], dies: number) => {
    const before = record([publish, ...all.slice(0, dies)], limits);
    const { files } = before;
    const segment = segmentNumbers(files, 'video').at(-1)!;
    const scan = scanSegment(concatBytes(files.get(`video_seg_${segment}`)!));
    const final = of(before.outputs, 'segment-closed').some((closed) => closed.segment === segment);
    const init = concatBytes(files.get('video_init_1')!);
    const resume = resumeFromFiles([{ track: 'video', segment, scan, init, final }], segment, 1);
    const replayed = all.filter(({ ordinal }) => ordinal >= resume!.tracks[0]!.point.ordinal);
    const after = record([publish, ...replayed, finish], { ...limits, resume }, files);
    expect(of(after.outputs, 'init')).toEqual([]);
    return joined(files, 'video');
  };

  test('a recorder that is killed goes on in its files with the configuration of the init segment', () => {
    const deaths = [31, 48, 75].map((frame) => packets.findIndex((packet) => frameOf(packet) === frame) + 1);
    for (const dies of deaths) expect(picturesOf(recordOver(packets, dies))).toEqual(pictures);
  });

  test('a recorder that is killed behind a loss still waits for the key frame where its codec must', () => {
    const lost = packets.findIndex((packet) => frameOf(packet) === 36);
    const rest = packets.filter((_, index) => index !== lost);
    const dies = rest.findIndex((packet) => frameOf(packet) === 48);
    const whole = record([publish, ...rest, finish], limits);
    expect(probe(recordOver(rest, dies)).times).toEqual(probe(joined(whole.files, 'video')).times);
  });

  test('the packet with which a key frame begins is told from all others', () => {
    for (const maxBytes of [1100, 61]) {
      const all = packetsOf(codec, clip.frames, maxBytes);
      const begins = all.filter(({ bytes }) => keyFrameTest(codec)!(parseRtp(bytes)!.payload));
      expect([...new Set(begins.map(frameOf))]).toEqual([0, 30, 60]);
      const first = [0, 30, 60].map((frame) => all.find((packet) => frameOf(packet) === frame));
      for (const packet of first) if (codec !== 'H264' && codec !== 'H265') expect(begins).toContain(packet);
    }
  });
});

test('while a picture waits for a key frame, its resume point stays before the loss, though its segment was closed', () => {
  const { frames } = makeCoded('VP9', { gop: 90 });
  const video = packetsOf('VP9', frames);
  const sound = streamOf({ audio: makeSound().slice(0, 150) });
  const indexOf = (packet: PacketInput): number =>
    frames.findIndex((_, index) => timestampOf(index) === parseRtp(packet.bytes)!.timestamp);
  const sent = [...video, ...sound].sort((a, b) => a.arrivalMs - b.arrivalMs);
  const all = numbered(sent).filter((packet) => packet.track === 'audio' || indexOf(packet) !== 36);
  const publication = videoPublication('VP9');
  publication.tracks.push(...publicationOf(['audio']).tracks);
  const limits = { segmentMs: 500, noKeyFrameMs: 600 };
  const { core, outputs, take } = record([{ kind: 'publication', publication }, ...all], limits);
  take({ kind: 'durable', part: of(outputs, 'part').at(-1)!.id });
  const next = all.find((packet) => packet.track === 'video' && indexOf(packet) === 37)!;
  const point = core.resumePoints().find(({ track }) => track === 'video')!;
  expect(point.ordinal).toBe(next.ordinal);
  expect(point.sequence).toBe((parseRtp(next.bytes)!.sequence - 2) & 0xffff);
});
