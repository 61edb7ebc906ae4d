import { aborted } from '@weir/runtime';

/** Looks again and again until its signal aborts. */
export type Pulse = {
  /** Has the next look come at the end of this turn of the event loop. */
  wake(): void;
  /** Resolves after the last look. */
  ended: Promise<void>;
};

/** Calls `look` at once, then every `periodMs` and after each `wake`; a look that throws is told and repeated later. */
export const openPulse = (
  look: () => void,
  periodMs: number,
  signal: AbortSignal,
  failed: (error: unknown) => void,
): Pulse => {
  let isWoken = false;
  const tick = () => {
    isWoken = false;
    if (signal.aborted) return;
    try {
      look();
    } catch (error) {
      failed(error);
    }
  };
  const wake = () => {
    if (isWoken || signal.aborted) return;
    isWoken = true;
    setImmediate(tick);
  };
  const timer = setInterval(wake, periodMs);
  wake();
  return { wake, ended: aborted(signal).then(() => clearInterval(timer)) };
};
