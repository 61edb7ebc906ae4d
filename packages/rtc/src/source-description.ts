/** Writes a source description with one CNAME (RFC 3550 §6.5), which every full compound packet needs. */
export const encodeCname = (ssrc: number, cname: string): Uint8Array => {
  const text = Buffer.from(cname).subarray(0, 255);
  // Header, SSRC, item type and length, text, then at least one zero up to the next multiple of four.
  const length = 10 + text.length + 1;
  const bytes = Buffer.alloc(length + (-length & 3));
  bytes.writeUInt8(0x81, 0);
  bytes.writeUInt8(202, 1);
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(ssrc, 4);
  bytes.writeUInt8(1, 8);
  bytes.writeUInt8(text.length, 9);
  text.copy(bytes, 10);
  return bytes;
};
