/**
 * A box found in bytes: `start` is its first byte, `content` the first behind its header (behind the user type of a
 * `uuid` box), `end` the first behind it. `type` is the four-character code, or 32 hex digits of a `uuid` box.
 */
export type FoundBox = { type: string; start: number; content: number; end: number };

/** Reads the header of the box at `start`, which must end by `limit` (ISO/IEC 14496-12 §4.2); null when it does not. */
export const readBox = (bytes: Uint8Array, start: number, limit = bytes.length): FoundBox | null => {
  if (start < 0 || start + 8 > limit || limit > bytes.length) return null;
  const size = readU32(bytes, start);
  const end = start + size;
  if (size < 8 || end > limit) return null;
  const type = latin(bytes, start + 4, 4);
  if (type !== 'uuid') return { type, start, content: start + 8, end };
  if (size < 24) return null;
  return { type: hexOf(bytes.subarray(start + 8, start + 24)), start, content: start + 24, end };
};

/** All boxes side by side between `start` and `end`; null when they do not fill it exactly or are more than 1000. */
export const readBoxes = (bytes: Uint8Array, start: number, end: number): FoundBox[] | null => {
  const boxes: FoundBox[] = [];
  for (let at = start; at < end; ) {
    const found = readBox(bytes, at, end);
    if (found === null || boxes.length >= 1000) return null;
    boxes.push(found);
    at = found.end;
  }
  return boxes;
};

/** The first box of a path such as `['moov', 'trak', 'mdia']` between `start` and `end`; null when there is none. */
export const findBox = (
  bytes: Uint8Array,
  path: readonly string[],
  start = 0,
  end: number = bytes.length,
): FoundBox | null => {
  let from = start;
  let to = end;
  let found: FoundBox | null = null;
  for (const type of path) {
    found = readBoxes(bytes, from, to)?.find((candidate) => candidate.type === type) ?? null;
    if (found === null) return null;
    from = found.content;
    to = found.end;
  }
  return found;
};

/** An unsigned 32-bit value, big-endian; zero behind the end. */
export const readU32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;

/** An unsigned 64-bit value, big-endian, exact below 2⁵³; zero behind the end. */
export const readU64 = (bytes: Uint8Array, at: number): number =>
  readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4);

/** Lower-case hex digits of bytes. */
export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const latin = (bytes: Uint8Array, at: number, length: number): string => {
  let text = '';
  for (let index = 0; index < length; index++) text += String.fromCharCode(bytes[at + index] ?? 0);
  return text;
};
