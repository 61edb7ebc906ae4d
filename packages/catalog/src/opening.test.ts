import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '@libsql/client';
import { silentLog, type WeirError } from '@weir/runtime';
import { freePort, type Postgres, startPostgres, temporaryDirectory } from '@weir/testkit';
import { getTableName } from 'drizzle-orm';
import { getTableConfig as postgresTable } from 'drizzle-orm/pg-core';
import { getTableConfig as sqliteTable } from 'drizzle-orm/sqlite-core';
import postgresClient from 'postgres';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Catalog, openCatalog } from './catalog.ts';
import { databaseError, isRefusedByDatabase } from './database-error.ts';
import { pendingMigrations, readMigrations } from './migration.ts';
import { postgresTables, sqliteTables } from './schema.ts';

const log = silentLog();
const spool = 'aaaaaaaa-0000-4000-8000-000000000001';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const open = async (url: string): Promise<Catalog> => {
  const catalog = await openCatalog({ url, maxConnections: 2, connectTimeoutSeconds: 3 }, { now: () => 0, log });
  onTestFinished(() => catalog[Symbol.asyncDispose]());
  return catalog;
};

const refusal = async (url: string): Promise<WeirError> =>
  open(url).then(
    () => expect.fail('it opened'),
    (error: WeirError) => error,
  );

const newDirectory = (): string => {
  const directory = temporaryDirectory('catalog');
  onTestFinished(() => directory[Symbol.dispose]());
  return directory.path;
};

test('a server that is not there, a wrong password and an unknown database are one line without the password', async () => {
  const port = await freePort();
  const login = 'postgres://weir:geheim-42@127.0.0.1';
  const errors = [
    await refusal(`${login}:${port}/weir`),
    await refusal(`${login}:${postgres.port}/weir`),
    await refusal(postgres.url.replace(/\/weir$/, '/nowhere')),
    await refusal('postgres://weir:geheim-42@no-such-host.invalid/weir'),
  ];
  expect(errors.map(({ code }) => code)).toEqual(Array.from(errors, () => 'database_unavailable'));
  expect(errors[0]?.message).toBe(
    `PostgreSQL 127.0.0.1:${port}/weir: connect ECONNREFUSED 127.0.0.1:${port}: check [database] url, and that the server runs`,
  );
  expect(errors[1]?.message).toMatch(/password authentication failed/);
  expect(errors[2]?.message).toMatch(/"nowhere" does not exist/);
  for (const error of errors) expect(JSON.stringify([error.message, String(error.cause)])).not.toMatch(/geheim|\n/);
});

test('a file of SQLite is made with mode=rwc alone, and a file that is none is named', async () => {
  const directory = newDirectory();
  const path = join(directory, 'deep', 'weir.db');
  expect(await refusal(`sqlite://${path}?mode=rw`)).toMatchObject({
    code: 'database_unavailable',
    message: `SQLite ${path} does not exist: create it with mode=rwc`,
  });
  await open(`sqlite://${path}`);
  expect(existsSync(path)).toBe(true);
  writeFileSync(join(directory, 'text.db'), 'This is no database, and longer than the header of one.'.repeat(20));
  expect(await refusal(`sqlite://${join(directory, 'text.db')}`)).toMatchObject({
    code: 'database_unavailable',
    message: expect.stringMatching(/text\.db: .*not a database/),
  });
  mkdirSync(join(directory, 'a-directory.db'));
  expect(await refusal(`sqlite://${join(directory, 'a-directory.db')}`)).toMatchObject({
    code: 'database_unavailable',
  });
  writeFileSync(join(directory, 'file'), '');
  expect(await refusal(`sqlite://${join(directory, 'file', 'weir.db')}`)).toMatchObject({
    code: 'directory_unwritable',
  });
  chmodSync(directory, 0o755);
});

test('mode=ro reads and refuses to write', async () => {
  const path = join(newDirectory(), 'weir.db');
  expect(await refusal(`sqlite://${path}?mode=ro`)).toMatchObject({ code: 'database_unavailable' });
  const writer = await open(`sqlite://${path}`);
  await writer.claimRecordName('cam-1/1', spool);
  const reader = await open(`sqlite://${path}?mode=ro`);
  expect(await reader.playbackDays()).toEqual([]);
  await expect(reader.claimRecordName('cam-1/1', spool)).rejects.toMatchObject({ code: 'database_unavailable' });
});

test('a database that a newer program migrated is not touched', async () => {
  const path = join(newDirectory(), 'weir.db');
  await open(`sqlite://${path}`);
  const client = createClient({ url: `file:${path}` });
  await client.execute("insert into schema_migrations values ('0099_future.sql', 'x', 'x')");
  client.close();
  expect(await refusal(`sqlite://${path}`)).toMatchObject({
    code: 'database_unsupported',
    message: `SQLite ${path} has migration 0099_future.sql, which this program does not know`,
  });
  const url = await postgres.createDatabase(`future_${randomBytes(4).toString('hex')}`);
  await open(url);
  const sql = postgresClient(url);
  await sql`insert into schema_migrations values ('0099_future.sql', 'x', 'x')`;
  await sql.end();
  expect(await refusal(url)).toMatchObject({ code: 'database_unsupported' });
});

