/**
 * Where what sockets receive lies until it is in a part. A socket that allocates for itself takes 64 KiB for each read,
 * however little comes, and that is what makes the garbage collector mark the whole heap several times a second. Here all
 * sockets read into the same memory, and what came is copied, at its size, one behind the other into slabs.
 */
export type ReceiveMemory = {
  /** What sockets read into: each read is to be kept before the next. */
  readonly scratch: Uint8Array;
  /** A copy of the first `bytes` of `scratch`, with a lifetime of its own; views of it keep its slab. */
  keep(bytes: number): Uint8Array;
};

const SCRATCH_BYTES = 65_536;
// A slab stays as long as the oldest packet in it is needed: the last one may be held by each track that stands still.
const SLAB_BYTES = 131_072;

/** Makes memory that any number of sockets of one thread may share. */
export const createReceiveMemory = (scratchBytes = SCRATCH_BYTES, slabBytes = SLAB_BYTES): ReceiveMemory => {
  const scratch = new Uint8Array(scratchBytes);
  let slab = new Uint8Array(0);
  let used = 0;
  return {
    scratch,
    keep: (bytes) => {
      if (used + bytes > slab.length) {
        // Not filled with zeroes: every byte that is given out is written first.
        slab = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes)).buffer);
        used = 0;
      }
      const kept = slab.subarray(used, used + bytes);
      kept.set(scratch.subarray(0, bytes));
      used += bytes;
      return kept;
    },
  };
};
