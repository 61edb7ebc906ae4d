/**
 * Takes ledger rows of a spool and moves its cursor, in one transaction. A page that begins above the cursor has a hole
 * before it and is not taken. Rows the index cannot take are named and passed, so that one bad row holds up nothing.
 * The spool's row is written first and so locks out every other commit of that spool.
 */
import type { AckPage, LedgerRow, RowsPage } from '@weir/contracts';
import { oneLine } from '@weir/runtime';
import { and, between, desc, eq, lt, notInArray, sql } from 'drizzle-orm';
import type { Database, Queries } from './database.ts';
import { driverError, isRefusedByDatabase } from './database-error.ts';
import { writeDays } from './day-totals.ts';
import { type KnownRows, readKnownRows, rowKey, type Session } from './known-rows.ts';
import { judgeRows } from './row-judgement.ts';
import { stampsOfRecording, storeRows } from './row-store.ts';
import { packHours } from './timeline-hours.ts';
import { patternsOf } from './tokens.ts';

/** A row that the index passed without taking it, by its stamp. */
export type RefusedRow = AckPage['refused'][number];

/** Who sends: the node's alias, and the patterns of the streams it may have. */
export type CommitOptions = { node: string; streamPatterns: readonly string[] };

/** Where the spool stands after a commit; `missing` when nothing was taken for the page begins above the cursor. */
export type CommitResult = { cursor: number; refused: RefusedRow[]; missing?: true };

/** The most refused rows that are kept, and named at once, for each spool. */
export const MAX_REFUSED = 1000;

/** What the commit needs. */
export type CommitDeps = { database: Database; now: () => number; uuid: () => string };

/** Of several versions of a row only the newest, in stamp order. */
const newestVersions = (rows: readonly LedgerRow[]): LedgerRow[] => {
  const newest = new Map<string, LedgerRow>();
  for (const row of rows.toSorted((a, b) => a.stamp - b.stamp)) {
    const key = `${row.kind} ${rowKey(row)}`;
    newest.delete(key);
    newest.set(key, row);
  }
  return [...newest.values()];
};

/** Writes the spool's row, and so locks out every other commit of that spool; answers its cursor. */
export const lockSpool = async (
  { database, now }: CommitDeps,
  tx: Queries,
  spool: string,
  node: string,
): Promise<number> => {
  const { spools } = database.tables;
  const [row] = await tx
    .insert(spools)
    .values({ spool_id: spool, node, cursor: 0, last_seen_ms: now() })
    .onConflictDoUpdate({ target: spools.spool_id, set: { node, last_seen_ms: now() } })
    .returning({ cursor: spools.cursor });
  return row?.cursor ?? 0;
};

/** A recording with an init file in the bucket has its directory, as if its spool had asked for it. */
const claimDirectories = async (
  { database, now }: CommitDeps,
  tx: Queries,
  known: KnownRows,
  sessions: ReadonlyMap<string, Session>,
): Promise<void> => {
  const owners = [...sessions.values()].filter(
    ({ recording_id, init_stored }) => init_stored && known.sessions.get(recording_id)?.init_stored !== true,
  );
  if (owners.length === 0) return;
  const values = owners.map(({ record_dir, spool_id }) => ({ record_dir, spool_id, claimed_ms: now() }));
  await tx.insert(database.tables.recordNames).values(values).onConflictDoNothing();
};

/** Judges and writes rows of different keys, with the sums and days that follow from them. */
export const takeRows = async (
  deps: CommitDeps,
  tx: Queries,
  spool: string,
  rows: readonly LedgerRow[],
  streamPatterns: readonly string[],
): Promise<RefusedRow[]> => {
  const { tables } = deps.database;
  const known = await readKnownRows(tx, tables, spool, rows);
  const verdict = judgeRows(known, rows, { spool, streamPatterns });
  const { sessions, totals } = await storeRows(tx, tables, known, verdict);
  await claimDirectories(deps, tx, known, sessions);
  await writeDays({ ...deps, tx, tables }, sessions, totals, verdict.moved);
  await packHours(tx, tables, known, verdict, sessions);
  const refused = [...verdict.refused];
  for (const [recordingId, reason] of verdict.lost)
    for (const stamp of await stampsOfRecording(tx, tables, recordingId, MAX_REFUSED))
      refused.push({ stamp, reason: `its recording was refused: ${reason}`.slice(0, 500) });
  return refused;
};

