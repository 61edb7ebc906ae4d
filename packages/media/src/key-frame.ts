/** Tells the packets with which a key frame begins, as cheaply as a forwarder must: no reassembly, a look at headers. */

/** Says whether an RTP payload begins a key frame, or holds the beginning of one. Any bytes may come. */
export type KeyFrameTest = (payload: Uint8Array) => boolean;

/** H264 (RFC 6184 §5.4): the SPS, or the IDR slice where parameter sets travel out of band. */
const h264: KeyFrameTest = (payload) => {
  const starts = (header: number): boolean => (header & 0x1f) === 5 || (header & 0x1f) === 7;
  const type = (payload[0] ?? 0) & 0x1f;
  if (type === 28) return startsFragment(payload[1] ?? 0) && starts(payload[1] ?? 0);
  return type === 24 ? someAggregated(payload, 1, starts) : starts(payload[0] ?? 0);
};

/** H265 (RFC 7798 §4.4): a VPS or SPS, or a slice that is a random access point where they travel out of band. */
const h265: KeyFrameTest = (payload) => {
  const starts = (type: number): boolean => (type >= 16 && type <= 21) || type === 32 || type === 33;
  const startsNal = (header: number): boolean => starts((header >> 1) & 0x3f);
  const type = ((payload[0] ?? 0) >> 1) & 0x3f;
  if (type === 49) return startsFragment(payload[2] ?? 0) && starts((payload[2] ?? 0) & 0x3f);
  return type === 48 ? someAggregated(payload, 2, startsNal) : starts(type);
};

/** VP8: the start of partition 0 (RFC 7741 §4.2) with the P bit of its frame header clear (RFC 6386 §9.1). */
const vp8: KeyFrameTest = (payload) => {
  const first = payload[0] ?? 0;
  const startsFrame = (first & 0x10) !== 0 && (first & 0x07) === 0;
  let at = 1;
  if ((first & 0x80) !== 0) {
    const extension = payload[at++] ?? 0;
    if ((extension & 0x80) !== 0) at += pictureIdBytes(payload[at]);
    if ((extension & 0x40) !== 0) at += 1;
    if ((extension & 0x30) !== 0) at += 1;
  }
  return startsFrame && at < payload.length && ((payload[at] ?? 1) & 0x01) === 0;
};

/**
 * VP9: the start of a frame of the lowest spatial layer that refers to no other picture (RFC 9628 §4.2). Such a frame
 * may still be intra-only, so its own header has the last word.
 */
const vp9: KeyFrameTest = (payload) => {
  const first = payload[0] ?? 0;
  const [refers, startsFrame] = [(first & 0x40) !== 0, (first & 0x08) !== 0];
  if (refers || !startsFrame) return false;
  let at = 1;
  if ((first & 0x80) !== 0) at += pictureIdBytes(payload[at]);
  if ((first & 0x20) !== 0) {
    const spatialId = ((payload[at] ?? 0) >> 1) & 0x07;
    if (spatialId !== 0) return false;
    at += (first & 0x10) !== 0 ? 1 : 2;
  }
  if ((first & 0x02) !== 0) at += scalabilityBytes(payload, at);
  return at < payload.length && isVp9KeyHeader(payload[at] ?? 0);
};

/**
 * AV1 (RTP Payload Format For AV1 §4.4): the packet that says so, or one with a sequence header that no frame follows
 * which is none, for there are senders that leave the N bit clear.
 */
const av1: KeyFrameTest = (payload) => {
  const aggregation = payload[0] ?? 0;
  const continues = (aggregation & 0x80) !== 0;
  if (continues || payload.length < 2) return false;
  if ((aggregation & 0x08) !== 0) return true;
  let hasSequenceHeader = false;
  for (const { type, header } of obuElements(payload)) {
    if (type === 1) hasSequenceHeader = true;
    // show_existing_frame, then two bits of frame_type, of which 0 is a key frame (AV1 §5.9.2).
    if (type === 3 || type === 6) return hasSequenceHeader && (header & 0xe0) === 0;
  }
  return hasSequenceHeader;
};

