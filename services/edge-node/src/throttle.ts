import type { NodeClock } from './clock.ts';

/** What the throttle needs of time; the timer it sets is cancelled by `close`. */
export type ThrottleDeps = {
  clock: Pick<NodeClock, 'monotonicMs'>;
  later(work: () => void, ms: number): Disposable;
};

/** A timer of this machine that does not keep the process alive. */
export const timerLater: ThrottleDeps['later'] = (work, ms) => {
  const timer = setTimeout(work, ms).unref();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
};

/**
 * Merges requests: the first acts at once, those within `intervalMs` of the last act are answered by one trailing act.
 */
export const throttle = (act: () => void, intervalMs: number, { clock, later }: ThrottleDeps) => {
  let lastMs = Number.NEGATIVE_INFINITY;
  let trailing: Disposable | null = null;
  const fire = () => {
    trailing = null;
    lastMs = clock.monotonicMs();
    act();
  };
  return {
    /** Asks for the act. */
    request(): void {
      if (trailing !== null) return;
      const waitMs = lastMs + intervalMs - clock.monotonicMs();
      if (waitMs <= 0) fire();
      else trailing = later(fire, waitMs);
    },
    /** Forgets what is still to come. */
    close(): void {
      trailing?.[Symbol.dispose]();
      trailing = null;
    },
  };
};

export type Throttle = ReturnType<typeof throttle>;
