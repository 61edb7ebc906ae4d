import { randomUUID } from 'node:crypto';
import { type Log, WeirError, within } from '@weir/runtime';
import { sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { decodeDatabaseUrl } from './database-url.ts';
import { declareFound, declareLost, noteSightings } from './lost-spools.ts';
import { playbackDays, playbackOfStream, recordingByDir, recordingsOfDay } from './playback.ts';
import { openPostgres } from './postgresql.ts';
import { chainOf, frameOf, recordingsAfter, recordingsNamed } from './proof.ts';
import { forgetRecording, restoreRecording, rewindSpools, sessionIds } from './reindex.ts';
import { rowsCommit } from './rows-commit.ts';
import { releaseLeases, renewLeases, takeLease } from './spool-leases.ts';
import { claimRecordName, cursorOf, listNodes, listSpools, noteNode, refusedRows } from './spool-registry.ts';
import { openSqlite } from './sqlite.ts';
import { timelineOf } from './timeline.ts';

/** `[database]` of the configuration, in the seed's forms. */
export type CatalogOptions = { url: string; maxConnections: number; connectTimeoutSeconds: number };

/** What the catalog needs beside its options; `uuid` makes the ids of `recordings`. */
export type CatalogDeps = { now: () => number; log: Log; uuid?: () => string };

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
});

/** The index. Every method is idempotent and throws `database_unavailable` when the database does not answer. */
export type Catalog = ReturnType<typeof methods> & AsyncDisposable;

/**
 * Opens the index and brings its tables up to date. Throws `config_invalid` for a URL that it does not take,
 * `database_unavailable` when the database cannot be reached, `database_unsupported` when a newer program migrated it.
 */
export const openCatalog = async (
  { url, maxConnections, connectTimeoutSeconds }: CatalogOptions,
  { now, log, uuid = randomUUID }: CatalogDeps,
): Promise<Catalog> => {
  const where = decodeDatabaseUrl(url);
  const options = { maxConnections, connectTimeoutSeconds, now };
  const database = await (where.kind === 'sqlite' ? openSqlite(where, options) : openPostgres(where, options));
  log.info({ database: database.place }, 'index open');
  return { ...methods(database, now, uuid), [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
};
