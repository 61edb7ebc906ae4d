const polynomial = 0xedb8_8320;

// Four tables, so that four bytes are folded in at once ("slicing by four").
const tables = (() => {
  const made = [new Uint32Array(256), new Uint32Array(256), new Uint32Array(256), new Uint32Array(256)] as const;
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    made[0][byte] = value;
  }
  for (let table = 1; table < 4; table++) {
    const before = made[table - 1] as Uint32Array;
    const current = made[table] as Uint32Array;
    for (let byte = 0; byte < 256; byte++) {
      const value = before[byte] as number;
      current[byte] = (value >>> 8) ^ (made[0][value & 0xff] as number);
    }
  }
  return made;
})();

/** CRC-32 of zlib, PNG and Ethernet (ISO/IEC 8802-3), as an unsigned number; `start` continues an earlier one. */
export const crc32 = (bytes: Uint8Array, start = 0): number => {
  const [t0, t1, t2, t3] = tables;
  let crc = ~start;
  let at = 0;
  for (const end = bytes.length - 3; at < end; at += 4) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    crc =
      (t3[crc & 0xff] as number) ^
      (t2[(crc >>> 8) & 0xff] as number) ^
      (t1[(crc >>> 16) & 0xff] as number) ^
      (t0[crc >>> 24] as number);
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
};
