const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Bytes of a base64 text, padding optional (RFC 4648 §4); null when a character is outside the alphabet. */
export const decodeBase64 = (text: string): Uint8Array | null => {
  const digits = text.replace(/=+$/, '');
  if (digits.length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of digits) {
    const value = alphabet.indexOf(character);
    if (value < 0) return null;
    held = ((held << 6) | value) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  return bytes;
};

/** Base64 text of bytes, padded (RFC 4648 §4). */
export const encodeBase64 = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += `${alphabet[group >> 18]}${alphabet[(group >> 12) & 63]}`;
    text += at + 1 < bytes.length ? alphabet[(group >> 6) & 63] : '=';
    text += at + 2 < bytes.length ? alphabet[group & 63] : '=';
  }
  return text;
};
