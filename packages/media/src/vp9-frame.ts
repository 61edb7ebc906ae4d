import { bitReader } from './bit-reader.ts';
import { concatBytes, u8 } from './boxes.ts';

/** Colours of a VP9 key frame; `chroma` as vpcC has it (1: 4:2:0, 2: 4:2:2, 3: 4:4:4), `colorSpace` as the bitstream has it. */
export type Vp9Colors = { bitDepth: number; chroma: number; colorSpace: number; fullRange: boolean };

/**
 * The uncompressed header of a frame. `size` in pixels is null where the frame takes that of a reference; `colors` are
 * told by key frames alone.
 */
export type Vp9FrameHeader = {
  profile: number;
  key: boolean;
  size: { width: number; height: number } | null;
  colors: Vp9Colors | null;
};

/** The uncompressed header's size is within this many bytes, up to what is read of it. */
export const vp9HeaderBytes = 24;

const colorSpaceRgb = 7;
const mostFrames = 8;

/** Reads an uncompressed header as far as the size (VP9 bitstream specification §6.2); null when it is not valid. */
export const parseVp9Header = (frame: Uint8Array): Vp9FrameHeader | null => {
  const bits = bitReader(frame.subarray(0, vp9HeaderBytes));
  if (bits.take(2) !== 2) return null;
  const profile = bits.take(1) + bits.take(1) * 2;
  if (profile === 3 && bits.take(1) === 1) return null;
  if (bits.take(1) === 1) return { profile, key: false, size: null, colors: null };
  const key = bits.take(1) === 0;
  const shown = bits.take(1) === 1;
  const errorResilient = bits.take(1) === 1;
  const header = key ? keyHeader(bits, profile) : interHeader(bits, profile, shown, errorResilient);
  return bits.overrun() ? null : header;
};

/** Sizes of the frames in a superframe, by the index at its end (annex B); null when it is a frame alone. */
export const superframeSizes = (bytes: Uint8Array): number[] | null => {
  const marker = bytes[bytes.length - 1] ?? 0;
  if (marker >> 5 !== 6) return null;
  const frames = (marker & 7) + 1;
  const sizeBytes = ((marker >> 3) & 3) + 1;
  const start = bytes.length - indexBytes(frames, sizeBytes);
  if (start <= 0 || bytes[start] !== marker) return null;
  const sizes: number[] = [];
  let at = start + 1;
  for (let frame = 0; frame < frames; frame++) {
    let size = 0;
    for (let index = 0; index < sizeBytes; index++) size += (bytes[at++] as number) * 256 ** index;
    sizes.push(size);
  }
  return sizes.reduce((sum, size) => sum + size, 0) > start ? null : sizes;
};

/** Writes the index that follows the frames of a superframe (annex B); null for more frames than one can have. */
export const encodeSuperframeIndex = (sizes: readonly number[]): Uint8Array | null => {
  if (sizes.length === 0 || sizes.length > mostFrames) return null;
  const largest = Math.max(...sizes);
  const sizeBytes = largest < 2 ** 8 ? 1 : largest < 2 ** 16 ? 2 : largest < 2 ** 24 ? 3 : 4;
  const marker = u8(0xc0 | ((sizeBytes - 1) << 3) | (sizes.length - 1));
  const littleEndian = (size: number) =>
    Array.from({ length: sizeBytes }, (_, index) => Math.floor(size / 256 ** index));
  return concatBytes([marker, ...sizes.map((size) => u8(...littleEndian(size))), marker]);
};

/** How long the index of a superframe is. */
const indexBytes = (frames: number, sizeBytes: number): number => 2 + frames * sizeBytes;

type Bits = ReturnType<typeof bitReader>;

const keyHeader = (bits: Bits, profile: number): Vp9FrameHeader | null => {
  if (bits.take(24) !== 0x498342) return null;
  const colors = readColors(bits, profile);
  return colors === null ? null : { profile, key: true, size: readSize(bits), colors };
};

const interHeader = (bits: Bits, profile: number, shown: boolean, errorResilient: boolean): Vp9FrameHeader | null => {
  const intraOnly = !shown && bits.take(1) === 1;
  if (!errorResilient) bits.take(2);
  if (intraOnly) {
    if (bits.take(24) !== 0x498342) return null;
    if (profile > 0 && readColors(bits, profile) === null) return null;
    bits.take(8);
    return { profile, key: false, size: readSize(bits), colors: null };
  }
  // refresh_frame_flags, then for three references their index and sign.
  bits.take(8 + 3 * 4);
  for (let reference = 0; reference < 3; reference++) {
    if (bits.take(1) === 1) return { profile, key: false, size: null, colors: null };
  }
  return { profile, key: false, size: readSize(bits), colors: null };
};

const readSize = (bits: Bits): { width: number; height: number } => ({
  width: bits.take(16) + 1,
  height: bits.take(16) + 1,
});

const readColors = (bits: Bits, profile: number): Vp9Colors | null => {
  const bitDepth = profile < 2 ? 8 : bits.take(1) === 1 ? 12 : 10;
  const colorSpace = bits.take(3);
  if (colorSpace === colorSpaceRgb) {
    if (profile % 2 === 0 || bits.take(1) === 1) return null;
    return { bitDepth, chroma: 3, colorSpace, fullRange: true };
  }
  const fullRange = bits.take(1) === 1;
  if (profile % 2 === 0) return { bitDepth, chroma: 1, colorSpace, fullRange };
  const [halfWidth, halfHeight] = [bits.take(1), bits.take(1)];
  if (bits.take(1) === 1 || (halfWidth === 1 && halfHeight === 1)) return null;
  // 4:4:0 has no number of its own in vpcC; 4:4:4 is what can hold it.
  return { bitDepth, chroma: halfWidth === 1 ? 2 : 3, colorSpace, fullRange };
};
