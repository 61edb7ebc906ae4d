import { type Clock, systemClock } from './clock.ts';

/** Bounds of a backoff: the first delay's ceiling and the highest, in milliseconds; `random` in [0, 1). */
export type BackoffOptions = { baseMs?: number; capMs?: number; random?: () => number };

/** Delays that double up to a cap. */
export type Backoff = {
  /** Next delay in ms, chosen between 0 and the ceiling. */ next(): number /** Begins anew. */;
  reset(): void;
};

/** Full-jitter backoff: each delay is random between 0 and a ceiling that doubles, so that many peers spread out. */
export const backoff = ({ baseMs = 250, capMs = 5_000, random = Math.random }: BackoffOptions = {}): Backoff => {
  let attempt = 0;
  return {
    next() {
      const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
      attempt += 1;
      return Math.floor(random() * ceiling);
    },
    reset() {
      attempt = 0;
    },
  };
};

/** How often and for what to try again. */
export type RetryOptions = BackoffOptions & {
  /** Tries in all; default without end. */
  attempts?: number;
  /** Whether an error is worth another try; default every one. */
  retryable?: (error: unknown) => boolean;
  /** Told of each failure before the wait. */
  onRetry?: (error: unknown, delayMs: number, attempt: number) => void;
  clock?: Pick<Clock, 'sleep'>;
};

/** Does `work` until it succeeds, the error is not retryable, the tries are used up (last error thrown), or the signal aborts. */
export const retry = async <T>(
  work: (signal: AbortSignal, attempt: number) => Promise<T>,
  signal: AbortSignal,
  options: RetryOptions = {},
): Promise<T> => {
  const { attempts = Number.POSITIVE_INFINITY, retryable = () => true, onRetry, clock = systemClock } = options;
  const delays = backoff(options);
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work(signal, attempt);
    } catch (error) {
      if (signal.aborted || attempt >= attempts || !retryable(error)) throw error;
      const delayMs = delays.next();
      onRetry?.(error, delayMs, attempt);
      await clock.sleep(delayMs, signal);
    }
  }
};