/** Takes rows each in a savepoint of its own, so that one that the database refuses is refused alone. */
const takeOneByOne = async (
  deps: CommitDeps,
  tx: Queries,
  spool: string,
  rows: readonly LedgerRow[],
  patterns: readonly string[],
): Promise<RefusedRow[]> => {
  const refused: RefusedRow[] = [];
  for (const row of rows) {
    try {
      refused.push(...(await tx.transaction((inner) => takeRows(deps, inner, spool, [row], patterns))));
    } catch (error) {
      if (!isRefusedByDatabase(error)) throw error;
      refused.push({
        stamp: row.stamp,
        reason: `refused by the database: ${oneLine(driverError(error))}`.slice(0, 500),
      });
    }
  }
  return refused;
};

const noteRefusals = async (
  { database, now }: CommitDeps,
  tx: Queries,
  spool: string,
  refused: readonly RefusedRow[],
): Promise<void> => {
  const { refusals } = database.tables;
  if (refused.length === 0) return;
  const values = refused.map(({ stamp, reason }) => ({ spool_id: spool, stamp, reason, noted_ms: now() }));
  await tx
    .insert(refusals)
    .values(values)
    .onConflictDoUpdate({
      target: [refusals.spool_id, refusals.stamp],
      set: { reason: sql.raw('excluded.reason'), noted_ms: now() },
    });
  const [oldest] = await tx
    .select({ stamp: refusals.stamp })
    .from(refusals)
    .where(eq(refusals.spool_id, spool))
    .orderBy(desc(refusals.stamp))
    .limit(1)
    .offset(MAX_REFUSED - 1);
  if (oldest !== undefined)
    await tx.delete(refusals).where(and(eq(refusals.spool_id, spool), lt(refusals.stamp, oldest.stamp)));
};

/** Forgets refusals of rows that were taken after all. */
const forgetRefusals = async (
  { database }: CommitDeps,
  tx: Queries,
  spool: string,
  rows: readonly LedgerRow[],
  refused: readonly RefusedRow[],
): Promise<void> => {
  const { refusals } = database.tables;
  // A page has all rows between its first and its last: what was refused there and is not on it has another stamp now.
  const [first, last] = [rows[0]?.stamp, rows.at(-1)?.stamp];
  if (first === undefined || last === undefined) return;
  const named = refused.map((row) => row.stamp);
  const taken = and(eq(refusals.spool_id, spool), between(refusals.stamp, first, last));
  await tx.delete(refusals).where(named.length === 0 ? taken : and(taken, notInArray(refusals.stamp, named)));
};

const uniqueStamps = (refused: readonly RefusedRow[]): RefusedRow[] =>
  [...new Map(refused.map((row) => [row.stamp, row])).values()].sort((a, b) => a.stamp - b.stamp).slice(-MAX_REFUSED);

const commitIn = async (
  deps: CommitDeps,
  tx: Queries,
  page: RowsPage,
  { node, streamPatterns }: CommitOptions,
  take: typeof takeRows,
): Promise<CommitResult> => {
  const { spools } = deps.database.tables;
  const before = await lockSpool(deps, tx, page.spool, node);
  if (page.after > before) return { cursor: before, refused: [], missing: true };
  const rows = newestVersions(page.rows);
  const patterns = await patternsOf(tx, deps.database.tables, node, streamPatterns);
  const refused = uniqueStamps(await take(deps, tx, page.spool, rows, patterns));
  await forgetRefusals(deps, tx, page.spool, rows, refused);
  await noteRefusals(deps, tx, page.spool, refused);
  const cursor = Math.max(before, ...rows.slice(-1).map((row) => row.stamp));
  // A spool that sends what is new is not lost.
  if (cursor > before)
    await tx
      .update(spools)
      .set({ cursor, lost_since_ms: null, lost_by: null, unlisted_ms: 0 })
      .where(eq(spools.spool_id, page.spool));
  return { cursor, refused };
};

/** Makes `commitRows`; see the top of the file. Throws `database_unavailable` when nothing could be taken. */
export const rowsCommit =
  (deps: CommitDeps) =>
  async (page: RowsPage, options: CommitOptions): Promise<CommitResult> => {
    const commit = (take: typeof takeRows) => deps.database.write((tx) => commitIn(deps, tx, page, options, take));
    try {
      return await commit(takeRows);
    } catch (error) {
      if (!isRefusedByDatabase(error)) throw error;
      return commit(takeOneByOne);
    }
  };
