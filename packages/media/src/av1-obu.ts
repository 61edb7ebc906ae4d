import { concatBytes, u8 } from './boxes.ts';

/** One open bitstream unit: type, spatial layer (0 without an extension), the bytes of its header without size field, and its payload. */
export type Obu = { type: number; spatial: number; header: Uint8Array; payload: Uint8Array };

/** Types of OBUs (AV1 bitstream specification §6.2.2). */
export const obuType = {
  sequenceHeader: 1,
  temporalDelimiter: 2,
  frameHeader: 3,
  tileGroup: 4,
  metadata: 5,
  frame: 6,
  redundantFrameHeader: 7,
  tileList: 8,
  padding: 15,
} as const;

const mostLebBytes = 8;
const hasSizeBit = 0x02;
const hasExtensionBit = 0x04;

/** Writes an unsigned number below 2³² (leb128, AV1 bitstream specification §4.10.5). */
export const encodeLeb128 = (value: number): Uint8Array => {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Uint8Array.from(bytes);
};

/** Reads an unsigned number (leb128) and where it ends; null when it is cut short or 2³² or more. */
export const decodeLeb128 = (bytes: Uint8Array, start: number): { value: number; end: number } | null => {
  let value = 0;
  for (let index = 0; index < mostLebBytes; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return value < 2 ** 32 ? { value, end: start + index + 1 } : null;
  }
  return null;
};

/** Reads one OBU that fills these bytes, with or without size field (AV1 bitstream specification §5.3); null when it is not valid. */
export const decodeObu = (bytes: Uint8Array): Obu | null => {
  const found = readObu(bytes, 0);
  return found === null || found.end !== bytes.length ? null : found.obu;
};

/** Writes an OBU with a size field, as samples and `av1C` want it. */
export const encodeObu = ({ header, payload }: Pick<Obu, 'header' | 'payload'>): Uint8Array =>
  concatBytes([sizedHeader(header, payload.length), payload]);

/** The header of an OBU with a size field for this many bytes. */
export const sizedHeader = (header: Uint8Array, size: number): Uint8Array =>
  concatBytes([u8((header[0] as number) | hasSizeBit), header.subarray(1), encodeLeb128(size)]);

/** The OBUs of a temporal unit in the low-overhead format; null when it is not valid. Views, nothing is copied but headers. */
export const splitObus = (bytes: Uint8Array): Obu[] | null => {
  const obus: Obu[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = readObu(bytes, at);
    if (found === null) return null;
    obus.push(found.obu);
    at = found.end;
  }
  return obus;
};

/** The header of an OBU, `end` behind its size field; `size` is that of the payload, null where the field is not there. */
export type ObuHeader = Pick<Obu, 'type' | 'spatial' | 'header'> & { size: number | null; end: number };

/** Reads the header of the OBU at `start`, whatever of the OBU follows; null when it is not valid or cut short. */
export const decodeObuHeader = (bytes: Uint8Array, start = 0): ObuHeader | null => {
  const first = bytes[start];
  if (first === undefined || first > 0x7f) return null;
  const behind = start + ((first & hasExtensionBit) === 0 ? 1 : 2);
  if (behind > bytes.length) return null;
  const size = (first & hasSizeBit) === 0 ? null : decodeLeb128(bytes, behind);
  if (size === null && (first & hasSizeBit) !== 0) return null;
  const spatial = behind === start + 1 ? 0 : ((bytes[start + 1] as number) >> 3) & 3;
  const header = concatBytes([u8(first & ~hasSizeBit), bytes.subarray(start + 1, behind)]);
  return { type: (first >> 3) & 15, spatial, header, size: size?.value ?? null, end: size?.end ?? behind };
};

const readObu = (bytes: Uint8Array, start: number): { obu: Obu; end: number } | null => {
  const found = decodeObuHeader(bytes, start);
  if (found === null) return null;
  const { type, spatial, header, size, end: from } = found;
  const end = size === null ? bytes.length : from + size;
  return end > bytes.length ? null : { obu: { type, spatial, header, payload: bytes.subarray(from, end) }, end };
};
