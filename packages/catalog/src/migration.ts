import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { WeirError } from '@weir/runtime';

/** One migration: a file of plain SQL. */
export type Migration = { name: string; sql: string; sha256: string };

/** What is recorded of a migration that ran. */
export type Applied = { name: string; sha256: string };

/** The table of what ran, in SQL that both dialects take. Writer: whichever process migrates, under the lock. */
export const migrationsTable =
  'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, sha256 text NOT NULL, applied_at text NOT NULL)';

/** Reads the migrations of a dialect in the order of their names. */
export const readMigrations = async (dialect: 'sqlite' | 'postgres'): Promise<Migration[]> => {
  const folder = new URL(`../migrations/${dialect}/`, import.meta.url);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), 'utf8');
      return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
    }),
  );
};

/** The migrations still to run, in order; throws `database_unsupported` when the database has run others than these. */
export const pendingMigrations = (
  known: readonly Migration[],
  applied: readonly Applied[],
  place: string,
): Migration[] => {
  const byName = new Map(known.map((migration) => [migration.name, migration]));
  for (const { name, sha256 } of applied) {
    const mine = byName.get(name);
    if (mine === undefined)
      throw new WeirError('database_unsupported', `${place} has migration ${name}, which this program does not know`);
    if (mine.sha256 !== sha256)
      throw new WeirError('database_unsupported', `${place} ran another text of migration ${name} than this program's`);
  }
  const done = new Set(applied.map(({ name }) => name));
  return known.filter(({ name }) => !done.has(name));
};
