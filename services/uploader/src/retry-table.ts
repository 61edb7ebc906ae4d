import { type Backoff, backoff } from '@weir/runtime';

/** Which objects wait for another try, and how often each has failed. Beyond its bound the oldest are tried sooner. */
export type RetryTable = {
  readonly size: number;
  /** Entries that the bound pushed out. */
  readonly forgotten: number;
  isWaiting(key: string): boolean;
  /** Failures in a row. */
  failuresOf(key: string): number;
  /** Answers in a row, the last ones, that said never. */
  refusalsOf(key: string): number;
  /** Notes a failure; returns the wait in milliseconds: full jitter from 0.5 s, doubling up to `capMs`. */
  failed(key: string, limits: { capMs: number; retryAfterMs?: number; isRefusal?: boolean }): number;
  succeeded(key: string): void;
  /** Lets everything be tried again now: the outage is over. */
  forgive(): void;
};

/** Makes an empty table of at most `limit` objects. */
export const retryTable = (
  { monotonicMs: now, random }: { monotonicMs: () => number; random: () => number },
  limit = 4096,
): RetryTable => {
  const entries = new Map<string, { delays: Backoff; failures: number; refusals: number; dueMs: number }>();
  let forgotten = 0;
  const makeRoom = () => {
    if (entries.size < limit) return;
    const [oldest] = entries.keys();
    if (oldest !== undefined) entries.delete(oldest);
    forgotten += 1;
  };
  return {
    get size() {
      return entries.size;
    },
    get forgotten() {
      return forgotten;
    },
    isWaiting: (key) => (entries.get(key)?.dueMs ?? 0) > now(),
    failuresOf: (key) => entries.get(key)?.failures ?? 0,
    refusalsOf: (key) => entries.get(key)?.refusals ?? 0,
    failed: (key, { capMs, retryAfterMs = 0, isRefusal = false }) => {
      const found = entries.get(key);
      if (found === undefined) makeRoom();
      const { delays, failures, refusals } = found ?? {
        delays: backoff({ baseMs: 500, capMs: 300_000, random }),
        failures: 0,
        refusals: 0,
      };
      const delayMs = Math.max(Math.min(delays.next(), capMs), retryAfterMs);
      const dueMs = now() + delayMs;
      entries.set(key, { delays, failures: failures + 1, refusals: isRefusal ? refusals + 1 : 0, dueMs });
      return delayMs;
    },
    succeeded: (key) => void entries.delete(key),
    forgive: () => {
      for (const entry of entries.values()) entry.dueMs = 0;
    },
  };
};
