import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type { Tables } from './schema.ts';

/** A handle for queries: a transaction, or single statements. */
export type Queries = PgDatabase<PgQueryResultHKT>;

/** An open database of either dialect. Every error that leaves it is a WeirError without parameters or password. */
export type Database = AsyncDisposable & {
  dialect: 'sqlite' | 'postgresql';
  tables: Tables;
  /** Where it is, without user and password. */
  place: string;
  /** Runs reads, each statement on its own. */
  read<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /** Runs `work` in one transaction, again from its beginning when another transaction was in the way. */
  write<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
};

/**
 * What opening and migrating need beside the URL. A statement of PostgreSQL that takes longer than `queryTimeoutSeconds`
 * is cut; SQLite waits for a lock for as long, and for 10 s at most.
 */
export type OpenOptions = {
  maxConnections: number;
  connectTimeoutSeconds: number;
  queryTimeoutSeconds: number;
  now: () => number;
};
