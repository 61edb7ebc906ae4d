/** Longer than any lease is taken for, in milliseconds: one that runs further was left by a clock that was set back. */
export const MAX_LEASE_MS = 600_000;
/** True while nobody has the lease of an item; `item` is SQL for its key. */
export const notLeased = (item: string): string =>
  `not exists (select 1 from leases l where l.item = ${item} and l.until_ms > :now and l.until_ms <= :now + ${MAX_LEASE_MS})`;
