import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { afterAll, expect, test } from 'vitest';
import {
  type CodedOptions,
  makeCoded,
  packetsOf,
  pictureOf,
  picturesOf,
  removeClips,
  type VideoCodec,
  videoPublication,
} from '../../media/src/coded-video.fixture.ts';
import { joined, of, record, removeFiles } from '../../media/src/recording.fixture.ts';

afterAll(() => {
  removeClips();
  removeFiles();
});

const bytesOf = (files: Map<string, Uint8Array[]>): Uint8Array => Buffer.concat([...files.values()].flat());

/** What mediabunny reads of a file: it makes the codec string of the configuration record, and looks into each packet. */
const readBack = async (bytes: Uint8Array) => {
  using input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
  const track = await input.getPrimaryVideoTrack();
  if (track === null) throw new Error('no video track');
  const packets: string[] = [];
  for await (const packet of new EncodedPacketSink(track).packets()) {
    // Null where it cannot tell: an AV1 unit that only shows a frame again.
    expect([packet.type, null]).toContain(await track.determinePacketType(packet));
    packets.push(packet.type);
  }
  // It names all HEVC hev1.
  const codec = (await track.getCodecParameterString())?.replace('hev1', 'hvc1');
  const config = await track.getDecoderConfig();
  return {
    codec,
    width: config?.codedWidth,
    height: config?.codedHeight,
    packets,
  };
};

const gop = 5;
const clip: CodedOptions = { size: '322x182', seconds: 0.4, gop };

// Each of the forms that a codec's record tells apart: depth of 8 and 10 bits, chroma 4:2:0 and 4:4:4.
test.each<[VideoCodec, CodedOptions, string, Record<string, unknown>]>([
  ['H264', {}, 'avc1.42c00d', { profile: 'Constrained Baseline', pix_fmt: 'yuv420p' }],
  ['H265', {}, 'hvc1.1.6.L60.90', { profile: 'Main', pix_fmt: 'yuv420p' }],
  ['H265', { pixels: 'yuv420p10le' }, 'hvc1.2.4.L60.90', { profile: 'Main 10', pix_fmt: 'yuv420p10le' }],
  ['H265', { pixels: 'yuv444p' }, 'hvc1.4.10.L60.9E.8', { profile: 'Rext', pix_fmt: 'yuv444p' }],
  ['VP9', {}, 'vp09.00.20.08.01.02.02.02.00', { profile: 'Profile 0', pix_fmt: 'yuv420p' }],
  ['VP9', { pixels: 'yuv444p' }, 'vp09.01.20.08.03.02.02.02.00', { profile: 'Profile 1', pix_fmt: 'yuv444p' }],
  ['VP9', { pixels: 'yuv420p10le' }, 'vp09.02.20.10.01.02.02.02.00', { profile: 'Profile 2', pix_fmt: 'yuv420p10le' }],
  [
    'VP9',
    { coder: ['-colorspace', 'bt709'] },
    'vp09.00.20.08.01.02.02.01.00',
    { profile: 'Profile 0', pix_fmt: 'yuv420p' },
  ],
  ['AV1', {}, 'av01.0.00M.08', { profile: 'Main', pix_fmt: 'yuv420p' }],
  ['AV1', { pixels: 'yuv420p10le' }, 'av01.0.00M.10', { profile: 'Main', pix_fmt: 'yuv420p10le' }],
  ['AV1', { pixels: 'yuv444p' }, 'av01.1.00M.08.0.000.01.01.01.0', { profile: 'High', pix_fmt: 'yuv444p' }],
])(
  '%s %j is recorded so that mediabunny and ffmpeg read the same of it: %s',
  async (codec, options, string, picture) => {
    const { file, frames } = makeCoded(codec, { ...clip, ...options });
    const packets = packetsOf(codec, frames);
    const { files, outputs } = record([
      { kind: 'publication', publication: videoPublication(codec) },
      ...packets,
      { kind: 'finish' },
    ]);
    const read = await readBack(bytesOf(files));
    expect(read).toMatchObject({ width: 322, height: 182 });
    expect(read.codec).toBe(string);
    expect(of(outputs, 'init').map((init) => init.codec)).toEqual([string]);
    expect(read.packets).toEqual(frames.map((_, index) => (index % gop === 0 ? 'key' : 'delta')));
    const joinedFile = joined(files, 'video');
    expect(picturesOf(joinedFile)).toEqual(picturesOf(file));
    expect(pictureOf(joinedFile)).toMatchObject({ ...picture, width: 322, height: 182 });
  },
);

// With frames that are not shown: alternate references of VP9 in superframes, hidden frames of AV1 in one temporal unit.
test.each<[VideoCodec, string[]]>([
  ['VP9', ['-deadline', 'good', '-cpu-used', '8', '-lag-in-frames', '12', '-auto-alt-ref', '1']],
  ['AV1', ['-usage', 'good', '-lag-in-frames', '12']],
])('%s with hidden frames is recorded whole', async (codec, coder) => {
  const { file, frames } = makeCoded(codec, { size: '160x90', seconds: 1, gop: 30, coder });
  const packets = packetsOf(codec, frames, 200);
  const { files } = record([
    { kind: 'publication', publication: videoPublication(codec) },
    ...packets,
    { kind: 'finish' },
  ]);
  expect((await readBack(bytesOf(files))).packets).toHaveLength(frames.length);
  expect(picturesOf(joined(files, 'video'))).toEqual(picturesOf(file));
});
