/** Extends 16-bit RTP sequence numbers to one ever-growing integer, beginning at the first wire value (RFC 3550 §A.1). */
export const sequenceUnwrapper = (start?: number): ((wire: number) => number) => {
  let last = start;
  return (wire) => {
    const step = last === undefined ? wire : ((wire - last + 0x8000) & 0xffff) - 0x8000;
    last = (last ?? 0) + step;
    return last;
  };
};

/** Extends 32-bit RTP timestamps to one ever-growing integer in the same clock, beginning at the first wire value (RFC 3550 §5.1). */
export const timestampUnwrapper = (start?: number): ((wire: number) => number) => {
  let last = start;
  return (wire) => {
    last = last === undefined ? wire : last + signed32(wire - last);
    return last;
  };
};

/** The shortest way between two sequence numbers, `to` − `from`, in −32768…32767 (RFC 1982 arithmetic). */
export const sequenceDistance = (from: number, to: number): number => ((to - from + 0x8000) & 0xffff) - 0x8000;

/** The shortest way between two RTP timestamps, `to` − `from`, in ticks, −2³¹…2³¹−1 (RFC 1982 arithmetic). */
export const timestampDistance = (from: number, to: number): number => signed32(to - from);

// `|` works modulo 2^32 on any safe integer, so growing values need no masking first.
const signed32 = (value: number): number => value | 0;
