import { isIPv6 } from 'node:net';

/** How long failures are held against somebody, in milliseconds: free tries, then waits that double up to `maxWaitMs`. */
type Rule = { freeTries: number; firstWaitMs: number; maxWaitMs: number; forgetMs: number };

type Failures = { tries: number; lastMs: number };

// A name's wait stays short, or anybody could lock its owner out by failing in his name.
const addressRule: Rule = { freeTries: 10, firstWaitMs: 1_000, maxWaitMs: 900_000, forgetMs: 900_000 };
const nameRule: Rule = { freeTries: 5, firstWaitMs: 1_000, maxWaitMs: 30_000, forgetMs: 900_000 };

const waitOf = ({ tries, lastMs }: Failures, rule: Rule, nowMs: number): number => {
  if (tries < rule.freeTries || nowMs - lastMs >= rule.forgetMs) return 0;
  const wait = Math.min(rule.maxWaitMs, rule.firstWaitMs * 2 ** Math.min(30, tries - rule.freeTries));
  return Math.max(0, lastMs + wait - nowMs);
};

/** Whom an address stands for: whoever has an IPv6 address has the 2^64 of its network too (RFC 4291 §2.5.4). */
const holderOf = (address: string): string => {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail] = address.split('%', 1).join('').split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const rest = tail?.split(':').filter((group) => group !== '') ?? [];
  const zeros = Array.from({ length: 8 - groups.length - rest.length }, () => '0');
  return [...groups, ...zeros, ...rest]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
};

/** Slows down guessing of passwords, by address and by name. */
export type LoginThrottle = {
  /** Counts a try as failed until `succeeded`, and tells how many ms it must wait instead; 0 when it may go on. */
  begin(address: string, name: string): number;
  /** Forgets the failures of an address and a name. */
  succeeded(address: string, name: string): void;
  /** Entries pushed out of the full table. */
  readonly evicted: () => number;
};

/** A throttle of at most `maxEntries` addresses and names; when full the one that failed longest ago is forgotten. */
export const loginThrottle = (now: () => number, maxEntries = 10_000): LoginThrottle => {
  const records = new Map<string, Failures>();
  let evicted = 0;

  const count = (key: string, rule: Rule): void => {
    const known = records.get(key);
    const isOld = known === undefined || now() - known.lastMs >= rule.forgetMs;
    records.delete(key);
    records.set(key, { tries: isOld ? 1 : known.tries + 1, lastMs: now() });
    if (records.size <= maxEntries) return;
    const oldest = records.keys().next().value;
    if (oldest !== undefined) records.delete(oldest);
    evicted += 1;
  };

  return {
    begin(address, name) {
      const keys = [
        [`address ${holderOf(address)}`, addressRule],
        [`name ${name}`, nameRule],
      ] as const;
      const waits = keys.map(([key, rule]) => {
        const record = records.get(key);
        return record === undefined ? 0 : waitOf(record, rule, now());
      });
      const wait = Math.max(...waits);
      // Counted before the password is looked at, so that tries at the same time do not pass together.
      if (wait === 0) for (const [key, rule] of keys) count(key, rule);
      return wait;
    },
    succeeded(address, name) {
      records.delete(`address ${holderOf(address)}`);
      records.delete(`name ${name}`);
    },
    evicted: () => evicted,
  };
};
