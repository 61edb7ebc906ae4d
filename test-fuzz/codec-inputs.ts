/** Frames, payloads and configuration records of the codecs. */
import fc from 'fast-check';
import { encodeObu } from '../packages/media/src/av1-obu.ts';
import { packetizeAv1 } from '../packages/media/src/av1-packetizer.ts';
import { encodeAv1C } from '../packages/media/src/av1-sequence.ts';
import { packetizeH265 } from '../packages/media/src/h265-packetizer.ts';
import { encodeHvcC } from '../packages/media/src/h265-parameter-sets.ts';
import { encodeDOps } from '../packages/media/src/opus.ts';
import { encodeVp9Configuration } from '../packages/media/src/vp9-configuration.ts';
import { encodeSuperframeIndex } from '../packages/media/src/vp9-frame.ts';
import { packetizeVp9 } from '../packages/media/src/vp9-packetizer.ts';
import { avcC, h264Payloads } from './h264-inputs.ts';
import { concat, hex } from './media-inputs.ts';

type Payload = { payload: Uint8Array; marker: boolean };

const bytes = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: most });
const sized = (nal: Uint8Array): Uint8Array => concat(Uint8Array.of(nal.length >> 8, nal.length & 0xff), nal);

/** Sequence parameter sets of x265: 642x362, and the same in 4:2:2 with 10 bits and two temporal layers. */
export const h265SpsSamples: readonly Uint8Array[] = [
  hex('42010101600000030090000003000003003fa005220171c449965654a4c2f0168080000003008000000f0400'),
  hex('4201010408000003009d0800000300003fb005220171c44ed965654a4c2f016808000003000800000300f04000'),
];
const h265Vps = hex('40010c01ffff01600000030090000003000003003f95940900');
const h265Pps = hex('4401c073c189');

/** Decoder configuration records of H265. */
export const hvcC: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.subarray([...h265SpsSamples], { minLength: 1 }), fc.integer({ min: 1, max: 4 }))
  .map(([sps, count]) => Uint8Array.from(encodeHvcC({ vps: [h265Vps], sps, pps: Array(count).fill(h265Pps) }) ?? []));

const h265Set = fc.constantFrom(h265Vps, ...h265SpsSamples, h265Pps);
const h265Nal = fc.oneof(
  { weight: 1, arbitrary: h265Set },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 1, 19, 20, 21, 32, 33, 34, 35, 39), bytes(80))
      .map(([type, body]) => concat(Uint8Array.of(type << 1, 1), body)),
  },
);

/** H265 (RFC 7798 §4.4): single NAL units, aggregation and fragmentation units. */
export const h265Payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  h265Nal,
  fc.array(h265Nal, { minLength: 2, maxLength: 5 }).map((nals) => concat(Uint8Array.of(96, 1), ...nals.map(sized))),
  fc
    .tuple(fc.constantFrom(0x80, 0, 0x40), fc.constantFrom(1, 19, 33), bytes(60))
    .map(([place, type, body]) => concat(Uint8Array.of(98, 1, place | type), body)),
);

/** VP8 (RFC 7741 §4.2). */
export const vp8Payload: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.constantFrom(0x10, 0x90, 0x00), fc.constantFrom(0x80, 0xc0, 0xf0), bytes(40))
  .map(([first, extension, body]) =>
    concat(Uint8Array.of(first, ...(first & 0x80 ? [extension, 0x81, 2, 3, 4] : [])), body),
  );

const vp9Structure = fc
  .tuple(fc.nat(7), fc.array(fc.array(fc.nat(255), { maxLength: 3 }), { maxLength: 8 }))
  .map(([layers, group]) => [
    (layers << 5) | 0x18,
    ...Array((layers + 1) * 4).fill(1),
    group.length,
    ...group.flatMap((references) => [references.length << 2, ...references]),
  ]);

/** VP9 (RFC 9628 §4.2), key frames with their uncompressed header, with and without scalability structure. */
export const vp9Payload: fc.Arbitrary<Uint8Array> = fc
  .record({
    flags: fc.nat(255),
    pictureId: fc.nat(0x7fff),
    layer: fc.nat(255),
    references: fc.array(fc.nat(255), { minLength: 1, maxLength: 3 }),
    structure: vp9Structure,
    frame: fc.oneof(
      fc.constant(Uint8Array.from([0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0e, 0xf6, 0x00])),
      bytes(60),
    ),
  })
  .map(({ flags, pictureId, layer, references, structure, frame }) =>
    concat(
      Uint8Array.of(flags),
      Uint8Array.from([
        ...(flags & 0x80 ? [0x80 | (pictureId >> 8), pictureId & 0xff] : []),
        ...(flags & 0x20 ? [layer, ...(flags & 0x10 ? [] : [7])] : []),
        ...((flags & 0x50) === 0x50
          ? references.map((one, at) => (at < references.length - 1 ? one | 1 : one & 0xfe))
          : []),
        ...(flags & 0x02 ? structure : []),
      ]),
      frame,
    ),
  );

const av1SequenceHeader = Uint8Array.from(Buffer.from('0a0b00000024c4ffdf3ff80c40', 'hex'));
const av1Element = fc.oneof(
  fc.constant(av1SequenceHeader),
  fc.constant(av1SequenceHeader.subarray(0, 1)),
  fc
    .tuple(fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 15), fc.nat(7), bytes(60))
    .map(([type, low, body]) => concat(Uint8Array.of((type << 3) | low), body)),
);
const leb128 = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb128(value >> 7)]);

