/** NAL units of a byte stream with start codes, as views without them (Rec. ITU-T H.264 annex B). */
export const splitAnnexB = (bytes: Uint8Array): Uint8Array[] => {
  const nals: Uint8Array[] = [];
  let start = -1;
  let at = 0;
  while (at + 2 < bytes.length) {
    if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) {
      at++;
      continue;
    }
    if (start >= 0) nals.push(withoutTrailingZeros(bytes.subarray(start, at)));
    at += 3;
    start = at;
  }
  if (start >= 0) nals.push(withoutTrailingZeros(bytes.subarray(start)));
  return nals.filter((nal) => nal.length > 0);
};

const withoutTrailingZeros = (nal: Uint8Array): Uint8Array => {
  let end = nal.length;
  while (end > 0 && nal[end - 1] === 0) end--;
  return nal.subarray(0, end);
};

/** Bytes of a NAL unit without emulation prevention (Rec. ITU-T H.264 §7.4.1.1, H.265 §7.4.2). */
export const withoutEmulation = (nal: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(nal.length);
  let length = 0;
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    bytes[length++] = byte;
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return bytes.subarray(0, length);
};
