/** Four-character code of a box (ISO/IEC 14496-12 §4.2). */
export type FourCc = string;

/** Joins byte arrays to one. */
export const concatBytes = (parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
};

/** Unsigned 8-bit values. */
export const u8 = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** Unsigned 16-bit values, big-endian. */
export const u16 = (...values: number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  values.forEach((value, index) => {
    view.setUint16(index * 2, value);
  });
  return new Uint8Array(view.buffer);
};

/** Unsigned 32-bit values, big-endian. */
export const u32 = (...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(values.length * 4);
  let at = 0;
  for (const value of values) {
    bytes[at++] = value >>> 24;
    bytes[at++] = value >>> 16;
    bytes[at++] = value >>> 8;
    bytes[at++] = value;
  }
  return bytes;
};

/** One unsigned 64-bit value below 2⁵³, big-endian. */
export const u64 = (value: number): Uint8Array => u32(Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000);

/** Latin text as bytes, without terminator. */
export const ascii = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
};

/** Zero bytes, for reserved fields. */
export const zeros = (length: number): Uint8Array => new Uint8Array(length);

/** A box: size, type, contents (ISO/IEC 14496-12 §4.2). */
export const box = (type: FourCc, ...contents: Uint8Array[]): Uint8Array => {
  let size = 8;
  for (const content of contents) size += content.length;
  return concatBytes([u32(size), ascii(type), ...contents]);
};

/** A full box: a box with version and flags (ISO/IEC 14496-12 §4.2). */
export const fullBox = (type: FourCc, version: number, flags: number, ...contents: Uint8Array[]): Uint8Array =>
  box(type, u32(((version << 24) | flags) >>> 0), ...contents);

/** A box with an extended type (ISO/IEC 14496-12 §4.2); `userType` is 16 bytes in 32 hex digits. */
export const uuidBox = (userType: string, ...contents: Uint8Array[]): Uint8Array =>
  box('uuid', hexBytes(userType), ...contents);

/** Bytes of a hex text, dashes ignored. */
export const hexBytes = (hex: string): Uint8Array =>
  Uint8Array.from(hex.replaceAll('-', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