const tests: Readonly<Record<string, KeyFrameTest>> = { H264: h264, H265: h265, VP8: vp8, VP9: vp9, AV1: av1 };

/** The test for a codec by its SDP name, any case; null for a codec whose key frames cannot be told. */
export const keyFrameTest = (codec: string): KeyFrameTest | null => {
  const name = codec.toUpperCase();
  return Object.hasOwn(tests, name) ? (tests[name] ?? null) : null;
};

// The S bit of an FU header (RFC 6184 §5.8, RFC 7798 §4.4.3).
const startsFragment = (header: number): boolean => (header & 0x80) !== 0;

/** Whether a NAL unit header in an aggregation packet satisfies `starts`; NAL units stand behind 16-bit lengths. */
const someAggregated = (payload: Uint8Array, from: number, starts: (header: number) => boolean): boolean => {
  for (let at = from; at + 3 <= payload.length; ) {
    if (starts(payload[at + 2] ?? 0)) return true;
    at += 2 + (((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0));
  }
  return false;
};

// 7 bits, or 15 when the first is set, in VP8 and in VP9.
const pictureIdBytes = (first = 0): number => ((first & 0x80) !== 0 ? 2 : 1);

/** Length of a scalability structure (RFC 9628 §4.2.1). */
const scalabilityBytes = (payload: Uint8Array, from: number): number => {
  const header = payload[from] ?? 0;
  let at = from + 1;
  if ((header & 0x10) !== 0) at += ((header >> 5) + 1) * 4;
  if ((header & 0x08) !== 0) {
    const pictures = payload[at++] ?? 0;
    for (let picture = 0; picture < pictures && at < payload.length; picture++) {
      at += 1 + (((payload[at] ?? 0) >> 2) & 0x03);
    }
  }
  return at - from;
};

/** frame_marker 2, the profile in two bits, a reserved bit in profile 3, show_existing_frame 0, frame_type 0 (VP9 §6.2). */
const isVp9KeyHeader = (header: number): boolean => {
  if (header >> 6 !== 2) return false;
  const typeShift = (header & 0x30) === 0x30 ? 1 : 2;
  return ((header >> typeShift) & 0x03) === 0;
};

const MOST_ELEMENTS = 8;

/** The first OBUs of a packet: type, and the first byte behind the OBU's own header. */
function* obuElements(payload: Uint8Array): Generator<{ type: number; header: number }> {
  const count = ((payload[0] ?? 0) >> 4) & 0x03;
  let at = 1;
  for (let element = 1; element <= MOST_ELEMENTS && at < payload.length; element++) {
    const isLast = element === count;
    const { size, bytes } = isLast ? { size: payload.length - at, bytes: 0 } : readLeb128(payload, at);
    at += bytes;
    yield readObu(payload, at);
    at += size;
  }
}

const readObu = (payload: Uint8Array, at: number): { type: number; header: number } => {
  const first = payload[at] ?? 0;
  let behind = at + 1 + ((first & 0x04) !== 0 ? 1 : 0);
  if ((first & 0x02) !== 0) behind += readLeb128(payload, behind).bytes;
  return { type: (first >> 3) & 0x0f, header: payload[behind] ?? 0xff };
};

/** leb128() of AV1 §4.10.5, of which a packet never needs more than three bytes. */
const readLeb128 = (payload: Uint8Array, at: number): { size: number; bytes: number } => {
  let size = 0;
  for (let byte = 0; byte < 3; byte++) {
    const value = payload[at + byte] ?? 0;
    size |= (value & 0x7f) << (7 * byte);
    if ((value & 0x80) === 0) return { size, bytes: byte + 1 };
  }
  return { size: payload.length, bytes: 3 };
};
