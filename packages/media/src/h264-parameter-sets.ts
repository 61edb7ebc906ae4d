import { withoutEmulation } from './annex-b.ts';
import { bitReader } from './bit-reader.ts';
import { concatBytes, u8, u16 } from './boxes.ts';
import { fmtpNals } from './format-parameters.ts';
import { readLengthPrefixed } from './parameter-set-keeper.ts';

/** What a sequence parameter set says of the picture; sizes in pixels after cropping. */
export type SequenceParameters = {
  profile: number;
  constraints: number;
  level: number;
  id: number;
  width: number;
  height: number;
  chromaFormat: number;
  bitDepthLuma: number;
  bitDepthChroma: number;
};

/** Parameter sets as NAL units without start codes, in the order in which they came. */
export type ParameterSets = { sps: readonly Uint8Array[]; pps: readonly Uint8Array[] };

// Profiles whose SPS names chroma format and bit depth (Rec. ITU-T H.264 §7.3.2.1.1).
const highProfiles = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
const mostPixelsPerSide = 16_384;

/** Reads a sequence parameter set NAL unit (Rec. ITU-T H.264 §7.3.2.1.1); null when it is not valid. */
export const parseSps = (nal: Uint8Array): SequenceParameters | null => {
  if (nal.length < 4 || ((nal[0] as number) & 0x1f) !== 7) return null;
  const bits = bitReader(withoutEmulation(nal.subarray(1, 513)));
  const profile = bits.take(8);
  const constraints = bits.take(8);
  const level = bits.take(8);
  const id = bits.unsigned();
  const chroma = highProfiles.has(profile) ? readChroma(bits) : { format: 1, luma: 8, chroma: 8, planes: 1 };
  bits.unsigned();
  skipPictureOrder(bits);
  bits.unsigned();
  bits.take(1);
  const widthInBlocks = bits.unsigned() + 1;
  const heightInUnits = bits.unsigned() + 1;
  const framesOnly = bits.take(1);
  if (framesOnly === 0) bits.take(1);
  bits.take(1);
  const crop = bits.take(1) === 1 ? [bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()] : [0, 0, 0, 0];
  const [left, right, top, bottom] = crop as [number, number, number, number];
  const cropX = chroma.planes === 1 && (chroma.format === 1 || chroma.format === 2) ? 2 : 1;
  const cropY = (chroma.planes === 1 && chroma.format === 1 ? 2 : 1) * (2 - framesOnly);
  const width = widthInBlocks * 16 - (left + right) * cropX;
  const height = heightInUnits * 16 * (2 - framesOnly) - (top + bottom) * cropY;
  const sane = width > 0 && height > 0 && width <= mostPixelsPerSide && height <= mostPixelsPerSide;
  if (bits.overrun() || !sane || id > 31) return null;
  const depths = { chromaFormat: chroma.format, bitDepthLuma: chroma.luma, bitDepthChroma: chroma.chroma };
  return { profile, constraints, level, id, width, height, ...depths };
};

/** Writes an AVC decoder configuration record, NAL lengths of 4 bytes (ISO/IEC 14496-15 §5.3.3.1.2); null without a valid SPS. */
export const encodeAvcC = (sets: ParameterSets): Uint8Array | null => {
  const sps = sets.sps.slice(0, 31);
  const pps = sets.pps.slice(0, 255);
  const first = sps[0] === undefined ? null : parseSps(sps[0]);
  if (first === null || pps.length === 0) return null;
  const high = [100, 110, 122, 144, 244].includes(first.profile);
  return concatBytes([
    u8(1, first.profile, first.constraints, first.level, 0xff, 0xe0 | sps.length),
    ...sps.flatMap((nal) => [u16(nal.length), nal]),
    u8(pps.length),
    ...pps.flatMap((nal) => [u16(nal.length), nal]),
    high ? u8(0xfc | first.chromaFormat, 0xf8 | (first.bitDepthLuma - 8), 0xf8 | (first.bitDepthChroma - 8), 0) : u8(),
  ]);
};

/** Reads the parameter sets of an AVC decoder configuration record (ISO/IEC 14496-15 §5.3.3.1.2); null when not valid. */
export const decodeAvcC = (bytes: Uint8Array): ParameterSets | null => {
  if (bytes.length < 7 || bytes[0] !== 1) return null;
  const sps = readLengthPrefixed(bytes, 6, (bytes[5] as number) & 0x1f);
  if (sps === null || sps.end >= bytes.length) return null;
  const pps = readLengthPrefixed(bytes, sps.end + 1, bytes[sps.end] as number);
  return pps === null ? null : { sps: sps.nals, pps: pps.nals };
};

/** The RFC 6381 codec string of an AVC decoder configuration record: `avc1.PPCCLL`. */
export const avcCodecString = (avcC: Uint8Array): string =>
  `avc1.${Array.from(avcC.subarray(1, 4), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;

/** Parameter sets named in a=fmtp by `sprop-parameter-sets` (RFC 6184 §8.1); null when there are none. */
export const spropH264Sets = (fmtp: string): ParameterSets | null => {
  const sets = fmtpNals(fmtp, 'sprop-parameter-sets');
  const ofType = (type: number) => sets.filter((nal) => ((nal[0] as number) & 0x1f) === type);
  return sets.length === 0 ? null : { sps: ofType(7), pps: ofType(8) };
};

type Bits = ReturnType<typeof bitReader>;

const readChroma = (bits: Bits): { format: number; luma: number; chroma: number; planes: number } => {
  const format = bits.unsigned() & 3;
  const separate = format === 3 && bits.take(1) === 1;
  const luma = 8 + (bits.unsigned() & 7);
  const chroma = 8 + (bits.unsigned() & 7);
  bits.take(1);
  if (bits.take(1) === 1) {
    for (let list = 0; list < (format === 3 ? 12 : 8); list++) {
      if (bits.take(1) === 1) skipScalingList(bits, list < 6 ? 16 : 64);
    }
  }
  return { format, luma, chroma, planes: separate ? 3 : 1 };
};

const skipScalingList = (bits: Bits, size: number): void => {
  let last = 8;
  let next = 8;
  for (let entry = 0; entry < size; entry++) {
    if (next !== 0) next = (last + bits.signed() + 256) & 255;
    if (next !== 0) last = next;
  }
};

const skipPictureOrder = (bits: Bits): void => {
  const kind = bits.unsigned();
  if (kind === 0) bits.unsigned();
  if (kind !== 1) return;
  bits.take(1);
  bits.signed();
  bits.signed();
  const cycle = Math.min(bits.unsigned(), 255);
  for (let frame = 0; frame < cycle; frame++) bits.signed();
};
