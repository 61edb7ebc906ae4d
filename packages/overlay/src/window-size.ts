import type { RoundTrip } from './round-trip.ts';

/**
 * How many bytes may be unacknowledged to one peer. A broker takes whatever it is given and queues it, so the measure is
 * delay, not loss: the window grows while the round trip stays near the least that was seen, and shrinks when a queue
 * builds up, in which a small request of another stream would have to wait.
 */
export type WindowSize = {
  bytes(): number;
  /** Bytes were acknowledged while `inFlight` were under way, and the round trip has a new sample. */
  acknowledged(bytes: number, inFlight: number, nowMs: number): void;
  /** Nothing was acknowledged in time. */
  timedOut(): void;
};

const FIRST_BYTES = 512 * 1024;
const LEAST_BYTES = 128 * 1024;
/** With messages of 64 KiB the most that a broker is to hold for a client: fewer than it drops at. */
const MOST_BYTES = 16 * 1024 * 1024;
const QUEUE_MS = 4;
const SHRINK = 0.8;

/** Begins with half a megabyte. */
export const windowSize = (way: Pick<RoundTrip, 'latestMs' | 'leastMs'>): WindowSize => {
  let size = FIRST_BYTES;
  let isSlow = false;
  let shrunkMs = Number.NEGATIVE_INFINITY;
  const clamp = (bytes: number) => Math.min(MOST_BYTES, Math.max(LEAST_BYTES, bytes));
  return {
    bytes: () => size,
    acknowledged: (bytes, inFlight, nowMs) => {
      const [latest, least] = [way.latestMs(), way.leastMs()];
      if (latest <= Math.max(2 * least, least + QUEUE_MS)) {
        // A window that was not used says nothing of what the way could carry.
        if (inFlight * 2 < size) return;
        size = clamp(size + (isSlow ? (bytes * LEAST_BYTES) / size : bytes));
        return;
      }
      isSlow = true;
      // Once in a round trip: what is under way was sent into the window as it was.
      if (nowMs < shrunkMs + latest) return;
      shrunkMs = nowMs;
      size = clamp(size * SHRINK);
    },
    timedOut: () => {
      isSlow = true;
      size = clamp(size / 2);
    },
  };
};
