import { type FoundBox, findBox, readBox, readBoxes, readU32, readU64 } from './box-reader.ts';
import { box, concatBytes, fullBox, hexBytes, u8, u32, u64 } from './boxes.ts';
import type { TrackKind } from './codecs.ts';
import { crc32 } from './crc32.ts';
import { trackIds } from './init-segment.ts';
import { decodeResumePoints, encodeResumePoints, type ResumePoint } from './resume-point.ts';

/** Extended type of the box before each moof: resume points, and length and CRC-32 of all that follows in the part. */
export const resumeBoxType = '3b1f6f0e7d5c4a0d9c0f5b8d2a6e4c71';

/**
 * One sample of a part: duration in ticks, bytes as pieces to be joined, `size` their sum; `offset` is how far its
 * presentation lies behind its decoding (before it: negative), in ticks.
 */
export type PartSample = {
  duration: number;
  offset: number;
  key: boolean;
  size: number;
  pieces: readonly Uint8Array[];
};

/** What a part is made of; decode times in the track's ticks, `sequenceNumber` counts the parts of the track. */
export type PartFields = {
  track: TrackKind;
  sequenceNumber: number;
  baseDecodeTime: number;
  samples: readonly PartSample[];
  resume: readonly ResumePoint[];
};

/** A part read back, without its media: byte range in the file, times in ticks. */
export type PartSummary = {
  offset: number;
  length: number;
  resume: ResumePoint[];
  baseDecodeTime: number;
  duration: number;
  sampleCount: number;
  keyFrame: boolean;
};

const resumeType = hexBytes(resumeBoxType);
const resumeVersion = 1;
const uuidHeaderBytes = 24;
const checkBytes = 9;

/** Sample flags (ISO/IEC 14496-12 §8.8.3.1): depends on nothing; or depends on others and is no sync sample. */
const sampleFlags = { sync: 0x0200_0000, other: 0x0101_0000 } as const;
/** trun: data offset, sample duration, size, flags present; composition time offsets (ISO/IEC 14496-12 §8.8.8.1). */
const trunFlags = 0x00_0701;
const trunOffsets = 0x00_0800;
const mostSamples = 65_536;

/** CRC-32 of bytes, as `crc32` says it. */
export type Checksum = (bytes: Uint8Array) => number;

/** Memory for so many bytes, every one of which will be written: it need not be filled with zeroes. */
export type Memory = (bytes: number) => Uint8Array;

const ownMemory: Memory = (bytes) => new Uint8Array(bytes);

/**
 * Writes one part as one byte array, in memory of its own or that `memory` gives: resume box, moof, mdat (ISO/IEC
 * 14496-12 §8.8; the media are copied once, here).
 */
