import { decodeObu, obuType } from './av1-obu.ts';
import { bitReader } from './bit-reader.ts';
import { concatBytes, u8 } from './boxes.ts';

/**
 * What a sequence header says; `level` and `tier` are those of operating point 0, `width` and `height` the largest a
 * frame may have, `color` numbers of ITU-T H.273 or null where they are not told.
 */
export type Av1Sequence = {
  profile: number;
  level: number;
  tier: number;
  stillPicture: boolean;
  width: number;
  height: number;
  bitDepth: number;
  monochrome: boolean;
  subsamplingX: number;
  subsamplingY: number;
  samplePosition: number;
  fullRange: boolean;
  color: { primaries: number; transfer: number; matrix: number } | null;
};

/** Reads the payload of a sequence header OBU as far as the colours (AV1 bitstream specification §5.5); null when it is not valid. */
export const parseAv1Sequence = (payload: Uint8Array): Av1Sequence | null => {
  const bits = bitReader(payload.subarray(0, 1024));
  const profile = bits.take(3);
  const stillPicture = bits.take(1) === 1;
  const reduced = bits.take(1) === 1;
  const { level, tier } = reduced ? { level: bits.take(5), tier: 0 } : readOperatingPoints(bits);
  const [widthBits, heightBits] = [bits.take(4) + 1, bits.take(4) + 1];
  const [width, height] = [bits.take(widthBits) + 1, bits.take(heightBits) + 1];
  if (!reduced && bits.take(1) === 1) bits.take(7);
  bits.take(3);
  if (!reduced) skipTools(bits);
  bits.take(3);
  const colors = readColors(bits, profile);
  // A sample entry has 16 bits for each side.
  if (bits.overrun() || profile > 2 || width > 0xffff || height > 0xffff) return null;
  return { profile, level, tier, stillPicture, width, height, ...colors };
};

/** Writes the contents of `av1C` with this sequence header OBU, which has a size field (AV1 ISO media file format binding §2.3.3); null when it is not valid. */
export const encodeAv1C = (sequenceHeader: Uint8Array): Uint8Array | null => {
  const sequence = sequenceOf(sequenceHeader);
  if (sequence === null) return null;
  const { profile, level, tier, bitDepth, monochrome, subsamplingX, subsamplingY, samplePosition } = sequence;
  const depth = (bitDepth > 8 ? 0x40 : 0) | (bitDepth > 10 ? 0x20 : 0);
  const format = (monochrome ? 0x10 : 0) | (subsamplingX << 3) | (subsamplingY << 2) | samplePosition;
  return concatBytes([u8(0x81, (profile << 5) | level, (tier << 7) | depth | format, 0), sequenceHeader]);
};

/** Reads the sequence header of the contents of `av1C`; null when there is none in front or it is not valid. */
export const decodeAv1C = (record: Uint8Array): Av1Sequence | null =>
  record.length < 5 || record[0] !== 0x81 ? null : sequenceOf(record.subarray(4));

/** The RFC 6381 codec string: `av01.P.LLT.DD`, with chroma and colours where they are not the default (AV1 ISO media file format binding §5). */
export const av1CodecString = (sequence: Av1Sequence): string => {
  const { profile, level, tier, bitDepth, monochrome, subsamplingX, subsamplingY, samplePosition, fullRange } =
    sequence;
  const short = ['av01', `${profile}`, `${two(level)}${tier === 0 ? 'M' : 'H'}`, two(bitDepth)];
  const chroma = `${subsamplingX}${subsamplingY}${subsamplingX + subsamplingY === 2 ? samplePosition : 0}`;
  const color = sequence.color ?? { primaries: 1, transfer: 1, matrix: 1 };
  const colors = [two(color.primaries), two(color.transfer), two(color.matrix), fullRange ? '1' : '0'];
  const all = [monochrome ? '1' : '0', chroma, ...colors];
  return (all.join('.') === '0.110.01.01.01.0' ? short : [...short, ...all]).join('.');
};

type Bits = ReturnType<typeof bitReader>;

const two = (value: number): string => String(value).padStart(2, '0');

const sequenceOf = (bytes: Uint8Array): Av1Sequence | null => {
  const obu = decodeObu(bytes);
  return obu?.type === obuType.sequenceHeader ? parseAv1Sequence(obu.payload) : null;
};

const readOperatingPoints = (bits: Bits): { level: number; tier: number } => {
  const delayBits = bits.take(1) === 1 ? readTiming(bits) : null;
  const hasDisplayDelay = bits.take(1) === 1;
  const count = bits.take(5) + 1;
  let first = { level: 0, tier: 0 };
  for (let point = 0; point < count; point++) {
    bits.take(12);
    const level = bits.take(5);
    const tier = level > 7 ? bits.take(1) : 0;
    if (delayBits !== null && bits.take(1) === 1) bits.take(2 * delayBits + 1);
    if (hasDisplayDelay && bits.take(1) === 1) bits.take(4);
    if (point === 0) first = { level, tier };
  }
  return first;
};

/** timing_info and decoder_model_info; the length of buffer delays in bits, null without a decoder model. */
const readTiming = (bits: Bits): number | null => {
  bits.take(64);
  if (bits.take(1) === 1) bits.unsigned();
  if (bits.take(1) === 0) return null;
  const delayBits = bits.take(5) + 1;
  bits.take(32 + 5 + 5);
  return delayBits;
};

/** From enable_interintra_compound to order_hint_bits. */
const skipTools = (bits: Bits): void => {
  const select = 2;
  bits.take(4);
  const hasOrderHint = bits.take(1) === 1;
  if (hasOrderHint) bits.take(2);
  const screenContent = bits.take(1) === 1 ? select : bits.take(1);
  if (screenContent > 0 && bits.take(1) === 0) bits.take(1);
  if (hasOrderHint) bits.take(3);
};

type Av1Colors = Pick<
  Av1Sequence,
  'bitDepth' | 'monochrome' | 'subsamplingX' | 'subsamplingY' | 'samplePosition' | 'fullRange' | 'color'
>;

const readColors = (bits: Bits, profile: number): Av1Colors => {
  const high = bits.take(1) === 1;
  const bitDepth = profile === 2 && high ? (bits.take(1) === 1 ? 12 : 10) : high ? 10 : 8;
  const monochrome = profile !== 1 && bits.take(1) === 1;
  const color = bits.take(1) === 1 ? { primaries: bits.take(8), transfer: bits.take(8), matrix: bits.take(8) } : null;
  const common = { bitDepth, monochrome, color };
  if (monochrome) {
    return { ...common, fullRange: bits.take(1) === 1, subsamplingX: 1, subsamplingY: 1, samplePosition: 0 };
  }
  if (color?.primaries === 1 && color.transfer === 13 && color.matrix === 0) {
    return { ...common, fullRange: true, subsamplingX: 0, subsamplingY: 0, samplePosition: 0 };
  }
  const fullRange = bits.take(1) === 1;
  const [subsamplingX, subsamplingY] = readSubsampling(bits, profile, bitDepth);
  const samplePosition = subsamplingX + subsamplingY === 2 ? bits.take(2) : 0;
  return { ...common, fullRange, subsamplingX, subsamplingY, samplePosition };
};

const readSubsampling = (bits: Bits, profile: number, bitDepth: number): readonly [number, number] => {
  if (profile === 0) return [1, 1];
  if (profile === 1) return [0, 0];
  if (bitDepth < 12) return [1, 0];
  const horizontal = bits.take(1);
  return [horizontal, horizontal === 1 ? bits.take(1) : 0];
};
