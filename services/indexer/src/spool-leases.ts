/**
 * The spools that this process works on while others index into the same database. What it knows of the leases is as
 * old as the last round at most, and a round is a third of a lease; the spool of an indexer that is gone is told in the
 * moment its lease is over. Without the database nothing is decided: rows could not be committed either.
 */
import type { Catalog, SpoolLease } from '@weir/catalog';
import { type Clock, type Log, oneLine } from '@weir/runtime';

/** What the leases need; `holder` names this process and no other. */
export type LeaseDeps = {
  catalog: Pick<Catalog, 'takeLease' | 'renewLeases' | 'releaseLeases'>;
  holder: string;
  leaseMs: number;
  /** Told when a spool that another indexer had is free. */
  onFree(spool: string): void;
  log: Log;
  clock: Clock;
};

/** See the top of this file; closing gives all leases up. */
export type SpoolLeases = AsyncDisposable & {
  /** True when this process may work on the spool; throws `database_unavailable` when nobody can say. */
  take(spool: string): Promise<boolean>;
  /** Lets another indexer try: this one cannot reach the spool's node. Does nothing for a spool it does not have. */
  giveUp(spool: string): Promise<void>;
  held(): number;
};

/** How long an indexer that is gone keeps its spools from the others. */
export const LEASE_MS = 15_000;
const roundsPerLease = 3;

/** Opens the leases and begins to renew them. */
export const openSpoolLeases = ({ catalog, holder, leaseMs, onFree, log, clock }: LeaseDeps): SpoolLeases => {
  const stop = new AbortController();
  const mine = new Map<string, number>();
  const others = new Map<string, number>();
  const note = ({ spool, holder: who, untilMs }: SpoolLease): boolean => {
    mine.delete(spool);
    others.delete(spool);
    if (who === holder) mine.set(spool, untilMs);
    // One that a clock which runs ahead has given is not believed; taking it does not believe it either.
    else if (untilMs <= clock.now() + 2 * leaseMs) others.set(spool, untilMs);
    return who === holder;
  };
  const tellFree = (spools: Iterable<string>): void => {
    for (const spool of [...spools]) {
      others.delete(spool);
      onFree(spool);
    }
  };

  const renew = async (): Promise<void> => {
    const leases = await catalog.renewLeases(holder, leaseMs);
    const before = new Set(others.keys());
    mine.clear();
    others.clear();
    for (const lease of leases) note(lease);
    tellFree([...before].filter((spool) => !mine.has(spool) && !others.has(spool)));
  };
  const run = async (): Promise<void> => {
    let nextMs = clock.now();
    while (!stop.signal.aborted) {
      if (clock.now() >= nextMs) {
        nextMs = clock.now() + leaseMs / roundsPerLease;
        await renew().catch((error: unknown) => log.warn({ reason: oneLine(error) }, 'leases not renewed'));
      }
      tellFree([...others].filter(([, untilMs]) => untilMs <= clock.now()).map(([spool]) => spool));
      const wakeMs = [...others.values()].reduce((soonest, untilMs) => Math.min(soonest, untilMs), nextMs);
      await clock.sleep(Math.max(1, wakeMs - clock.now()), stop.signal).catch(() => undefined);
    }
  };
  const running = run();

  return {
    async take(spool) {
      const nowMs = clock.now();
      if ((mine.get(spool) ?? 0) > nowMs) return true;
      if ((others.get(spool) ?? 0) > nowMs) return false;
      return note(await catalog.takeLease(spool, holder, leaseMs));
    },
    async giveUp(spool) {
      if (mine.delete(spool)) await catalog.releaseLeases(holder, spool);
    },
    held: () => mine.size,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      // Without the database they end by themselves.
      await catalog.releaseLeases(holder).catch(() => undefined);
    },
  };
};
