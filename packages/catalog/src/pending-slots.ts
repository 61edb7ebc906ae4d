/**
 * How many segments wait at the site, by recording and five minutes of time, so that a segment's place in its spool's
 * queue is told without counting the queue. What always holds: a row of `pending_slots` has the number of the
 * recording's segments that start in that slot and wait; where none does there is no row.
 */
import type { LedgerRow } from '@weir/contracts';
import { and, eq, gte, inArray, lt, lte, ne, sql } from 'drizzle-orm';
import type { Queries } from './database.ts';
import { type KnownRows, rowKey, type Session } from './known-rows.ts';
import { isPending } from './pending-segment.ts';
import type { Tables } from './schema.ts';

/** Milliseconds of a slot. */
export const slotMs = 300_000;

const slotOf = (wallMs: number): number => Math.floor(wallMs / slotMs);

type Change = { recording_id: string; slot: number; spool_id: string; segments: number };

/** Keeps the counts by the differences that rows of segments make; `known` is what the index had of them before. */
export const countPending = async (
  tx: Queries,
  { pendingSlots: p }: Tables,
  known: Pick<KnownRows, 'segments'>,
  taken: readonly LedgerRow[],
  sessions: ReadonlyMap<string, Pick<Session, 'spool_id'>>,
): Promise<void> => {
  const changes = new Map<string, Change>();
  const add = (recording_id: string, startMs: number, segments: 1 | -1) => {
    const slot = slotOf(startMs);
    const key = `${recording_id} ${slot}`;
    const before = changes.get(key);
    if (before !== undefined) before.segments += segments;
    else changes.set(key, { recording_id, slot, spool_id: sessions.get(recording_id)?.spool_id ?? '', segments });
  };
  for (const row of taken) {
    if (row.kind !== 'segment') continue;
    const before = known.segments.get(rowKey(row));
    if (before?.pending) add(row.recording_id, before.start_ms, -1);
    if (isPending(row)) add(row.recording_id, row.start_ms, 1);
  }
  const values = [...changes.values()].filter(({ segments }) => segments !== 0);
  if (values.length === 0) return;
  await tx
    .insert(p)
    .values(values)
    .onConflictDoUpdate({
      target: [p.recording_id, p.slot],
      set: { segments: sql`${p.segments} + ${sql.raw('excluded."segments"')}` },
    });
  const ids = [...new Set(values.map(({ recording_id }) => recording_id))];
  await tx.delete(p).where(and(inArray(p.recording_id, ids), lte(p.segments, 0)));
};

/**
 * How many segments of a spool wait that start before each of these times. Reads a number for every five minutes of the
 * backlog, and segments of the slots alone in which the times lie.
 */
export const pendingBefore = async (
  queries: Queries,
  { pendingSlots: p, segments: g }: Tables,
  spool: string,
  times: readonly number[],
): Promise<number[]> => {
  const latest = Math.max(...times);
  const counts = await queries
    .select({ slot: p.slot, segments: sql`sum(${p.segments})`.mapWith(Number) })
    .from(p)
    .where(and(eq(p.spool_id, spool), lt(p.slot, slotOf(latest))))
    .groupBy(p.slot);
  const inside = await queries
    .select({ start_ms: g.start_ms })
    .from(p)
    .innerJoin(
      g,
      and(
        eq(g.recording_id, p.recording_id),
        gte(g.start_ms, sql`${p.slot} * ${sql.raw(String(slotMs))}`),
        lt(g.start_ms, sql`(${p.slot} + 1) * ${sql.raw(String(slotMs))}`),
        // Literally, so that the partial index of pending segments serves.
        sql`${g.remote} = 'none'`,
        ne(g.local, 'gone'),
      ),
    )
    .where(and(eq(p.spool_id, spool), inArray(p.slot, [...new Set(times.map(slotOf))]), lt(g.start_ms, latest)));
  return times.map(
    (time) =>
      counts.reduce((sum, { slot, segments }) => sum + (slot < slotOf(time) ? segments : 0), 0) +
      inside.filter(({ start_ms }) => start_ms < time && slotOf(start_ms) === slotOf(time)).length,
  );
};
