import { findBox, readBoxes } from './box-reader.ts';
import { ascii, box, concatBytes, fullBox, u8, u16, u32, uuidBox, zeros } from './boxes.ts';
import { codecOfSampleEntry, type TrackDescription, type TrackKind } from './codecs.ts';
import { decodeJson, encodeJson, isJsonObject } from './json-bytes.ts';

/** Extended type of the box that names spool and recording, so that no two init files are equal. */
export const identityBoxType = 'f2c90b1cc5ad4bd8a4e2b6a4c0f7d161';

/** Whose init segment it is; both ids are random and never names. */
export type InitIdentity = { spoolId: string; recordingId: string };

/** What an init segment says, read back: kind, timescale, codec, configuration record, sizes, identity. */
export type InitSegment = Omit<TrackDescription, 'sampleEntry'> & {
  track: TrackKind;
  configuration: Uint8Array;
  identity: InitIdentity | null;
};

/** Track ids in our files: one track each, the ids differ so that files of both can be joined. */
export const trackIds: Readonly<Record<TrackKind, number>> = { video: 1, audio: 2 };

/** Writes ftyp, moov with mvex, and the identity box (ISO/IEC 14496-12 §4.3, §8.2, §8.8). */
export const encodeInitSegment = (
  track: TrackKind,
  description: TrackDescription,
  identity: InitIdentity,
): Uint8Array =>
  concatBytes([
    box('ftyp', ascii('iso6'), u32(1), ascii('iso6iso5mp41dash')),
    box('moov', mvhd, trak(track, description), box('mvex', trex(trackIds[track]))),
    // Behind moov: some parsers take the first boxes for a file's head and stop at an unknown one.
    uuidBox(identityBoxType, encodeJson({ spool_id: identity.spoolId, recording_id: identity.recordingId })),
  ]);

/** Reads an init segment of ours back; null when it is not one. */
export const decodeInitSegment = (bytes: Uint8Array): InitSegment | null => {
  const mdia = findBox(bytes, ['moov', 'trak', 'mdia']);
  if (mdia === null) return null;
  const stsd = findBox(bytes, ['minf', 'stbl', 'stsd'], mdia.content, mdia.end);
  const entry = stsd === null ? null : (readBoxes(bytes, stsd.content + 8, stsd.end)?.[0] ?? null);
  const codec = entry === null ? null : codecOfSampleEntry(entry.type);
  if (entry === null || codec === null) return null;
  const configuration = codec.configurationIn(bytes.slice(entry.start, entry.end));
  if (configuration === null) return null;
  const described = codec.describe(configuration);
  if (described === null) return null;
  const { sampleEntry: _, ...description } = described;
  return { ...description, track: codec.kind, configuration, identity: readIdentity(bytes) };
};

const readIdentity = (bytes: Uint8Array): InitIdentity | null => {
  const found = findBox(bytes, [identityBoxType]);
  const value = found === null ? null : decodeJson(bytes.subarray(found.content, found.end));
  if (!isJsonObject(value) || typeof value.spool_id !== 'string' || typeof value.recording_id !== 'string') return null;
  return { spoolId: value.spool_id, recordingId: value.recording_id };
};

/** Unity matrix of mvhd and tkhd (ISO/IEC 14496-12 §8.2.2). */
const matrix = u32(0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000);

/** Movie Header Box: times unknown, duration in the fragments (ISO/IEC 14496-12 §8.2.2). */
const mvhd = fullBox(
  'mvhd',
  0,
  0,
  u32(0, 0, 1000, 0),
  u32(0x0001_0000),
  u16(0x0100, 0),
  zeros(8),
  matrix,
  zeros(24),
  u32(3),
);

const trak = (track: TrackKind, description: TrackDescription): Uint8Array =>
  box(
    'trak',
    tkhd(track, description),
    box(
      'mdia',
      mdhd(description.timescale),
      hdlr(track),
      box('minf', track === 'video' ? vmhd : smhd, dinf, stbl(description.sampleEntry)),
    ),
  );

/** Track Header Box: enabled, in movie (ISO/IEC 14496-12 §8.3.2). */
const tkhd = (track: TrackKind, { width = 0, height = 0 }: TrackDescription): Uint8Array =>
  fullBox(
    'tkhd',
    0,
    3,
    u32(0, 0, trackIds[track], 0, 0),
    zeros(8),
    u16(0, 0, track === 'audio' ? 0x0100 : 0, 0),
    matrix,
    u32(width * 0x1_0000, height * 0x1_0000),
  );

/** Media Header Box: language undetermined (ISO/IEC 14496-12 §8.4.2). */
const mdhd = (timescale: number): Uint8Array => fullBox('mdhd', 0, 0, u32(0, 0, timescale, 0), u16(0x55c4, 0));

/** Handler Reference Box (ISO/IEC 14496-12 §8.4.3). */
const hdlr = (track: TrackKind): Uint8Array =>
  fullBox('hdlr', 0, 0, u32(0), ascii(track === 'video' ? 'vide' : 'soun'), zeros(12), ascii('weir'), u8(0));

/** Video Media Header Box (ISO/IEC 14496-12 §12.1.2). */
const vmhd = fullBox('vmhd', 0, 1, u16(0, 0, 0, 0));

/** Sound Media Header Box (ISO/IEC 14496-12 §12.2.2). */
const smhd = fullBox('smhd', 0, 0, u16(0, 0));

/** Data Information Box: media is in this file (ISO/IEC 14496-12 §8.7.1). */
const dinf = box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1)));

/** Sample Table Box without samples: they are in the fragments (ISO/IEC 14496-12 §8.5.1). */
const stbl = (sampleEntry: Uint8Array): Uint8Array =>
  box(
    'stbl',
    fullBox('stsd', 0, 0, u32(1), sampleEntry),
    fullBox('stts', 0, 0, u32(0)),
    fullBox('stsc', 0, 0, u32(0)),
    fullBox('stsz', 0, 0, u32(0, 0)),
    fullBox('stco', 0, 0, u32(0)),
  );

/** Track Extends Box (ISO/IEC 14496-12 §8.8.3). */
const trex = (trackId: number): Uint8Array => fullBox('trex', 0, 0, u32(trackId, 1, 0, 0, 0));
