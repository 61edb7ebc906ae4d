import { isWeirError, WeirError, within } from '@weir/runtime';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import type { Database, OpenOptions, Queries } from './database.ts';
import { databaseError, isTransient } from './database-error.ts';
import { type DatabaseUrl, placeOf } from './database-url.ts';
import { type Applied, migrationsTable, pendingMigrations, readMigrations } from './migration.ts';
import { postgresTables } from './schema.ts';

type PostgresUrl = Extract<DatabaseUrl, { kind: 'postgresql' }>;

/** Key of the advisory lock under which one process migrates. */
const migrationLock = 7_307_497;
const attempts = 5;
const closeTimeoutSeconds = 5;

const connect = (url: PostgresUrl, { maxConnections, connectTimeoutSeconds, queryTimeoutSeconds }: OpenOptions) =>
  postgres({
    // As a plain string the driver would take an IPv6 address apart at its colons; its types know no lists here.
    host: [url.host] as unknown as string,
    port: [url.port] as unknown as number,
    database: url.database,
    username: url.username,
    password: url.password,
    ssl: false,
    max: maxConnections,
    connect_timeout: connectTimeoutSeconds,
    // The driver's own default waits up to 20 s after a database came back.
    backoff: (retries) => Math.min(2 ** retries * 0.05, 1),
    onnotice: () => undefined,
    // No column is an array; a connection that is lost while the driver asks for their types would end the process.
    fetch_types: false,
    connection: {
      application_name: 'weir',
      statement_timeout: queryTimeoutSeconds * 1000,
      idle_in_transaction_session_timeout: 60_000,
    },
  });

const migrate = async (client: postgres.Sql, place: string, now: () => number): Promise<void> => {
  const known = await readMigrations('postgres');
  await client.begin(async (sql) => {
    await sql`SELECT pg_advisory_xact_lock(${migrationLock})`;
    await sql.unsafe(migrationsTable);
    const applied = await sql<Applied[]>`SELECT name, sha256 FROM schema_migrations`;
    for (const { name, sql: text, sha256 } of pendingMigrations(known, applied, place)) {
      await sql.unsafe(text).simple();
      await sql`INSERT INTO schema_migrations VALUES (${name}, ${sha256}, ${new Date(now()).toISOString()})`;
    }
  });
};

/** Connects to a PostgreSQL database and migrates it. */
export const openPostgres = async (url: PostgresUrl, options: OpenOptions): Promise<Database> => {
  const place = placeOf(url);
  const client = connect(url, options);
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw databaseError(error, place);
    }
  };
  const again = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!isTransient(error) || attempt === attempts) throw error;
      }
    }
  };
  const close = () => client.end({ timeout: closeTimeoutSeconds });
  const late = () =>
    new WeirError('database_unavailable', `${place}: no answer within ${options.connectTimeoutSeconds} s`, {
      cause: Object.assign(new Error('no answer'), { code: 'CONNECT_TIMEOUT' }),
    });
  try {
    await guarded(() => within(client`SELECT 1`.execute(), options.connectTimeoutSeconds * 1000, late));
    await guarded(() => migrate(client, place, options.now));
  } catch (error) {
    await close();
    if (!isWeirError(error, 'database_unavailable')) throw error;
    const message = `${error.message}: check [database] url, and that the server runs`;
    throw new WeirError('database_unavailable', message, { cause: error.cause });
  }
  const queries = drizzle(client);
  return {
    dialect: 'postgresql',
    tables: postgresTables(),
    place,
    read: (work) => guarded(() => work(queries as unknown as Queries)),
    write: (work) =>
      guarded(() => again(() => queries.transaction((transaction) => work(transaction as unknown as Queries)))),
    [Symbol.asyncDispose]: close,
  };
};
