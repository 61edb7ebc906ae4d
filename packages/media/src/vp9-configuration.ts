import { readU32 } from './box-reader.ts';
import { concatBytes, u8, u16, u32 } from './boxes.ts';
import type { Vp9Colors } from './vp9-frame.ts';

/**
 * The configuration of a VP9 stream. The box `vpcC` does not have the picture's size, which stands in the sample entry
 * alone; our record is the contents of `vpcC` with width and height (16 bits each) behind, so that a change of size is
 * another configuration.
 */
export type Vp9Configuration = Vp9Colors & { profile: number; level: number; width: number; height: number };

/** Bytes of the contents of `vpcC` in our record. */
export const vpcCBytes = 12;

const unspecified = 2;
// VP9 bitstream specification §7.2.2 color_space to matrix coefficients of ITU-T H.273.
const matrixOf = [unspecified, 5, 1, 6, 7, 9, unspecified, 0] as const;
// Levels by the largest luma sample rate and picture size (VP9 levels, annex A).
const levels = [
  [10, 829_440, 36_864],
  [11, 2_764_800, 73_728],
  [20, 4_608_000, 122_880],
  [21, 9_216_000, 245_760],
  [30, 20_736_000, 552_960],
  [31, 36_864_000, 983_040],
  [40, 83_558_400, 2_228_224],
  [41, 160_432_128, 2_228_224],
  [50, 311_951_360, 8_912_896],
  [51, 588_251_136, 8_912_896],
  [52, 1_176_502_272, 8_912_896],
  [60, 1_176_502_272, 35_651_584],
  [61, 2_353_004_544, 35_651_584],
] as const;
const highestLevel = 62;
// The frame rate is not known when the record is written; a level may be higher than needed, not lower.
const assumedFps = 60;

/** The lowest level that takes pictures of this size at 60 frames a second, times ten. */
export const vp9Level = (width: number, height: number): number => {
  const samples = width * height;
  return levels.find(([, rate, size]) => samples * assumedFps <= rate && samples <= size)?.[0] ?? highestLevel;
};

/** Writes our record: the contents of `vpcC` (VP codec ISO media file format binding), then width and height. */
export const encodeVp9Configuration = (configuration: Vp9Configuration): Uint8Array => {
  const { profile, level, bitDepth, chroma, fullRange, colorSpace, width, height } = configuration;
  const format = (bitDepth << 4) | (chroma << 1) | (fullRange ? 1 : 0);
  const matrix = matrixOf[colorSpace] ?? unspecified;
  return concatBytes([
    u32(0x0100_0000),
    u8(profile, level, format, unspecified, unspecified, matrix),
    u16(0, width, height),
  ]);
};

/** Our record read back; `matrix` is the number of ITU-T H.273 for its colour space. */
export type Vp9Record = Omit<Vp9Configuration, 'colorSpace'> & { matrix: number };

/** Reads our record; null when it is not one. */
export const decodeVp9Configuration = (record: Uint8Array): Vp9Record | null => {
  if (record.length !== vpcCBytes + 4 || record[0] !== 1) return null;
  const [profile = 0, level = 0, format = 0, , , matrix = 0] = record.subarray(4);
  const size = readU32(record, vpcCBytes);
  const [width, height] = [size >>> 16, size & 0xffff];
  if (width === 0 || height === 0) return null;
  const [bitDepth, chroma, fullRange] = [format >> 4, (format >> 1) & 7, (format & 1) === 1];
  return { profile, level, bitDepth, chroma, matrix, fullRange, width, height };
};

/** The RFC 6381 codec string `vp09.PP.LL.DD.CC.cp.tc.mc.FF`: the short form would say that colours are those of BT.709. */
export const vp9CodecString = ({ profile, level, bitDepth, chroma, matrix, fullRange }: Vp9Record): string => {
  const fields = [profile, level, bitDepth, chroma, unspecified, unspecified, matrix, fullRange ? 1 : 0];
  return ['vp09', ...fields.map((value) => String(value).padStart(2, '0'))].join('.');
};
