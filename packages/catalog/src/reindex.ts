/**
 * The index built anew from what a bucket says, one recording and one transaction at a time, while indexers and
 * gateways go on. What is written is what a commit of the same rows would write. Whatever is taken out, its spool's
 * cursor goes to 0 with it, and in the end that of every spool: all rows are sent again, and those that are newer, by
 * their stamps, win over those from the bucket. So a rebuild may be stopped at any instant. Of a spool that is lost
 * nothing is sent again, and what was given up with it stays told (`given-up.ts`).
 */
import type { LedgerRow } from '@weir/contracts';
import { and, asc, eq, gt, ne } from 'drizzle-orm';
import type { Database, Queries } from './database.ts';
import { boundsOfDay, refreshDay } from './day-totals.ts';
import { givenUpSession, isAnythingGivenUp, keepGivenUp } from './given-up.ts';
import { type CommitDeps, lockSpool, type RefusedRow, takeRows } from './rows-commit.ts';
import type { Tables } from './schema.ts';

/** A recording as its directory in the bucket tells it; `node` is the alias of who made it. */
export type RestoredRecording = {
  spool: string;
  node: string;
  recordDir: string;
  recordingId: string;
  rows: readonly LedgerRow[];
};

const CHUNK = 500;

type TouchedDay = { stream: string; fromMs: number };

/** Has the recording's spool send all again; answers the days that the recording has, whose own rows will have to be brought up to date. */
const openAnew = async (tx: Queries, t: Tables, recordingId: string): Promise<TouchedDay[]> => {
  const whose = await tx
    .select({ spool: t.sessions.spool_id })
    .from(t.sessions)
    .where(eq(t.sessions.recording_id, recordingId));
  for (const { spool } of whose) await tx.update(t.spools).set({ cursor: 0 }).where(eq(t.spools.spool_id, spool));
  const days = await tx.select().from(t.days).where(eq(t.days.recording_id, recordingId));
  return days.map((day) => ({ stream: day.stream, fromMs: boundsOfDay(day).fromMs }));
};

/** Removes a recording's rows from every table; answers as {@link openAnew}. */
const removeRows = async ({ database }: CommitDeps, tx: Queries, recordingId: string): Promise<TouchedDay[]> => {
  const t = database.tables;
  const days = await openAnew(tx, t, recordingId);
  for (const table of [t.days, t.hours, t.pendingSlots, t.gaps, t.segments, t.inits, t.sessions])
    await tx.delete(table).where(eq(table.recording_id, recordingId));
  return days;
};

/** Takes a recording out, but for what was given up with a lost spool. */
const takeOut = async (
  deps: CommitDeps,
  tx: Queries,
  recordingId: string,
): Promise<{ days: TouchedDay[]; kept: boolean }> => {
  const t = deps.database.tables;
  const session = await givenUpSession(tx, t, recordingId);
  if (session === null || !(await isAnythingGivenUp(tx, t, recordingId)))
    return { days: await removeRows(deps, tx, recordingId), kept: false };
  const days = await openAnew(tx, t, recordingId);
  await keepGivenUp(tx, t, session, []);
  return { days, kept: true };
};

const refreshDays = async (deps: CommitDeps, tx: Queries, days: readonly TouchedDay[]): Promise<void> => {
  const sorted = [...new Map(days.map((day) => [`${day.stream} ${day.fromMs}`, day])).entries()].sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
  for (const [, { stream, fromMs }] of sorted)
    await refreshDay({ ...deps, tx, tables: deps.database.tables }, stream, fromMs);
};

/** Recordings that the index has in this directory though the bucket says that it is another's. */
const strangersIn = async ({ database }: CommitDeps, tx: Queries, recordDir: string, recordingId: string) => {
  const { sessions: s } = database.tables;
  const found = await tx
    .select({ id: s.recording_id })
    .from(s)
    .where(and(eq(s.record_dir, recordDir), eq(s.init_stored, true), ne(s.recording_id, recordingId)));
  return found.map(({ id }) => id);
};

/** Puts a recording's rows in the place of those the index has of it; answers the rows that it does not take. */
export const restoreRecording =
  (deps: CommitDeps) =>
  ({ spool, node, recordDir, recordingId, rows }: RestoredRecording): Promise<RefusedRow[]> =>
    deps.database.write(async (tx) => {
      const { recordNames, spools } = deps.database.tables;
      const [known] = await tx.select().from(spools).where(eq(spools.spool_id, spool));
      // Who sends its rows today knows better than the recording, by which node it was made.
      await lockSpool(deps, tx, spool, known?.node ?? node);
      const givenUp = await givenUpSession(tx, deps.database.tables, recordingId);
      const isKept = givenUp?.spool_id === spool;
      const days = isKept
        ? await openAnew(tx, deps.database.tables, recordingId)
        : await removeRows(deps, tx, recordingId);
      const wanted = isKept ? await keepGivenUp(tx, deps.database.tables, givenUp, rows, recordDir) : rows;
      for (const id of await strangersIn(deps, tx, recordDir, recordingId))
        days.push(...(await takeOut(deps, tx, id)).days);
      await tx
        .insert(recordNames)
        .values({ record_dir: recordDir, spool_id: spool, claimed_ms: deps.now() })
        .onConflictDoUpdate({ target: recordNames.record_dir, set: { spool_id: spool } });
      const refused: RefusedRow[] = [];
      const ordered = wanted.toSorted((a, b) => Number(b.kind === 'recording') - Number(a.kind === 'recording'));
      for (let at = 0; at < ordered.length; at += CHUNK)
        refused.push(...(await takeRows(deps, tx, spool, ordered.slice(at, at + CHUNK), ['*'])));
      await refreshDays(deps, tx, days);
      return refused;
    });

/**
 * Takes a recording out of the index, and lets its spool send everything again, should it still have it. What was given
 * up with a lost spool stays: then it answers true.
 */
export const forgetRecording =
  (deps: CommitDeps) =>
  (recordingId: string): Promise<boolean> =>
    deps.database.write(async (tx) => {
      const { days, kept } = await takeOut(deps, tx, recordingId);
      await refreshDays(deps, tx, days);
      return kept;
    });

/** Sets every spool's cursor to 0 and forgets refusals: all rows are sent and judged again. Answers how many spools. */
export const rewindSpools = (database: Database) => (): Promise<number> =>
  database.write(async (tx) => {
    const { spools, refusals } = database.tables;
    await tx.delete(refusals);
    const found = await tx.update(spools).set({ cursor: 0 }).returning({ spool: spools.spool_id });
    return found.length;
  });

/** Ids and directories of all recordings, those awaited or refused included, in order behind `after`. */
export const sessionIds =
  (database: Database) =>
  (after: string, limit: number): Promise<{ recording_id: string; record_dir: string }[]> => {
    const { sessions: s } = database.tables;
    return database.read((queries) =>
      queries
        .select({ recording_id: s.recording_id, record_dir: s.record_dir })
        .from(s)
        .where(gt(s.recording_id, after))
        .orderBy(asc(s.recording_id))
        .limit(limit),
    );
  };
