/** Tells the packets with which a key frame begins, as cheaply as a forwarder must: no reassembly, a look at NAL types. */

/** Says whether an RTP payload begins or holds the beginning of a key frame. */
export type KeyFrameTest = (payload: Uint8Array) => boolean;

const IDR = 5;
const SPS = 7;
const STAP_A = 24;
const FU_A = 28;
const startsKeyUnit = (nalType: number): boolean => nalType === IDR || nalType === SPS;

/** A key frame in H264 begins with its SPS, or with its IDR slice when parameter sets travel out of band (RFC 6184 §5.4). */
export const isH264KeyFrame: KeyFrameTest = (payload) => {
  const type = (payload[0] ?? 0) & 0x1f;
  if (type === FU_A) {
    const header = payload[1] ?? 0;
    return (header & 0x80) !== 0 && startsKeyUnit(header & 0x1f);
  }
  if (type !== STAP_A) return startsKeyUnit(type);
  for (let at = 1; at + 3 <= payload.length; ) {
    const length = ((payload[at] as number) << 8) | (payload[at + 1] as number);
    if (startsKeyUnit((payload[at + 2] as number) & 0x1f)) return true;
    at += 2 + length;
  }
  return false;
};

const tests: Readonly<Record<string, KeyFrameTest>> = { H264: isH264KeyFrame };

/** The test for a codec by its SDP name, any case; null for a codec whose key frames the node cannot tell. */
export const keyFrameTest = (codec: string): KeyFrameTest | null => tests[codec.toUpperCase()] ?? null;