test('a migration whose text changed after it ran is refused', async () => {
  const known = await readMigrations('sqlite');
  const [first] = known;
  expect(pendingMigrations(known, [], 'here')).toEqual(known);
  expect(pendingMigrations(known, known, 'here')).toEqual([]);
  expect(() => pendingMigrations(known, [{ name: first?.name ?? '', sha256: 'other' }], 'here')).toThrow(
    /another text/,
  );
});

const columnsOf = (tables: object, config: (table: never) => { columns: { name: string; notNull: boolean }[] }) =>
  Object.fromEntries(
    Object.values(tables).map((table) => [
      getTableName(table),
      config(table as never)
        .columns.map(({ name, notNull }) => `${name}${notNull ? '' : '?'}`)
        .sort(),
    ]),
  );

test('the columns of the queries are those of the SQLite tables', async () => {
  const path = join(newDirectory(), 'weir.db');
  await open(`sqlite://${path}`);
  const client = createClient({ url: `file:${path}` });
  onTestFinished(() => client.close());
  const { rows } = await client.execute(`select m.name as "table", c.name as "column", c."notnull" or c.pk as strict
    from sqlite_schema m, pragma_table_info(m.name) c where m.type = 'table' and m.name <> 'schema_migrations'`);
  const found = Object.groupBy(rows, (row) => String(row.table));
  const columns = Object.entries(found).map(([table, list = []]) => [
    table,
    list.map((row) => `${row.column}${row.strict === 1 ? '' : '?'}`).sort(),
  ]);
  expect(columnsOf(sqliteTables(), sqliteTable)).toEqual(Object.fromEntries(columns));
  const { rows: tables } = await client.execute(
    "select sql from sqlite_schema where type = 'table' and name <> 'schema_migrations'",
  );
  for (const { sql } of tables)
    expect(sql).toMatch(/^CREATE TABLE \w+ \(\n {2}-- One row per [\s\S]* Writer:\s(?:\s+-- )?\w/);
});

test('the columns of the queries are those of the PostgreSQL tables, and each table says what it is for', async () => {
  const url = await postgres.createDatabase(`columns_${randomBytes(4).toString('hex')}`);
  await open(url);
  const sql = postgresClient(url);
  onTestFinished(() => sql.end());
  const rows = await sql`select table_name as "table", column_name as "column", is_nullable = 'NO' as strict
    from information_schema.columns where table_schema = 'public' and table_name <> 'schema_migrations'`;
  const found = Object.groupBy(rows, (row) => String(row.table));
  const columns = Object.entries(found).map(([table, list = []]) => [
    table,
    list.map((row) => `${row.column}${row.strict === true ? '' : '?'}`).sort(),
  ]);
  expect(columnsOf(postgresTables(), postgresTable)).toEqual(Object.fromEntries(columns));
  const comments = await sql`select relname, obj_description(oid) as comment from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'schema_migrations'`;
  for (const { comment } of comments) expect(comment).toMatch(/^One row per .* Writer: \w/);
});

test("the seed's table is the seed's, column for column", async () => {
  const url = await postgres.createDatabase(`seed_${randomBytes(4).toString('hex')}`);
  await open(url);
  const sql = postgresClient(url);
  onTestFinished(() => sql.end());
  const columns = await sql`select column_name, data_type from information_schema.columns
    where table_name = 'recordings' order by ordinal_position`;
  expect(columns.map(({ column_name, data_type }) => `${column_name} ${data_type}`)).toEqual([
    'id uuid',
    'stream text',
    'year integer',
    'month integer',
    'day integer',
    'mpd_path text',
    'created_at timestamp with time zone',
    'updated_at timestamp with time zone',
  ]);
  const [unique] = await sql`select indexdef from pg_indexes where indexname = 'recordings_stream_day'`;
  expect(unique?.indexdef).toMatch(/UNIQUE INDEX .* \(stream, year, month, day\)/);
});

test('an error of a query tells neither its parameters nor values of the row', () => {
  const cause = Object.assign(new Error('duplicate key value violates unique constraint "x"'), {
    code: '23505',
    detail: 'Key (token)=(geheim) already exists.',
  });
  const query = Object.assign(new Error('Failed query: insert\nparams: geheim', { cause }), { query: 'insert into t' });
  const error = databaseError(query, 'SQLite x');
  expect(error).toMatchObject({ code: 'internal' });
  expect(isRefusedByDatabase(error)).toBe(true);
  expect(`${error.stack} ${JSON.stringify(error)} ${(error.cause as Error).stack}`).not.toContain('geheim');
});
