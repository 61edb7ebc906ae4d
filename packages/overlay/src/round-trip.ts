/** Round-trip times of a connection in ms: smoothed and varying (RFC 6298 §2), and the least of the last while. */
export type RoundTrip = {
  sample(ms: number, nowMs: number): void;
  /** The latest sample; 0 before the first. */
  latestMs(): number;
  /** The least within the last ten to twenty seconds; 0 before the first sample. */
  leastMs(): number;
  /** When what was sent is taken for lost unless it is acknowledged, without backoff. */
  timeoutMs(): number;
};

const SPAN_MS = 10_000;
const FIRST_TIMEOUT_MS = 500;
const LEAST_TIMEOUT_MS = 50;
const MOST_TIMEOUT_MS = 5_000;

/** Keeps the least of two spans, so that a way that became longer is believed after a while. */
const leastOfSpans = () => {
  let [before, current] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let endsMs = Number.NEGATIVE_INFINITY;
  return {
    note: (ms: number, nowMs: number): void => {
      if (nowMs >= endsMs) {
        before = nowMs >= endsMs + SPAN_MS ? ms : current;
        current = ms;
        endsMs = nowMs + SPAN_MS;
      }
      current = Math.min(current, ms);
    },
    value: (): number => Math.min(before, current),
  };
};

/** Begins without any knowledge of the way. */
export const roundTrip = (): RoundTrip => {
  const least = leastOfSpans();
  let [smoothed, variance, latest, isKnown] = [0, 0, 0, false];
  return {
    sample: (ms, nowMs) => {
      latest = ms;
      least.note(ms, nowMs);
      variance = isKnown ? variance + (Math.abs(smoothed - ms) - variance) / 4 : ms / 2;
      smoothed = isKnown ? smoothed + (ms - smoothed) / 8 : ms;
      isKnown = true;
    },
    latestMs: () => latest,
    leastMs: () => (isKnown ? least.value() : 0),
    timeoutMs: () =>
      isKnown ? Math.min(MOST_TIMEOUT_MS, Math.max(LEAST_TIMEOUT_MS, smoothed + 4 * variance)) : FIRST_TIMEOUT_MS,
  };
};
