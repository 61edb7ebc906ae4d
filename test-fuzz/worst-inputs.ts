/** Large inputs thought out to make a parser work: as many of the smallest things as fit, each asking for the most. */
import { encodeJsonFrame } from '../packages/contracts/src/tap-frames.ts';
import { uuidBox } from '../packages/media/src/boxes.ts';
import { chainBoxType } from '../packages/media/src/chain-box.ts';
import { h265SpsSamples } from './codec-inputs.ts';
import { spsSamples } from './h264-inputs.ts';
import { concat, hex } from './media-inputs.ts';
import { joinPackets } from './packet-list.ts';

const bytes = 16_384;
const many = (piece: Uint8Array, most = bytes): Uint8Array[] => Array(Math.floor(most / piece.length)).fill(piece);
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value));
const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

/** A NACK that asks for 17 packets in each four bytes, and the shortest packets there are. */
export const rtcp: readonly Uint8Array[] = [
  concat(hex('81cd'), u16(bytes / 4 - 1), hex('0000000100000002'), ...many(hex('0000ffff'), bytes - 12)),
  concat(...many(hex('80cb0000'))),
  concat(...many(hex('80c90001 00000001'))),
];

/** Every second packet, so that all others are waited for; then each far ahead of the one before. */
export const everySecondPacket: readonly Uint8Array[] = [
  joinPackets(Array(5000).fill(hex('02'))),
  joinPackets(Array(5000).fill(hex('7f'))),
  joinPackets(Array.from({ length: 5000 }, (_, index) => Uint8Array.of(index % 2 === 0 ? 0x40 : 0xc1))),
];

const smallNals = concat(hex('78'), ...many(hex('000101'), 1200));
const setNals = concat(hex('78'), ...Array(30).fill(concat(u16(22), spsSamples[0] as Uint8Array)));

/** One payload of as many units as fit, in each format. */
export const keyFramePayloads: readonly Uint8Array[] = [
  concat(hex('78'), ...many(hex('000101'))),
  concat(hex('78'), ...many(hex('0000'))),
  concat(hex('6001'), ...many(hex('000100'))),
  concat(hex('0aff'), ...many(hex('00'))),
  concat(hex('00'), ...many(hex('00'))),
  concat(hex('10'), ...many(hex('80'))),
  concat(hex('00'), ...many(hex('0110'))),
];

const other = (index: number): Uint8Array => concat(hex('000000'), (spsSamples[0] as Uint8Array).with(3, index & 0xff));

/** Units that never end, fragments that never end, parameter sets without end, and others with each packet. */
export const h264Packets: readonly Uint8Array[] = [
  joinPackets(Array(14).fill(concat(hex('010000'), smallNals))),
  joinPackets(Array(14).fill(concat(hex('010100'), smallNals))),
  joinPackets(Array(25).fill(concat(hex('010000'), setNals))),
  joinPackets([hex('010000 7c8500'), ...Array(2500).fill(hex('010000 7c0500'))]),
  joinPackets(Array(2500).fill(hex('010001 0600'))),
  joinPackets(Array.from({ length: 600 }, (_, index) => (index % 2 === 0 ? other(index) : hex('010101 658880')))),
  joinPackets(Array.from({ length: 3000 }, (_, index) => (index % 2 === 0 ? hex('01f101 4180') : hex('010001 4180')))),
];

const h265Sets = concat(hex('6001'), ...Array(30).fill(concat(u16(44), h265SpsSamples[0] as Uint8Array)));

/** The same of H265. */
export const h265Packets: readonly Uint8Array[] = [
  joinPackets(Array(14).fill(concat(hex('010000 6001'), ...many(hex('0003020180'), 1100)))),
  joinPackets(Array(12).fill(concat(hex('010000'), h265Sets))),
  joinPackets([hex('010000 62019380'), ...Array(2000).fill(hex('010000 62011380'))]),
  joinPackets(Array(2000).fill(hex('010001 4e0100'))),
];

