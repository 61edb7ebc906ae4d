/**
 * What came of the peer's messages: each is given on once and in order. What came ahead waits, at most `MAX_AHEAD`
 * messages, which is all that a peer may have under way; what is further ahead is dropped and comes again.
 */
import { MAX_IN_FLIGHT } from './send-window.ts';

/**
 * What an acknowledgement says: all up to `acknowledged` came, and those of the bits (bit i: acknowledged + 2 + i);
 * `latest` is the message that came last.
 */
export type Acknowledgement = { acknowledged: number; selective: number; latest: number };

/** The receiving half of a connection; `T` is what a message carries. */
export type ReceiveWindow<T> = {
  readonly counts: { repeated: number; dropped: number };
  /** Takes a message; answers what is in order now. */
  take(sequence: number, content: T): T[];
  acknowledgement(): Acknowledgement;
  /** True while a message is missing before one that came. */
  hasHole(): boolean;
};

/** Opens the receiving half. */
export const receiveWindow = <T>(): ReceiveWindow<T> => {
  const ahead = new Map<number, T>();
  const counts = { repeated: 0, dropped: 0 };
  let acknowledged = 0;
  let latest = 0;
  return {
    counts,
    take: (sequence, content) => {
      latest = sequence;
      if (sequence <= acknowledged || ahead.has(sequence)) {
        counts.repeated += 1;
        return [];
      }
      if (sequence > acknowledged + MAX_IN_FLIGHT) {
        counts.dropped += 1;
        return [];
      }
      ahead.set(sequence, content);
      const ready: T[] = [];
      for (let found = ahead.get(acknowledged + 1); found !== undefined; found = ahead.get(acknowledged + 1)) {
        acknowledged += 1;
        ahead.delete(acknowledged);
        ready.push(found);
      }
      return ready;
    },
    acknowledgement: () => {
      let selective = 0;
      if (ahead.size > 0)
        for (let bit = 0; bit < 32; bit++) if (ahead.has(acknowledged + 2 + bit)) selective |= 1 << bit;
      return { acknowledged, selective: selective >>> 0, latest };
    },
    hasHole: () => ahead.size > 0,
  };
};
