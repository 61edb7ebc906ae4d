/** One frame of an IVF stream: its time in the track's clock of 90 kHz, and its bytes. */
export type IvfFrame = { timestamp: number; bytes: Buffer };

const streamHeaderBytes = 32;
const frameHeaderBytes = 12;
const mostFrameBytes = 16 * 1024 * 1024;
const clockRate = 90_000;

/**
 * Reads an IVF stream's chunks, in whatever pieces they come; throws on what is not IVF. Its header has the time base at
 * bytes 16 (denominator) and 20 (numerator); each frame has its length in 32 bits and its time in 64, little-endian.
 */
export const ivfReader = (): ((chunk: Buffer) => IvfFrame[]) => {
  let rest: Buffer = Buffer.alloc(0);
  let ticks: number | null = null;

  const readHeader = (): void => {
    if (rest.toString('latin1', 0, 4) !== 'DKIF') throw new Error('not an IVF stream');
    ticks = (rest.readUInt32LE(20) * clockRate) / rest.readUInt32LE(16);
    rest = rest.subarray(rest.readUInt16LE(6));
  };
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (ticks === null && rest.length >= streamHeaderBytes) readHeader();
    const frames: IvfFrame[] = [];
    while (ticks !== null && rest.length >= frameHeaderBytes) {
      const length = rest.readUInt32LE(0);
      if (length > mostFrameBytes) throw new Error(`IVF frame longer than ${mostFrameBytes} bytes`);
      if (rest.length < frameHeaderBytes + length) break;
      const timestamp = Math.round(Number(rest.readBigInt64LE(4)) * ticks);
      frames.push({ timestamp, bytes: rest.subarray(frameHeaderBytes, frameHeaderBytes + length) });
      rest = rest.subarray(frameHeaderBytes + length);
    }
    return frames;
  };
};