/** An SPS of H265 of zeros, of ones, and with all sub-layers. */
export const h265ParameterSets: readonly Uint8Array[] = [
  concat(hex('4201'), ...many(hex('00'))),
  concat(hex('4201'), ...many(hex('ff'))),
  concat(hex('42010d'), ...many(hex('ff'))),
];

/** As many arrays as a record can name, each of as many sets as fit. */
export const h265ConfigurationRecords: readonly Uint8Array[] = [
  concat(hex('01'), ...Array(21).fill(hex('00')), hex('ff'), ...Array(255).fill(hex('a10000'))),
  concat(hex('01'), ...Array(21).fill(hex('00')), hex('01a10fff'), ...Array(4095).fill(hex('000142'))),
];

const vp9LayerFrame = hex('010000 0c 82498342 00281016960c38241c');

/** Layer frames without end, packets of one frame without end, and superframes in superframes. */
export const vp9Packets: readonly Uint8Array[] = [
  joinPackets(Array(900).fill(vp9LayerFrame)),
  joinPackets([...Array(800).fill(vp9LayerFrame), concat(hex('010100'), vp9LayerFrame.subarray(3))]),
  joinPackets([hex('010000 0882'), ...Array(2500).fill(hex('010000 0082'))]),
  joinPackets(Array(700).fill(hex('010101 0c 8249834200 c0 05 c0'))),
];

/** A group of as many pictures as one can name, each with as many references. */
export const vp9Descriptors: readonly Uint8Array[] = [
  concat(hex('02f8'), ...Array(32).fill(hex('01')), hex('ff'), ...many(hex('0c010101'), 1020)),
  concat(hex('d0'), ...many(hex('ff'))),
];

/** As many elements as fit, fragments without end, and sequence headers with each packet. */
export const av1Packets: readonly Uint8Array[] = [
  joinPackets(Array(14).fill(concat(hex('010000 00'), ...many(hex('0130'), 1100)))),
  joinPackets([hex('010000 5030'), ...Array(2500).fill(hex('010000 d000'))]),
  joinPackets(Array(700).fill(hex('010101 200d0a0b0000000cc5036936be40103010'))),
  joinPackets(Array(14).fill(concat(hex('010000 00'), ...many(hex('0d0a0b0000000cc5036936be4010'), 1100)))),
];

/** The smallest units, and a size that never ends. */
export const av1Obus: readonly Uint8Array[] = [concat(...many(hex('1200'))), concat(hex('12'), ...many(hex('80')))];

/** A sequence header of zeros and of ones, with all operating points. */
export const av1Sequences: readonly Uint8Array[] = [
  concat(hex('81000000 08'), ...many(hex('ff'))),
  concat(hex('81000000 08'), ...many(hex('00'))),
  concat(hex('81000000 08 04'), ...many(hex('ff'))),
];

/** An SPS of zeros, of ones, and with as many scaling lists and frames in its cycle as there can be. */
export const parameterSets: readonly Uint8Array[] = [
  concat(hex('6742c00d'), ...many(hex('00'))),
  concat(hex('6764001f'), ...many(hex('ff'))),
  concat(hex('67f4001e'), ...many(hex('aa'))),
  concat(hex('6742c00d'), ...many(hex('000003'))),
];

/** As many sets of one byte as a record can name. */
export const configurationRecords: readonly Uint8Array[] = [
  concat(hex('0142c00dffff'), ...Array(31).fill(hex('000167')), hex('ff'), ...Array(255).fill(hex('000168'))),
];

/** The smallest boxes. */
export const boxes: readonly Uint8Array[] = [
  concat(...many(hex('0000000866726565'), 8000)),
  concat(...many(hex('0000000866726565'))),
];

const stunHead = (length: number): Uint8Array =>
  concat(hex('0001'), u16(length), hex('2112a442 000000000000000000000000'));

