/**
 * Spools that will not come back, as far as anybody knows. What they have not sent is told as missing, with the cause
 * `spool_lost`: computed when it is read, from the segments that still wait, so that a segment that turns up after all,
 * or the spool itself, takes its gap back in the same moment.
 */
import type { LostSpool } from '@weir/contracts';
import { and, asc, desc, eq, inArray, isNotNull, ne, sql } from 'drizzle-orm';
import type { Database, Queries } from './database.ts';
import type { Session } from './known-rows.ts';
import type { Tables } from './schema.ts';
import { joinStretches, seamMs } from './timeline-spans.ts';

/** A spool that became lost, or is lost no more. */
type SpoolTurn = { spool: string; node: string };

/** What an operator's word did: `listed` when a node had it within the last three minutes, `unknown` to the index. */
export type LostVerdict = 'lost' | 'already' | 'listed' | 'unknown';

/** What a round of watching saw: spools that a status lists, and for how long others were not listed by their online node. */
export type SpoolSightings = { listed: readonly string[]; unlisted: readonly { spool: string; ms: number }[] };

type LostDeps = { database: Database; now: () => number };
type Gap = Tables['gaps']['$inferSelect'];

const MAX_LOST = 10_000;
const listedWithinMs = 180_000;
const found = { lost_since_ms: null, lost_by: null, unlisted_ms: 0 };

/** Declares a spool lost by an operator's word. */
export const declareLost =
  ({ database, now }: LostDeps) =>
  (spool: string): Promise<LostVerdict> => {
    const { spools: s } = database.tables;
    return database.write(async (tx) => {
      const [row] = await tx.select().from(s).where(eq(s.spool_id, spool));
      if (row === undefined) return 'unknown';
      if (row.lost_since_ms !== null) return 'already';
      if (row.last_listed_ms !== null && row.last_listed_ms > now() - listedWithinMs) return 'listed';
      await tx.update(s).set({ lost_since_ms: now(), lost_by: 'operator' }).where(eq(s.spool_id, spool));
      return 'lost';
    });
  };

/** Takes the word back; false when the spool was not lost. */
export const declareFound =
  ({ database }: Pick<LostDeps, 'database'>) =>
  (spool: string): Promise<boolean> => {
    const { spools: s } = database.tables;
    return database.write(async (tx) => {
      const rows = await tx
        .update(s)
        .set(found)
        .where(and(eq(s.spool_id, spool), isNotNull(s.lost_since_ms)))
        .returning({ spool: s.spool_id });
      return rows.length > 0;
    });
  };

/** What a round of watching changed, and the spools that are lost now. */
type SightingsNoted = { lost: SpoolTurn[]; found: SpoolTurn[]; standing: LostSpool[] };

/** Notes a round of watching; spools that were not listed for `orphanAfterMs` become lost, at 0 none does. */
export const noteSightings =
  ({ database, now }: LostDeps) =>
  ({ listed, unlisted }: SpoolSightings, orphanAfterMs: number): Promise<SightingsNoted> => {
    const { tables } = database;
    const { spools: s } = tables;
    const turn = { spool: s.spool_id, node: s.node };
    return database.write(async (tx) => {
      const noted: SightingsNoted = { lost: [], found: [], standing: [] };
      if (listed.length > 0) {
        const isListed = inArray(s.spool_id, [...listed]);
        noted.found = await tx
          .select(turn)
          .from(s)
          .where(and(isListed, isNotNull(s.lost_since_ms)));
        await tx
          .update(s)
          .set({ ...found, last_listed_ms: now() })
          .where(isListed);
      }
      for (const [ms, group] of Map.groupBy(unlisted, (each) => each.ms)) {
        const ids = group.map(({ spool }) => spool);
        const since = sql<number>`${s.unlisted_ms} + ${ms}`;
        await tx.update(s).set({ unlisted_ms: since }).where(inArray(s.spool_id, ids));
        if (orphanAfterMs === 0) continue;
        const lost = await tx
          .update(s)
          .set({ lost_since_ms: now(), lost_by: 'unlisted' })
          .where(
            and(inArray(s.spool_id, ids), sql`${s.lost_since_ms} is null`, sql`${s.unlisted_ms} >= ${orphanAfterMs}`),
          )
          .returning(turn);
        noted.lost.push(...lost);
      }
      noted.standing = await lostRows(tx, tables);
      return noted;
    });
  };

/** The spools that are lost, and since when. */
export const readLostSpools = async (queries: Queries, { spools: s }: Tables): Promise<Map<string, number>> => {
  // Literally, so that the partial index serves.
  const rows = await queries.select().from(s).where(sql`${s.lost_since_ms} is not null`);
  return new Map(rows.map((row) => [row.spool_id, row.lost_since_ms ?? 0]));
};

const lostRows = async (queries: Queries, { spools: s }: Tables): Promise<LostSpool[]> => {
  const rows = await queries
    .select()
    .from(s)
    // Literally, so that the partial index serves.
    .where(sql`${s.lost_since_ms} is not null`)
    .orderBy(desc(s.lost_since_ms), asc(s.spool_id))
    .limit(MAX_LOST);
  return rows.map(({ spool_id: spool, node, lost_since_ms, lost_by, last_seen_ms, last_listed_ms }) => ({
    spool,
    node,
    lost_since_ms: lost_since_ms ?? 0,
    lost_by: lost_by ?? 'operator',
    last_seen_ms,
    last_listed_ms,
  }));
};

/** The spools that are lost, the newest loss first; at most 10,000. */
export const listLostSpools =
  ({ database }: Pick<LostDeps, 'database'>) =>
  (): Promise<LostSpool[]> =>
    database.read((queries) => lostRows(queries, database.tables));

/** What recordings of lost spools still wait for, as gaps; `range` leaves out what lies outside. */
export const readLostGaps = async (
  queries: Queries,
  t: Tables,
  sessions: readonly Pick<Session, 'recording_id' | 'spool_id'>[],
  range?: { fromMs: number; toMs: number },
): Promise<Gap[]> => {
  const lost = sessions.length === 0 ? new Map<string, number>() : await readLostSpools(queries, t);
  const since = new Map(
    sessions.flatMap(({ recording_id, spool_id }) => {
      const ms = lost.get(spool_id);
      return ms === undefined ? [] : [[recording_id, ms] as const];
    }),
  );
  if (since.size === 0) return [];
  const { segments: g } = t;
  const waiting = await queries
    .select({ recording_id: g.recording_id, from: g.start_ms, duration: g.duration_ms })
    .from(g)
    // Literally, so that the partial index of pending segments serves.
    .where(and(inArray(g.recording_id, [...since.keys()]), sql`${g.remote} = 'none'`, ne(g.local, 'gone')))
    .orderBy(asc(g.recording_id), asc(g.start_ms));
  return [...Map.groupBy(waiting, (row) => row.recording_id)].flatMap(([recording_id, rows]) =>
    joinStretches(
      rows.map(({ from, duration }) => ({ from, to: from + duration })),
      seamMs,
    )
      .filter(({ from, to }) => range === undefined || (from < range.toMs && to >= range.fromMs))
      .map(
        ({ from, to }): Gap => ({
          recording_id,
          from_ms: from,
          to_ms: to,
          stamp: 0,
          cause: 'spool_lost',
          segment: null,
          noted_ms: since.get(recording_id) ?? 0,
          withdrawn: false,
        }),
      ),
  );
};
