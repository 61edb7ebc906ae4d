/** Tells of refusals: the first at once with what was asked and why, those of the next ten seconds as a number. */
import type { Log } from '@weir/runtime';

const PERIOD_MS = 10_000;

export const refusalTeller = (log: Log, message: string) => {
  let silent: { timer: NodeJS.Timeout; count: number } | null = null;
  const speak = (): void => {
    const count = silent?.count ?? 0;
    silent = null;
    if (count > 0) log.warn({ count, periodMs: PERIOD_MS }, `${message}, further`);
  };
  return {
    tell: (request: object, reason: string): void => {
      if (silent !== null) {
        silent.count += 1;
        return;
      }
      log.warn({ ...request, reason }, message);
      silent = { timer: setTimeout(speak, PERIOD_MS).unref(), count: 0 };
    },
    [Symbol.dispose]: () => {
      clearTimeout(silent?.timer);
      speak();
    },
  };
};
