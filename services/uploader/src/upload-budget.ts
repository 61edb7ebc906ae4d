/**
 * How much may be put in how much time: a token bucket over all puts of this process. It holds a second's worth, so a
 * look that comes late costs nothing. An object goes whole once there is anything in it, at the speed of the line, and
 * what it takes too much is made good before the next one; so the bound is one of the average.
 */

/** What may go now, and what went. */
export type UploadBudget = {
  admits(): boolean;
  spend(bytes: number): void;
};

const BURST_MS = 1000;

/** Makes a budget of so many bits a second; 0 is none, and everything is admitted. */
export const uploadBudget = (bitsPerSecond: number, monotonicMs: () => number): UploadBudget => {
  if (bitsPerSecond === 0) return { admits: () => true, spend: () => undefined };
  const bytesPerMs = bitsPerSecond / 8000;
  const full = bytesPerMs * BURST_MS;
  let bytes = full;
  let atMs = monotonicMs();
  const fill = () => {
    const nowMs = monotonicMs();
    bytes = Math.min(full, bytes + (nowMs - atMs) * bytesPerMs);
    atMs = nowMs;
  };
  return {
    admits: () => {
      fill();
      return bytes > 0;
    },
    spend: (spent) => {
      fill();
      bytes -= spent;
    },
  };
};