/** AV1 (RTP Payload Format For AV1 §4.4): OBU elements, whole and in parts. */
export const av1Payload: fc.Arbitrary<Uint8Array> = fc
  .record({
    flags: fc.constantFrom(0, 0x08, 0x40, 0x80, 0xc0),
    elements: fc.array(av1Element, { minLength: 1, maxLength: 4 }),
  })
  .map(({ flags, elements }) => {
    const count = elements.length > 3 ? 0 : elements.length;
    const written = elements.map((element, index) =>
      index === count - 1 ? element : concat(Uint8Array.from(leb128(element.length)), element),
    );
    return concat(Uint8Array.of(flags | (count << 4)), ...written);
  });

/** Packets of one payload format, some of them the last of their frame. */
export const packetsOf = (payload: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Payload[]> =>
  fc.array(fc.record({ payload, marker: fc.boolean() }), { minLength: 1, maxLength: 12 });

const vp9KeyFrames = [hex('8249834200281016960c38241c184a1005c07fd1fa3e8fe77d1f'), hex('a249834200050202d2c207048383')];

/** VP9 frames and superframes: key frames of libvpx in 4:2:0 and 4:4:4, and others. */
export const vp9Frame: fc.Arbitrary<Uint8Array> = fc
  .array(fc.oneof(fc.constantFrom(...vp9KeyFrames), bytes(40)), { minLength: 1, maxLength: 9 })
  .map((frames) => concat(...frames, encodeSuperframeIndex(frames.map(({ length }) => length)) ?? hex('')));

/** Configuration records of VP9. */
export const vp9Configuration: fc.Arbitrary<Uint8Array> = fc
  .record({
    profile: fc.nat(3),
    level: fc.constantFrom(10, 31, 62),
    bitDepth: fc.constantFrom(8, 10, 12),
    chroma: fc.nat(3),
    colorSpace: fc.nat(7),
    fullRange: fc.boolean(),
    width: fc.integer({ min: 1, max: 0xffff }),
    height: fc.integer({ min: 1, max: 0xffff }),
  })
  .map((configuration) => Uint8Array.from(encodeVp9Configuration(configuration)));

/** Sequence headers of libaom in 4:2:0 and 4:4:4, and of SVT-AV1. */
const av1Sequences = [
  hex('0a0b0000000cc5036936be4010'),
  hex('0a0b2000000cc5036936be4080'),
  hex('0a0b0000000cc503693efe4010'),
];

/** Configuration records of AV1. */
export const av1Configuration: fc.Arbitrary<Uint8Array> = fc
  .constantFrom(...av1Sequences)
  .map((sequence) => Uint8Array.from(encodeAv1C(sequence) ?? []));

/** A temporal unit in the low-overhead format. */
export const av1TemporalUnit: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.constantFrom(...av1Sequences), fc.array(bytes(100), { maxLength: 4 }))
  .map(([sequence, frames]) =>
    concat(hex('1200'), sequence, ...frames.map((frame) => concat(Uint8Array.of(0x32, frame.length), frame))),
  );

const most = fc.constantFrom(40, 200, 1200);
const someOf = (frames: fc.Arbitrary<Payload[]>): fc.Arbitrary<Payload[]> =>
  fc.array(frames, { minLength: 1, maxLength: 5 }).map((all) => all.flat());

const h265Frames = fc
  .tuple(fc.constantFrom(...h265SpsSamples), fc.constantFrom(1, 19), bytes(900), most)
  .map(([sps, type, slice, size]) => {
    const sets = type === 19 ? [h265Vps, sps, h265Pps] : [];
    return packetizeH265([...sets, concat(Uint8Array.of(type << 1, 1, 0x80), slice)], size);
  });
const vp9Frames = fc
  .tuple(fc.constantFrom(...vp9KeyFrames, hex('8600401c')), bytes(900), most, fc.nat(0x7fff))
  .map(([head, body, size, pictureId]) => packetizeVp9(concat(head, body), size, pictureId));
const av1Frames = fc
  .tuple(fc.constantFrom(...av1Sequences), fc.boolean(), bytes(900), most)
  .map(([sequence, key, body, size]) => {
    const frame = encodeObu({ header: Uint8Array.of(6 << 3), payload: concat(Uint8Array.of(key ? 0x10 : 0x30), body) });
    return packetizeAv1(key ? concat(sequence, frame) : frame, size);
  });

/** Payloads of some frames of each codec that is recorded, the last packet of each frame marked. */
export const framesOf: Readonly<Record<string, fc.Arbitrary<Payload[]>>> = {
  H264: h264Payloads,
  H265: someOf(h265Frames),
  VP9: someOf(vp9Frames),
  AV1: someOf(av1Frames),
  OPUS: packetsOf(bytes(20)),
};

/** Configuration records of each codec that is recorded. */
export const recordsOf: Readonly<Record<string, fc.Arbitrary<Uint8Array>>> = {
  H264: avcC,
  H265: hvcC,
  VP9: vp9Configuration,
  AV1: av1Configuration,
  OPUS: fc.constantFrom(encodeDOps(1), encodeDOps(2)),
};