/** The smallest attributes, and a user name of the whole datagram. */
export const stun: readonly Uint8Array[] = [
  concat(stunHead(128), ...many(hex('80220000'), 128)),
  concat(stunHead(bytes - 20), ...many(hex('80220000'), bytes - 20)),
  concat(stunHead(bytes - 20), hex('0006'), u16(bytes - 24), ...many(hex('61'), bytes - 24)),
];

/** The smallest records. */
export const dtls: readonly Uint8Array[] = [
  concat(...Array(16).fill(hex('16fefd00000000000000000000'))),
  concat(...many(hex('16fefd00000000000000000000'))),
];

const payloadTypes = [...Array(128).keys()].filter((type) => type < 64 || type > 95);
const offer = (lines: readonly string[]): Uint8Array =>
  text(
    [
      'v=0',
      'a=ice-ufrag:abcd',
      'a=ice-pwd:0123456789012345678901',
      `a=fingerprint:sha-256 ${'AB'.repeat(32)}`,
      `m=video 9 UDP/TLS/RTP/SAVPF ${payloadTypes.join(' ')}`,
      'a=rtcp-mux',
      'a=sendonly',
      ...payloadTypes.map((type) => `a=rtpmap:${type} H264/90000`),
      ...lines,
    ].join('\n'),
  );

/** All payload types, with feedback for each of them or for all at once, and as many sections, names and hashes. */
export const offers: readonly Uint8Array[] = [
  offer(Array(900).fill('a=rtcp-fb:* x')),
  offer(payloadTypes.map((type) => `a=fmtp:${type} ${'packetization-mode=1;'.repeat(5)}`)),
  offer(Array(900).fill('a=mid:x')),
  offer(Array(500).fill('m=video 0 RTP/AVP 0')),
  offer(Array(100).fill(`a=fingerprint:sha-256 ${'AB'.repeat(32)}`)),
  offer(['a=ssrc:1 x', `a=candidate:${'1 '.repeat(8000)}`]),
  text(`v=0\nm=video 9 RTP/SAVPF ${'96 '.repeat(5000)}`),
];

/** Lines that nearly fit. */
export const fragments: readonly Uint8Array[] = [
  text(`a=group:BUNDLE${' 0'.repeat(8000)}\t`),
  text(`a=candidate:${'1 '.repeat(8000)}`),
  text(Array(1000).fill('a=mid:0').join('\n')),
  text(`a=ice-options:${' '.repeat(8000)}`),
];

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** Deep, wide, and long JSON. */
export const json: readonly Uint8Array[] = [
  text(nested(8000)),
  text(`{"weir_tap":${nested(8000)}}`),
  text(`{"weir_tap":1,"token":"x","use":"control","orders":${nested(8000)}}`),
  text(
    `{"specversion":"1.0","id":"1","source":"/","type":"weir.rows","time":"2026-01-01T00:00:00Z","data":${nested(8000)}}`,
  ),
  text(`[${'{},'.repeat(5000)}{}]`),
  text(`{"rows":[${'{"kind":"gap"},'.repeat(1000)}{}],"items":[${'{},'.repeat(99)}{}]}`),
  text(`{${Array.from({ length: 1500 }, (_, index) => `"k${index}":0`).join(',')}}`),
  text('"\\u0000'.repeat(2500)),
];

/** The same in boxes. */
export const jsonBoxes: readonly Uint8Array[] = json.map((value) => uuidBox(chainBoxType, value));

/** Texts on which patterns go back and forth. */
export const names: readonly Uint8Array[] = [
  text('a'.repeat(bytes)),
  text(`${'a'.repeat(200)}c`),
  text('a/'.repeat(bytes / 2)),
  text(`bytes=${'0'.repeat(8000)}-`),
  text(`bytes=${' '.repeat(8000)}x`),
  text('W/"a", '.repeat(2000)),
  text('~41'.repeat(5000)),
];

/** The smallest frames, and one that is waited for. */
export const tapFrames: readonly Uint8Array[] = [
  concat(...many(encodeJsonFrame(0))),
  concat(hex('001fffff02'), ...many(hex('00'))),
];
