import { randomUUID } from 'node:crypto';
import type { WeirConfig } from '@weir/contracts';
import { type Clock, type Log, oneLine, retry, systemClock, WeirError, within } from '@weir/runtime';
import { sql } from 'drizzle-orm';
import type { Database, OpenOptions } from './database.ts';
import { passesByItself } from './database-error.ts';
import { type DatabaseUrl, decodeDatabaseUrl, placeOf } from './database-url.ts';
import { declareFound, declareLost, listLostSpools, noteSightings } from './lost-spools.ts';
import { playbackDays, playbackOfStream, recordingByDir, recordingsOfDay } from './playback.ts';
import { openPostgres } from './postgresql.ts';
import { chainOf, frameOf, recordingsAfter, recordingsNamed } from './proof.ts';
import { forgetRecording, restoreRecording, rewindSpools, sessionIds } from './reindex.ts';
import { rowsCommit } from './rows-commit.ts';
import { releaseLeases, renewLeases, takeLease } from './spool-leases.ts';
import { claimRecordName, cursorOf, listNodes, listSpools, noteNode, refusedRows } from './spool-registry.ts';
import { openSqlite } from './sqlite.ts';
import { timelineOf } from './timeline.ts';
import { addToken, listTokens, revokeToken, tokenOfHash } from './tokens.ts';

/** `[database]` of the configuration, in the seed's forms; `queryTimeoutSeconds` is 30 unless given. */
export type CatalogOptions = {
  url: string;
  maxConnections: number;
  connectTimeoutSeconds: number;
  queryTimeoutSeconds?: number;
};

/** How a service waits for a database that is not there yet: it tries again for `connectTimeoutSeconds`. */
export type Patience = { signal: AbortSignal; clock?: Pick<Clock, 'sleep'>; monotonicMs?: () => number };

/** What the catalog needs beside its options; `uuid` makes the ids of `recordings`. Without `patience` it tries once. */
export type CatalogDeps = { now: () => number; log: Log; uuid?: () => string; patience?: Patience };

/** `[database]` as the catalog takes it. */
export const catalogOptions = ({ database }: Pick<WeirConfig, 'database'>): CatalogOptions => ({
  url: database.url,
  maxConnections: database.max_connections,
  connectTimeoutSeconds: database.connect_timeout,
  queryTimeoutSeconds: database.query_timeout,
});

const pingTimeoutMs = 2000;

const ping = (database: Database) => (): Promise<void> =>
  within(
    database.read(async (queries) => {
      await queries.select({ one: sql`1` }).from(database.tables.spools).limit(1);
    }),
    pingTimeoutMs,
    () => new WeirError('database_unavailable', `${database.place}: no answer within ${pingTimeoutMs} ms`),
  );

const methods = (database: Database, now: () => number, uuid: () => string) => ({
  dialect: database.dialect,
  /** Where the index is, without user and password. */
  place: database.place,
  /** Resolves when the database answers within 2 s, else throws `database_unavailable`. */
  ping: ping(database),
  commitRows: rowsCommit({ database, now, uuid }),
  cursorOf: cursorOf(database),
  spools: listSpools(database),
  lostSpools: listLostSpools({ database }),
  declareLost: declareLost({ database, now }),
  declareFound: declareFound({ database }),
  noteSightings: noteSightings({ database, now }),
  takeLease: takeLease({ database, now }),
  renewLeases: renewLeases({ database, now }),
  releaseLeases: releaseLeases({ database }),
  refusedRows: refusedRows(database),
  noteNode: noteNode({ database, now }),
  nodes: listNodes(database),
  playbackDays: playbackDays(database),
  playbackOfStream: playbackOfStream(database),
  recordingsOfDay: recordingsOfDay(database),
  recordingByDir: recordingByDir(database),
  timelineOf: timelineOf({ database, now }),
  recordingsNamed: recordingsNamed(database),
  recordingsAfter: recordingsAfter(database),
  chainOf: chainOf(database),
  frameOf: frameOf(database),
  restoreRecording: restoreRecording({ database, now, uuid }),
  forgetRecording: forgetRecording({ database, now, uuid }),
  rewindSpools: rewindSpools(database),
  sessionIds: sessionIds(database),
  claimRecordName: claimRecordName({ database, now }),
  addToken: addToken({ database, now }),
  tokens: listTokens(database),
  tokenOfHash: tokenOfHash(database),
  revokeToken: revokeToken({ database, now }),
});

/** The index. Every method is idempotent and throws `database_unavailable` when the database does not answer. */
export type Catalog = ReturnType<typeof methods> & AsyncDisposable;

const openDatabase = (where: DatabaseUrl, options: OpenOptions): Promise<Database> =>
  where.kind === 'sqlite' ? openSqlite(where, options) : openPostgres(where, options);

/** Tries for `connectTimeoutSeconds`, with one line for each time that failed, while it may pass by itself. */
const awaitDatabase = (
  where: DatabaseUrl,
  options: OpenOptions,
  { signal, clock = systemClock, monotonicMs = () => performance.now() }: Patience,
  log: Log,
): Promise<Database> => {
  const untilMs = monotonicMs() + options.connectTimeoutSeconds * 1000;
  return retry(() => openDatabase(where, options), signal, {
    retryable: (error) => passesByItself(error) && monotonicMs() < untilMs,
    onRetry: (error) => {
      const leftS = Math.ceil((untilMs - monotonicMs()) / 1000);
      log.warn({ database: placeOf(where), reason: oneLine(error), left_s: leftS }, 'the database is waited for');
    },
    clock,
  });
};

/**
 * Opens the index and brings its tables up to date. Throws `config_invalid` for a URL that it does not take,
 * `database_unavailable` when the database cannot be reached, `database_unsupported` when a newer program migrated it.
 */
export const openCatalog = async (
  { url, maxConnections, connectTimeoutSeconds, queryTimeoutSeconds = 30 }: CatalogOptions,
  { now, log, uuid = randomUUID, patience }: CatalogDeps,
): Promise<Catalog> => {
  const where = decodeDatabaseUrl(url);
  const options = { maxConnections, connectTimeoutSeconds, queryTimeoutSeconds, now };
  const database = await (patience === undefined
    ? openDatabase(where, options)
    : awaitDatabase(where, options, patience, log));
  log.info({ database: database.place }, 'index open');
  return { ...methods(database, now, uuid), [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
};
