/**
 * SQLite: one connection that writes, one that reads. Both are synchronous underneath, so a connection that waited for
 * a lock inside SQLite would hold up the event loop, and with it the other transaction of this process that has the
 * lock: hence the short busy timeout there and the patient one here.
 */
import { access, constants, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Client, createClient } from '@libsql/client';
import { fileError, WeirError } from '@weir/runtime';
import { drizzle } from 'drizzle-orm/libsql';
import type { Database, OpenOptions, Queries } from './database.ts';
import { databaseError, isTransient } from './database-error.ts';
import { type DatabaseUrl, placeOf } from './database-url.ts';
import { type Applied, migrationsTable, pendingMigrations, readMigrations } from './migration.ts';
import { sqliteTables } from './schema.ts';

const nativeBusyTimeoutMs = 5;
const mostBusySeconds = 10;

type SqliteUrl = Extract<DatabaseUrl, { kind: 'sqlite' }>;

const prepareFile = async ({ path, mode }: SqliteUrl): Promise<void> => {
  try {
    if (mode === 'rwc') await mkdir(dirname(path), { recursive: true });
    else await access(path, mode === 'ro' ? constants.R_OK : constants.R_OK | constants.W_OK);
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (mode !== 'rwc' && missing)
      throw new WeirError('database_unavailable', `SQLite ${path} does not exist: create it with mode=rwc`);
    throw fileError(error, path);
  }
};

/** Runs `work`, again after a moment while another connection has the lock, for so long. */
const patiently = async <T>(client: Client, busyTimeoutMs: number, work: () => Promise<T>): Promise<T> => {
  const deadline = performance.now() + busyTimeoutMs;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error) || performance.now() > deadline) throw error;
    }
    // The driver does not reset a statement that found the file locked, and SQLite then commits nothing on that
    // connection ("SQL statements in progress"): the next try gets a new one.
    await client.reconnect();
    await delay(waitMs);
  }
};

const connect = async (path: string, busyTimeoutMs: number, pragmas: string): Promise<Client> => {
  const url = `file:${path.replace(/[%?#]/g, encodeURIComponent)}`;
  const client = createClient({ url, concurrency: 1, timeout: nativeBusyTimeoutMs });
  try {
    await patiently(client, busyTimeoutMs, () => client.executeMultiple(pragmas));
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
};

const migrate = async (client: Client, busyTimeoutMs: number, place: string, now: () => number): Promise<void> => {
  const known = await readMigrations('sqlite');
  const transaction = await patiently(client, busyTimeoutMs, () => client.transaction('write'));
  try {
    await transaction.execute(migrationsTable);
    const { rows } = await transaction.execute('SELECT name, sha256 FROM schema_migrations');
    const applied = rows.map((row): Applied => ({ name: String(row.name), sha256: String(row.sha256) }));
    for (const { name, sql, sha256 } of pendingMigrations(known, applied, place)) {
      await transaction.executeMultiple(sql);
      const args = [name, sha256, new Date(now()).toISOString()];
      await transaction.execute({ sql: 'INSERT INTO schema_migrations VALUES (?, ?, ?)', args });
    }
    await transaction.commit();
  } finally {
    transaction.close();
  }
};

const requireMigrated = async (client: Client, place: string): Promise<void> => {
  const { rows } = await client.execute("SELECT name FROM sqlite_schema WHERE name = 'schema_migrations'");
  const applied = rows.length === 0 ? [] : (await client.execute('SELECT name, sha256 FROM schema_migrations')).rows;
  const names = applied.map((row): Applied => ({ name: String(row.name), sha256: String(row.sha256) }));
  if (pendingMigrations(await readMigrations('sqlite'), names, place).length > 0)
    throw new WeirError('database_unsupported', `${place} is older than this program and opened with mode=ro`);
};

const writerPragmas = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;';
// The client opens a new connection by itself when one could not be rolled back, and this one does when it had to wait.
const sessionPragmas = 'PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;';

/** Opens, and unless `mode=ro` migrates, a file of SQLite. */
export const openSqlite = async (url: SqliteUrl, { now, queryTimeoutSeconds }: OpenOptions): Promise<Database> => {
  const busyTimeoutMs = Math.min(queryTimeoutSeconds, mostBusySeconds) * 1000;
  const place = placeOf(url);
  const clients: Client[] = [];
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw databaseError(error, place);
    }
  };
  const open = async () => {
    await prepareFile(url);
    if (url.mode !== 'ro') {
      const writer = await connect(url.path, busyTimeoutMs, writerPragmas);
      clients.push(writer);
      await migrate(writer, busyTimeoutMs, place, now);
    }
    const reader = await connect(url.path, busyTimeoutMs, 'PRAGMA query_only = ON;');
    clients.push(reader);
    if (url.mode === 'ro') await requireMigrated(reader, place);
    return reader;
  };
  const close = () => {
    for (const client of clients) client.close();
  };
  const reader = await guarded(open).catch((error: unknown) => {
    close();
    throw error;
  });
  const writer = clients[0] ?? reader;
  const reading = drizzle(reader) as unknown as Queries;
  const writing = drizzle(writer);
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    dialect: 'sqlite',
    tables: sqliteTables(),
    place,
    read: (work) => guarded(() => patiently(reader, busyTimeoutMs, () => work(reading))),
    async write(work) {
      if (url.mode === 'ro') throw new WeirError('database_unavailable', `${place} is opened with mode=ro`);
      const transact = async () => {
        await writer.executeMultiple(sessionPragmas);
        return writing.transaction((transaction) => work(transaction as unknown as Queries));
      };
      return guarded(() => inTurn(() => patiently(writer, busyTimeoutMs, transact)));
    },
    async [Symbol.asyncDispose]() {
      await last;
      close();
    },
  };
};
