/**
 * Memory for parts, used again once they are on the disk. Whoever makes an array anew for each part makes the garbage
 * collector mark the whole heap every few seconds: it counts these bytes, and they are more than all else here.
 */
export type PartMemory = {
  /** So many bytes, which hold anything: each is to be written. */
  take(bytes: number): Uint8Array;
  /** Takes back what `take` gave, once nobody reads it any more. What never comes back is the garbage collector's. */
  giveBack(bytes: Uint8Array): void;
};

const LEAST_BYTES = 4096;
// Half a second of fifty streams of 2 Mb/s.
const MOST_KEPT_BYTES = 8 * 1024 * 1024;

/** Makes memory that all recordings of one thread may share; at most `mostKeptBytes` of it wait for another part. */
export const createPartMemory = (mostKeptBytes = MOST_KEPT_BYTES): PartMemory => {
  const free = new Map<number, ArrayBufferLike[]>();
  let keptBytes = 0;
  return {
    take: (bytes) => {
      // Powers of two, so that any part finds one; what it does not touch costs no memory.
      const size = Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes)));
      const kept = free.get(size)?.pop();
      if (kept !== undefined) keptBytes -= size;
      // Not filled with zeroes.
      return new Uint8Array(kept ?? Buffer.allocUnsafeSlow(size).buffer, 0, bytes);
    },
    giveBack: ({ buffer }) => {
      const size = buffer.byteLength;
      const same = free.get(size) ?? [];
      if (keptBytes + size > mostKeptBytes || same.includes(buffer)) return;
      keptBytes += size;
      same.push(buffer);
      free.set(size, same);
    },
  };
};
