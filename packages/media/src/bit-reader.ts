/** Reads bits and Exp-Golomb codes (Rec. ITU-T H.264 §9.1) from the front; behind the end it gives zeros and `overrun` is true. */
export const bitReader = (
  bytes: Uint8Array,
): { take: (count: number) => number; unsigned: () => number; signed: () => number; overrun: () => boolean } => {
  let at = 0;
  const end = bytes.length * 8;
  const bit = (): number => {
    const value = at < end ? ((bytes[at >> 3] as number) >> (7 - (at & 7))) & 1 : 0;
    at++;
    return value;
  };
  const take = (count: number): number => {
    let value = 0;
    for (let taken = 0; taken < count; taken++) value = value * 2 + bit();
    return value;
  };
  const unsigned = (): number => {
    let leadingZeros = 0;
    while (leadingZeros < 32 && at < end && bit() === 0) leadingZeros++;
    return 2 ** leadingZeros - 1 + take(leadingZeros);
  };
  const signed = (): number => {
    const code = unsigned();
    return code % 2 === 0 ? -code / 2 : (code + 1) / 2;
  };
  return { take, unsigned, signed, overrun: () => at > end };
};