export const encodePart = (part: PartFields, checksum: Checksum = crc32, memory = ownMemory): Uint8Array => {
  const points = encodeResumePoints(part.resume);
  const moof = moofOf(part);
  const mediaBytes = part.samples.reduce((sum, sample) => sum + sample.size, 0);
  const head = box('uuid', resumeType, u8(resumeVersion), u32(0, 0), points);
  const bytes = memory(head.length + moof.length + 8 + mediaBytes);
  bytes.set(head, 0);
  bytes.set(moof, head.length);
  let offset = head.length + moof.length;
  bytes.set(mdatHeader(mediaBytes), offset);
  offset += 8;
  for (const sample of part.samples) {
    for (const piece of sample.pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
  }
  const covered = bytes.subarray(uuidHeaderBytes + checkBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(uuidHeaderBytes + 1, covered.length);
  view.setUint32(uuidHeaderBytes + 5, checksum(covered));
  return bytes;
};

/** Reads the part at `offset` of a file; null when its structure or CRC is not whole. */
export const decodePart = (bytes: Uint8Array, offset = 0): PartSummary | null => {
  const head = readBox(bytes, offset);
  if (head === null || head.type !== resumeBoxType || head.content + checkBytes > head.end) return null;
  const covered = head.content + checkBytes;
  const length = readU32(bytes, head.content + 1);
  const end = covered + length;
  if (bytes[head.content] !== resumeVersion || end > bytes.length || end < head.end) return null;
  if (crc32(bytes.subarray(covered, end)) !== readU32(bytes, head.content + 5)) return null;
  const resume = decodeResumePoints(bytes.subarray(covered, head.end));
  const boxes = readBoxes(bytes, head.end, end);
  const [moof, mdat] = boxes ?? [];
  if (resume === null || boxes?.length !== 2 || moof?.type !== 'moof' || mdat?.type !== 'mdat') return null;
  const media = readMoof(bytes, moof);
  return media === null ? null : { offset, length: end - offset, resume, ...media };
};

/** Movie Fragment Box with one track fragment (ISO/IEC 14496-12 §8.8.4). */
const moofOf = (part: PartFields): Uint8Array => {
  const traf = (dataOffset: number): Uint8Array =>
    box('traf', tfhd(trackIds[part.track]), tfdt(part.baseDecodeTime), trun(part.samples, dataOffset));
  const moof = (dataOffset: number): Uint8Array => box('moof', mfhd(part.sequenceNumber), traf(dataOffset));
  const dataOffset = moofFixedBytes + part.samples.length * trunRowBytes(part.samples) + 8;
  return moof(dataOffset);
};

/** Movie Fragment Header Box (ISO/IEC 14496-12 §8.8.5). */
const mfhd = (sequenceNumber: number): Uint8Array => fullBox('mfhd', 0, 0, u32(sequenceNumber % 0x1_0000_0000));

/** Track Fragment Header Box, default-base-is-moof (ISO/IEC 14496-12 §8.8.7). */
const tfhd = (trackId: number): Uint8Array => fullBox('tfhd', 0, 0x02_0000, u32(trackId));

/** Track Fragment Decode Time Box: decode time of the first sample, in track timescale (ISO/IEC 14496-12 §8.8.12). */
const tfdt = (baseDecodeTime: number): Uint8Array => fullBox('tfdt', 1, 0, u64(baseDecodeTime));

/** Offsets are written only where pictures are decoded in another order than shown. */
const trunRowBytes = (samples: readonly PartSample[]): 12 | 16 =>
  samples.some(({ offset }) => offset !== 0) ? 16 : 12;

/** Track Run Box: duration, size, flags of each sample, and its signed offset if any has one (ISO/IEC 14496-12 §8.8.8). */
const trun = (samples: readonly PartSample[], dataOffset: number): Uint8Array => {
  const rowBytes = trunRowBytes(samples);
  const rows = new DataView(new ArrayBuffer(samples.length * rowBytes));
  samples.forEach((sample, index) => {
    const row = index * rowBytes;
    rows.setUint32(row, sample.duration);
    rows.setUint32(row + 4, sample.size);
    rows.setUint32(row + 8, sample.key ? sampleFlags.sync : sampleFlags.other);
    if (rowBytes === 16) rows.setInt32(row + 12, sample.offset);
  });
  const [version, flags] = rowBytes === 16 ? [1, trunFlags | trunOffsets] : [0, trunFlags];
  return fullBox('trun', version, flags, u32(samples.length, dataOffset), new Uint8Array(rows.buffer));
};

/** Bytes of moof without the rows of trun: moof 8, mfhd 16, traf 8, tfhd 16, tfdt 20, trun 20. */
const moofFixedBytes = 8 + 16 + 8 + 16 + 20 + 20;

/** Header of a Media Data Box (ISO/IEC 14496-12 §8.1.1). */
const mdatHeader = (mediaBytes: number): Uint8Array => concatBytes([u32(8 + mediaBytes), mdatType]);
const mdatType = u8(0x6d, 0x64, 0x61, 0x74);

type Media = Pick<PartSummary, 'baseDecodeTime' | 'duration' | 'sampleCount' | 'keyFrame'>;

const readMoof = (bytes: Uint8Array, moof: FoundBox): Media | null => {
  const tfdtBox = findBox(bytes, ['traf', 'tfdt'], moof.content, moof.end);
  const trunBox = findBox(bytes, ['traf', 'trun'], moof.content, moof.end);
  if (tfdtBox === null || trunBox === null || trunBox.content + 12 > trunBox.end) return null;
  const sampleCount = readU32(bytes, trunBox.content + 4);
  const rows = trunBox.content + 12;
  const rowBytes = (readU32(bytes, trunBox.content) & trunOffsets) === 0 ? 12 : 16;
  if (sampleCount > mostSamples || rows + sampleCount * rowBytes !== trunBox.end) return null;
  let duration = 0;
  for (let sample = 0; sample < sampleCount; sample++) duration += readU32(bytes, rows + sample * rowBytes);
  const keyFrame = sampleCount > 0 && readU32(bytes, rows + 8) === sampleFlags.sync;
  return { baseDecodeTime: readU64(bytes, tfdtBox.content + 4), duration, sampleCount, keyFrame };
};
