/** Remembers which of the newest packet indices were seen, so that none is accepted twice (RFC 3711 §3.3.2). */
export type ReplayWindow = {
  /** The highest index recorded, −1 before the first. */
  readonly highest: number;
  /** Whether this index is new and not older than the window. */
  accepts(index: number): boolean;
  /** Marks an index as seen; call it only for a packet that is authentic. */
  record(index: number): void;
};

/** A replay window of `size` packets, a power of two; larger than RFC 3711 asks so that late retransmissions pass. */
export const createReplayWindow = (size = 1024): ReplayWindow => {
  const bits = new Uint32Array(size / 32);
  const mask = size - 1;
  let highest = -1;
  const isSet = (index: number) => (((bits[(index & mask) >> 5] as number) >>> (index & 31)) & 1) === 1;
  const clear = (index: number) => {
    bits[(index & mask) >> 5] = (bits[(index & mask) >> 5] as number) & ~(1 << (index & 31));
  };
  return {
    get highest() {
      return highest;
    },
    accepts: (index) => index > highest || (index > highest - size && !isSet(index)),
    record: (index) => {
      if (index - highest >= size) bits.fill(0);
      else for (let skipped = highest + 1; skipped < index; skipped++) clear(skipped);
      if (index > highest) highest = index;
      bits[(index & mask) >> 5] = (bits[(index & mask) >> 5] as number) | (1 << (index & 31));
    },
  };
};
