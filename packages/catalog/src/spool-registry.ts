import type { NodeStatus } from '@weir/contracts';
import { and, asc, desc, eq, ne } from 'drizzle-orm';
import type { Database } from './database.ts';
import { MAX_REFUSED, type RefusedRow } from './rows-commit.ts';
import type { Tables } from './schema.ts';
import { patternsOf } from './tokens.ts';

/** A spool as the index has it: cursor as a stamp, `node` the alias that last sent rows of it. */
export type IndexedSpool = Tables['spools']['$inferSelect'];
/** A node as the index last saw it. */
export type IndexedNode = Tables['nodes']['$inferSelect'];

/** The stamp up to which rows of a spool are committed; 0 for one the index does not know. */
export const cursorOf =
  (database: Database) =>
  async (spool: string): Promise<number> => {
    const { spools } = database.tables;
    const [row] = await database.read((queries) => queries.select().from(spools).where(eq(spools.spool_id, spool)));
    return row?.cursor ?? 0;
  };

/** All spools that ever sent rows. */
export const listSpools = (database: Database) => (): Promise<IndexedSpool[]> =>
  database.read((queries) =>
    queries.select().from(database.tables.spools).orderBy(asc(database.tables.spools.spool_id)),
  );

/** The newest rows of a spool that the cursor passed without taking them, at most 1000. */
export const refusedRows =
  (database: Database) =>
  (spool: string): Promise<RefusedRow[]> => {
    const { refusals } = database.tables;
    return database.read((queries) =>
      queries
        .select({ stamp: refusals.stamp, reason: refusals.reason })
        .from(refusals)
        .where(eq(refusals.spool_id, spool))
        .orderBy(desc(refusals.stamp))
        .limit(MAX_REFUSED),
    );
  };

/** Notes that a node was seen, with the stream patterns it has. */
export const noteNode =
  ({ database, now }: { database: Database; now: () => number }) =>
  async (
    status: Pick<NodeStatus, 'alias' | 'node_id' | 'version' | 'http'>,
    streamPatterns: readonly string[],
  ): Promise<void> => {
    const { nodes } = database.tables;
    const { alias, node_id, version, http } = status;
    await database.write(async (tx) => {
      const patterns = await patternsOf(tx, database.tables, alias, streamPatterns);
      const row = { node_id, version, http, stream_patterns: [...patterns], last_seen_ms: now() };
      await tx
        .insert(nodes)
        .values({ alias, ...row })
        .onConflictDoUpdate({ target: nodes.alias, set: row });
    });
  };

/** All nodes that were ever seen. */
export const listNodes = (database: Database) => (): Promise<IndexedNode[]> =>
  database.read((queries) => queries.select().from(database.tables.nodes).orderBy(asc(database.tables.nodes.alias)));

/**
 * Grants a directory in the bucket to the spool that asks first; again to the same one. Taken also when another spool's
 * recording already has a stored init file there.
 */
export const claimRecordName =
  ({ database, now }: { database: Database; now: () => number }) =>
  (recordDir: string, spool: string): Promise<'granted' | 'taken'> => {
    const { recordNames, sessions } = database.tables;
    return database.write(async (tx) => {
      const holders = await tx
        .select({ recording_id: sessions.recording_id })
        .from(sessions)
        .where(and(eq(sessions.record_dir, recordDir), eq(sessions.init_stored, true), ne(sessions.spool_id, spool)))
        .limit(1);
      if (holders.length > 0) return 'taken';
      await tx
        .insert(recordNames)
        .values({ record_dir: recordDir, spool_id: spool, claimed_ms: now() })
        .onConflictDoNothing();
      const [name] = await tx.select().from(recordNames).where(eq(recordNames.record_dir, recordDir));
      return name?.spool_id === spool ? 'granted' : 'taken';
    });
  };
