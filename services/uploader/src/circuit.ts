import { backoff } from '@weir/runtime';

/** Failures of contact in a row after which only one put at a time goes out. */
const THRESHOLD = 3;

/** How a put ended: somebody answered, nobody did, or nobody was asked. */
export type PutOutcome = 'contact' | 'outage' | 'unasked';

/** Tells the circuit how a put ended; `capMs` bounds the wait, `retryAfterMs` is what the peer asked for. */
export type PutEnded = (outcome: PutOutcome, limits?: { capMs: number; retryAfterMs?: number }) => void;

/**
 * Keeps an outage cheap. Closed: everything goes. Open, after three failures of contact in a row: nothing goes until a
 * delay is over, then one probe; its success closes the circuit, its failure doubles the delay.
 */
export type Circuit = {
  readonly isOpen: boolean;
  /** True when a put may go now. */
  admits(): boolean;
  /** A put goes. */
  begin(): PutEnded;
};

/** Makes a circuit; `changed` is told when it opens or closes. */
export const openCircuit = (
  { monotonicMs: now, random }: { monotonicMs: () => number; random: () => number },
  changed: (isOpen: boolean) => void,
): Circuit => {
  const delays = backoff({ baseMs: 500, capMs: 300_000, random });
  let failures = 0;
  let isOpen = false;
  let isProbing = false;
  let retryAtMs = 0;
  const fail = (isProbe: boolean, capMs: number, retryAfterMs: number) => {
    failures += 1;
    // What was under way when it opened says nothing new.
    if (isOpen ? !isProbe : failures < THRESHOLD) return;
    retryAtMs = now() + Math.max(Math.min(delays.next(), capMs), retryAfterMs);
    if (isOpen) return;
    isOpen = true;
    changed(true);
  };
  const succeed = () => {
    failures = 0;
    delays.reset();
    if (!isOpen) return;
    isOpen = false;
    changed(false);
  };
  return {
    get isOpen() {
      return isOpen;
    },
    admits: () => !isOpen || (!isProbing && now() >= retryAtMs),
    begin: () => {
      const isProbe = isOpen;
      if (isProbe) isProbing = true;
      return (outcome, { capMs, retryAfterMs = 0 } = { capMs: 60_000 }) => {
        if (isProbe) isProbing = false;
        if (outcome === 'outage') fail(isProbe, capMs, retryAfterMs);
        if (outcome === 'contact') succeed();
      };
    },
  };
};
