import { withoutEmulation } from './annex-b.ts';
import { bitReader } from './bit-reader.ts';
import { concatBytes, u8, u16 } from './boxes.ts';
import { fmtpNals } from './format-parameters.ts';
import { type H265SetKind, h265NalType } from './h265-unit.ts';
import { readLengthPrefixed, type SetsOf } from './parameter-set-keeper.ts';

/** Parameter sets of H.265 as NAL units without start codes, in the order in which they came. */
export type H265ParameterSets = SetsOf<H265SetKind>;

/**
 * What a sequence parameter set says: `profile` are the 12 bytes from general_profile_space to general_level_idc;
 * sizes in pixels inside the conformance window.
 */
export type H265SequenceParameters = {
  profile: Uint8Array;
  temporalLayers: number;
  temporalNesting: number;
  chromaFormat: number;
  bitDepthLuma: number;
  bitDepthChroma: number;
  width: number;
  height: number;
};

const mostPixelsPerSide = 16_384;
const profileBytes = 12;
const recordHeaderBytes = 23;
const mostSetsOfKind = 31;

/** Reads a sequence parameter set NAL unit as far as the bit depths (Rec. ITU-T H.265 §7.3.2.2.1); null when it is not valid. */
export const parseH265Sps = (nal: Uint8Array): H265SequenceParameters | null => {
  if (nal.length < 16 || (((nal[0] as number) >> 1) & 0x3f) !== h265NalType.sps) return null;
  const bytes = withoutEmulation(nal.subarray(2, 514));
  const bits = bitReader(bytes);
  bits.take(4);
  const subLayers = bits.take(3);
  const temporalNesting = bits.take(1);
  const profile = bytes.slice(1, 1 + profileBytes);
  bits.take(profileBytes * 8);
  skipSubLayers(bits, subLayers);
  bits.unsigned();
  const chromaFormat = bits.unsigned();
  const separate = chromaFormat === 3 && bits.take(1) === 1;
  const codedWidth = bits.unsigned();
  const codedHeight = bits.unsigned();
  const window =
    bits.take(1) === 1 ? [bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()] : [0, 0, 0, 0];
  const [left, right, top, bottom] = window as [number, number, number, number];
  const bitDepthLuma = bits.unsigned() + 8;
  const bitDepthChroma = bits.unsigned() + 8;
  const width = codedWidth - (left + right) * (!separate && (chromaFormat === 1 || chromaFormat === 2) ? 2 : 1);
  const height = codedHeight - (top + bottom) * (!separate && chromaFormat === 1 ? 2 : 1);
  if (bits.overrun() || subLayers > 6 || chromaFormat > 3 || bitDepthLuma > 15 || bitDepthChroma > 15) return null;
  if (!isSide(width) || !isSide(height)) return null;
  return {
    profile,
    temporalLayers: subLayers + 1,
    temporalNesting,
    chromaFormat,
    bitDepthLuma,
    bitDepthChroma,
    width,
    height,
  };
};

/**
 * Writes an HEVC decoder configuration record, NAL lengths of 4 bytes, all sets of each kind here and none in the
 * samples (ISO/IEC 14496-15 §8.3.3.1.2); null without one of each kind, or without a valid SPS.
 */
export const encodeHvcC = (sets: H265ParameterSets): Uint8Array | null => {
  const sps = sets.sps[0] === undefined ? null : parseH265Sps(sets.sps[0]);
  if (sps === null || sets.vps.length === 0 || sets.pps.length === 0) return null;
  const { temporalLayers, temporalNesting } = sps;
  return concatBytes([
    u8(1),
    sps.profile,
    // Spatial segmentation and parallelism unknown (0), average frame rate unknown, not constant.
    u16(0xf000),
    u8(0xfc, 0xfc | sps.chromaFormat, 0xf8 | (sps.bitDepthLuma - 8), 0xf8 | (sps.bitDepthChroma - 8)),
    u16(0),
    u8((temporalLayers << 3) | (temporalNesting << 2) | 3, 3),
    ...setsOfKind(h265NalType.vps, sets.vps),
    ...setsOfKind(h265NalType.sps, sets.sps),
    ...setsOfKind(h265NalType.pps, sets.pps),
  ]);
};

/** Reads the parameter sets of an HEVC decoder configuration record (ISO/IEC 14496-15 §8.3.3.1.2); null when not valid. */
export const decodeHvcC = (bytes: Uint8Array): H265ParameterSets | null => {
  if (bytes.length < recordHeaderBytes || bytes[0] !== 1) return null;
  const sets: Record<number, Uint8Array[]> = {};
  let at = recordHeaderBytes;
  for (let left = bytes[recordHeaderBytes - 1] as number; left > 0; left--) {
    if (at + 3 > bytes.length) return null;
    const type = (bytes[at] as number) & 0x3f;
    const read = readLengthPrefixed(bytes, at + 3, ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number));
    if (read === null) return null;
    sets[type] = read.nals;
    at = read.end;
  }
  const { vps, sps, pps } = h265NalType;
  return { vps: sets[vps] ?? [], sps: sets[sps] ?? [], pps: sets[pps] ?? [] };
};

/** The RFC 6381 codec string of an HEVC decoder configuration record: `hvc1.1.6.L93.B0` (ISO/IEC 14496-15 annex E.3). */
export const hevcCodecString = (hvcC: Uint8Array): string => {
  const [first = 0, ...compatibility] = hvcC.subarray(1, 6);
  const constraints = Array.from(hvcC.subarray(6, 12), (byte) => byte.toString(16).toUpperCase());
  while (constraints.at(-1) === '0') constraints.pop();
  const profile = `${['', 'A', 'B', 'C'][first >> 6]}${first & 0x1f}`;
  const tier = (first & 0x20) === 0 ? 'L' : 'H';
  return ['hvc1', profile, reversedHex(compatibility), `${tier}${hvcC[12] ?? 0}`, ...constraints].join('.');
};

/** Parameter sets named in a=fmtp (RFC 7798 §7.1); null when there are none. */
export const spropH265Sets = (fmtp: string): H265ParameterSets | null => {
  const [vps, sps, pps] = [fmtpNals(fmtp, 'sprop-vps'), fmtpNals(fmtp, 'sprop-sps'), fmtpNals(fmtp, 'sprop-pps')];
  return vps.length + sps.length + pps.length === 0 ? null : { vps, sps, pps };
};

type Bits = ReturnType<typeof bitReader>;

const skipSubLayers = (bits: Bits, count: number): void => {
  const present: [number, number][] = [];
  for (let layer = 0; layer < count; layer++) present.push([bits.take(1), bits.take(1)]);
  if (count > 0) bits.take(2 * (8 - count));
  for (const [profile, level] of present) bits.take(profile * 88 + level * 8);
};

const isSide = (pixels: number): boolean => pixels > 0 && pixels <= mostPixelsPerSide;

/** One array of the record; complete: all sets of this kind are in it. */
const setsOfKind = (type: number, nals: readonly Uint8Array[]): Uint8Array[] => {
  const kept = nals.slice(0, mostSetsOfKind);
  return [u8(0x80 | type), u16(kept.length), ...kept.flatMap((nal) => [u16(nal.length), nal])];
};

/** 32 flags, the last one first, in hex digits without leading zeros. */
const reversedHex = (bytes: readonly number[]): string => {
  let value = 0;
  for (let bit = 0; bit < 32; bit++) {
    if ((((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1) value += 2 ** bit;
  }
  return value.toString(16).toUpperCase();
};
