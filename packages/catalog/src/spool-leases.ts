/**
 * Which indexer works on which spool. A lease saves work done twice and nothing else: commits of a spool are serialised
 * and idempotent whoever does them, so clocks that disagree, or a holder that was asleep, cost time and no row.
 */
import { and, asc, eq, sql } from 'drizzle-orm';
import type { Database } from './database.ts';

/** Who has a spool, and until when, in wall milliseconds. */
export type SpoolLease = { spool: string; holder: string; untilMs: number };

type LeaseDeps = { database: Database; now: () => number };

/** Takes or renews the lease of a spool when it is free or `holder` has it; answers who has it now. */
export const takeLease =
  ({ database, now }: LeaseDeps) =>
  (spool: string, holder: string, leaseMs: number): Promise<SpoolLease> => {
    const { leases: l } = database.tables;
    return database.write(async (tx) => {
      const nowMs = now();
      const row = { holder, until_ms: nowMs + leaseMs };
      // A lease longer than any that is given is of a clock that ran ahead, and is not waited for.
      const isFree = sql`${l.holder} = ${holder} or ${l.until_ms} <= ${nowMs} or ${l.until_ms} > ${nowMs + 2 * leaseMs}`;
      const taken = await tx
        .insert(l)
        .values({ spool_id: spool, ...row })
        .onConflictDoUpdate({ target: l.spool_id, set: row, setWhere: isFree })
        .returning({ holder: l.holder });
      if (taken.length > 0) return { spool, holder, untilMs: row.until_ms };
      const [other] = await tx.select().from(l).where(eq(l.spool_id, spool));
      return { spool, holder: other?.holder ?? '', untilMs: other?.until_ms ?? nowMs };
    });
  };

/** Renews all leases of `holder` that nobody else took; answers the leases of all indexers. */
export const renewLeases =
  ({ database, now }: LeaseDeps) =>
  (holder: string, leaseMs: number): Promise<SpoolLease[]> => {
    const { leases: l } = database.tables;
    return database.write(async (tx) => {
      await tx
        .update(l)
        .set({ until_ms: now() + leaseMs })
        .where(eq(l.holder, holder));
      const rows = await tx.select().from(l).orderBy(asc(l.spool_id));
      return rows.map(({ spool_id, until_ms, ...row }) => ({ spool: spool_id, holder: row.holder, untilMs: until_ms }));
    });
  };

/** Gives up one lease of `holder`, or all of them. */
export const releaseLeases =
  ({ database }: Pick<LeaseDeps, 'database'>) =>
  async (holder: string, spool?: string): Promise<void> => {
    const { leases: l } = database.tables;
    const which = spool === undefined ? undefined : eq(l.spool_id, spool);
    await database.write((tx) => tx.delete(l).where(and(eq(l.holder, holder), which)));
  };
