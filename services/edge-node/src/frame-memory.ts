/**
 * Memory for the frames of one stream, taken from slabs in the order in which the frames come, so that neighbours can
 * be sent as one piece. A slab is gone once all frames in it are: the ring lets go of them in that order too.
 */
export type FrameMemory = (bytes: number) => Uint8Array;

const SLAB_BYTES = 65_536;

/** Makes the memory of a stream; it holds nothing before the first frame. */
export const createFrameMemory = (): FrameMemory => {
  let slab: ArrayBufferLike = new ArrayBuffer(0);
  let used = 0;
  return (bytes) => {
    if (used + bytes > slab.byteLength) {
      // Not zeroed: a frame is written whole before anybody has it.
      slab = Buffer.allocUnsafeSlow(Math.max(bytes, SLAB_BYTES)).buffer;
      used = 0;
    }
    const memory = new Uint8Array(slab, used, bytes);
    used += bytes;
    return memory;
  };
};

/** Frames that follow each other in memory as one piece, the others each as it is. */
export const joinFrames = (frames: readonly Uint8Array[]): Uint8Array[] => {
  const joined: Uint8Array[] = [];
  for (const frame of frames) {
    const last = joined.at(-1);
    const isNext = last?.buffer === frame.buffer && last.byteOffset + last.byteLength === frame.byteOffset;
    if (last === undefined || !isNext) joined.push(frame);
    else joined[joined.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.byteLength + frame.byteLength);
  }
  return joined;
};
