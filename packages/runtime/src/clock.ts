import { setTimeout as delay } from 'node:timers/promises';

/** Time as an argument: wall clock in milliseconds since 1970, and a sleep that a signal ends by rejecting. */
export type Clock = { now(): number; sleep(ms: number, signal?: AbortSignal): Promise<void> };

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }),
};

/** Rejects with `error()` when `work` takes longer than `timeoutMs`; `work` itself goes on, unheard. */
export const within = async <T>(work: Promise<T>, timeoutMs: number, error: () => Error): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error()), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};
