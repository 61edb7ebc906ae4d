/** UTF-8 bytes of a text (RFC 3629); a lone surrogate becomes U+FFFD. */
export const encodeUtf8 = (text: string): Uint8Array => encodeAscii(text) ?? encodeAny(text);

/** What nearly all texts here are, resume points above all; null when there is more in it than ASCII. */
const encodeAscii = (text: string): Uint8Array | null => {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) return null;
    bytes[at] = unit;
  }
  return bytes;
};

const encodeAny = (text: string): Uint8Array => {
  const bytes: number[] = [];
  for (const character of text) {
    const scalar = character.codePointAt(0) as number;
    const point = scalar >= 0xd800 && scalar <= 0xdfff ? 0xfffd : scalar;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), tail(point, 0));
    else if (point < 0x1_0000) bytes.push(0xe0 | (point >> 12), tail(point, 6), tail(point, 0));
    else bytes.push(0xf0 | (point >> 18), tail(point, 12), tail(point, 6), tail(point, 0));
  }
  return Uint8Array.from(bytes);
};

/** The text of UTF-8 bytes; null when they are not well formed (RFC 3629 §4). */
export const decodeUtf8 = (bytes: Uint8Array): string | null => {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes[at] as number);
    const point = length === 0 || at + length > bytes.length ? null : pointAt(bytes, at, length);
    if (point === null) return null;
    pieces.push(String.fromCodePoint(point));
    at += length;
  }
  return pieces.join('');
};

const sequenceLength = (first: number): number => {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
};

const pointAt = (bytes: Uint8Array, at: number, length: number): number | null => {
  const first = bytes[at] as number;
  let point = length === 1 ? first : first & (0x7f >> length);
  for (let next = at + 1; next < at + length; next++) {
    const byte = bytes[next] as number;
    if (byte >> 6 !== 2) return null;
    point = (point << 6) | (byte & 0x3f);
  }
  const surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < (shortest[length] as number) || point > 0x10_ffff || surrogate ? null : point;
};

const shortest = [0, 0, 0x80, 0x800, 0x1_0000];

const tail = (point: number, shift: number): number => 0x80 | ((point >> shift) & 0x3f);
