/**
 * One RTP packet. `sequence` (16 bit) and `timestamp` (32 bit, media clock) are wire values: they wrap.
 * `payload` is a view into the packet's bytes, padding removed.
 */
export type RtpPacket = {
  payloadType: number;
  marker: boolean;
  sequence: number;
  timestamp: number;
  ssrc: number;
  payload: Uint8Array;
  headerLength: number;
};

/** What `encodeRtp` writes: a packet without header extension or padding. */
export type RtpFields = Omit<RtpPacket, 'headerLength'>;

const fixedHeaderBytes = 12;

/** Reads one RTP packet (RFC 3550 §5.1); null when it is not a valid one. The payload is a view, nothing is copied. */
export const parseRtp = (bytes: Uint8Array): RtpPacket | null => {
  const length = bytes.length;
  if (length < fixedHeaderBytes) return null;
  const first = bytes[0] as number;
  if (first >> 6 !== 2) return null;
  let headerLength = fixedHeaderBytes + (first & 0x0f) * 4;
  if ((first & 0x10) !== 0) {
    if (length < headerLength + 4) return null;
    const words = ((bytes[headerLength + 2] as number) << 8) | (bytes[headerLength + 3] as number);
    headerLength += 4 + words * 4;
  }
  if (length < headerLength) return null;
  let end = length;
  if ((first & 0x20) !== 0) {
    const padding = bytes[length - 1] as number;
    if (padding === 0 || padding > length - headerLength) return null;
    end -= padding;
  }
  const second = bytes[1] as number;
  return {
    payloadType: second & 0x7f,
    marker: second > 0x7f,
    sequence: ((bytes[2] as number) << 8) | (bytes[3] as number),
    timestamp: readU32(bytes, 4),
    ssrc: readU32(bytes, 8),
    payload: bytes.subarray(headerLength, end),
    headerLength,
  };
};

/** Writes one RTP packet without CSRCs, extension or padding (RFC 3550 §5.1). */
export const encodeRtp = (fields: RtpFields): Uint8Array => {
  const bytes = new Uint8Array(fixedHeaderBytes + fields.payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x80;
  bytes[1] = (fields.marker ? 0x80 : 0) | (fields.payloadType & 0x7f);
  view.setUint16(2, fields.sequence);
  view.setUint32(4, fields.timestamp);
  view.setUint32(8, fields.ssrc);
  bytes.set(fields.payload, fixedHeaderBytes);
  return bytes;
};

const readU32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)) >>>
  0;
