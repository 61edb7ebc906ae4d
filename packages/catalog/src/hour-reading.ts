/** Reads hours of recordings: packed where they are, from `segments` where not. */
import { and, asc, desc, eq, gte, inArray, isNull, lt, or, sql } from 'drizzle-orm';
import type { Queries } from './database.ts';
import { decodePackedHour, decodeStoredSummary, type PackedSegment } from './packed-hour.ts';
import type { Tables } from './schema.ts';
import { hourMs, hourOf, packedColumns, packedOf } from './timeline-hours.ts';
import { type Bare, seamMs } from './timeline-spans.ts';

/** The hours from `fromMs` to `toMs` of recordings that are packed, as bytes, by recording and hour. */
export const readPackedHours = async (
  queries: Queries,
  { hours: h }: Tables,
  ids: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<{ recording_id: string; hour: number; packed: Uint8Array }[]> =>
  ids.length === 0
    ? []
    : queries
        .select({ recording_id: h.recording_id, hour: h.hour, packed: h.packed })
        .from(h)
        .where(
          and(inArray(h.recording_id, [...ids]), gte(h.hour, hourOf(fromMs)), lt(h.hour, Math.ceil(toMs / hourMs))),
        )
        .orderBy(asc(h.recording_id), asc(h.hour));

/** The stretches of `fromMs` to `toMs` that no packed hour covers, at whole hours inside. */
export const unpackedRanges = (
  packed: ReadonlyMap<number, unknown> | undefined,
  fromMs: number,
  toMs: number,
): Bare[] => {
  const ranges: Bare[] = [];
  for (let hour = hourOf(fromMs); hour * hourMs < toMs; hour += 1) {
    if (packed?.has(hour)) continue;
    const last = ranges.at(-1);
    const end = Math.min(toMs, (hour + 1) * hourMs);
    if (last !== undefined && last.to === hour * hourMs) last.to = end;
    else ranges.push({ from: Math.max(fromMs, hour * hourMs), to: end });
  }
  return ranges;
};

const readRows = async (
  queries: Queries,
  t: Tables,
  ids: readonly string[],
  { from, to }: Bare,
): Promise<(PackedSegment & { recording_id: string })[]> => {
  const { segments: s } = t;
  const rows = await queries
    .select(packedColumns(t))
    .from(s)
    .where(and(inArray(s.recording_id, [...ids]), eq(s.remote, 'stored'), gte(s.start_ms, from), lt(s.start_ms, to)))
    .orderBy(asc(s.recording_id), asc(s.number));
  return rows.map((row) => ({ ...packedOf(row), recording_id: row.recording_id }));
};

/** The stretches that are not packed, each with the recordings for which it is so: most lack the same, the open hour. */
const rangesToRead = (
  packed: ReadonlyMap<string, ReadonlyMap<number, unknown>>,
  ids: readonly string[],
  fromMs: number,
  toMs: number,
): { range: Bare; ids: string[] }[] => {
  const asked = new Map<string, { range: Bare; ids: string[] }>();
  for (const id of ids)
    for (const range of unpackedRanges(packed.get(id), fromMs, toMs)) {
      const key = `${range.from} ${range.to}`;
      const of = asked.get(key);
      if (of === undefined) asked.set(key, { range, ids: [id] });
      else of.ids.push(id);
    }
  return [...asked.values()];
};

/** Stored segments of a recording in order of their numbers; each iteration decodes them anew, an hour at a time. */
export type StoredSegments = Iterable<PackedSegment> & { isEmpty: boolean };

type Chunk = { first: number; last: number; read: () => PackedSegment[] };

/** Chunks one after the other; those whose numbers overlap, for a clock was set back, are sorted together. */
const inOrder = (chunks: readonly Chunk[]): StoredSegments => {
  const groups: Chunk[][] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const chunk of chunks.toSorted((a, b) => a.first - b.first)) {
    if (chunk.first > last) groups.push([chunk]);
    else groups.at(-1)?.push(chunk);
    last = Math.max(last, chunk.last);
  }
  return {
    isEmpty: groups.length === 0,
    *[Symbol.iterator]() {
      for (const group of groups)
        if (group.length === 1) yield* group[0]?.read() ?? [];
        else yield* group.flatMap(({ read }) => read()).sort((a, b) => a.number - b.number);
    },
  };
};

/**
 * The stored segments of recordings that start from `fromMs` on and before `toMs`, both whole hours. They are not all
 * made at once: 21,600 of a day, with an object for each track, cost more in collecting them than in reading them.
 */
export const readStoredSegments = async (
  queries: Queries,
  t: Tables,
  ids: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, StoredSegments>> => {
  const packedHours = new Map<string, Map<number, true>>();
  const chunks = new Map<string, Chunk[]>(ids.map((id) => [id, []]));
  for (const { recording_id, hour, packed } of await readPackedHours(queries, t, ids, fromMs, toMs)) {
    // One that cannot be read, such as of a newer version, is as one that is not there.
    const summary = decodeStoredSummary(packed);
    if (summary === null) continue;
    packedHours.set(recording_id, (packedHours.get(recording_id) ?? new Map<number, true>()).set(hour, true));
    const read = () => decodePackedHour(packed)?.filter(({ stored }) => stored) ?? [];
    if (summary.count > 0) chunks.get(recording_id)?.push({ ...summary, read });
  }
  for (const { range, ids: of } of rangesToRead(packedHours, ids, fromMs, toMs))
    for (const [id, rows] of Map.groupBy(await readRows(queries, t, of, range), (row) => row.recording_id)) {
      const [first = 0, last = 0] = [rows[0]?.number, rows.at(-1)?.number];
      chunks.get(id)?.push({ first, last, read: () => rows.map(({ recording_id: _, ...segment }) => segment) });
    }
  return new Map([...chunks].map(([id, list]) => [id, inOrder(list)]));
};

/** A stretch of a recording's segments: `pending` at the site, or `gone` from there, when the bucket took none nor refused it. */
export type TimedStretch = Bare & { state: 'stored' | 'refused' | 'pending' | 'gone' };

const stateOf = ({ remote, local }: { remote: string; local: string }): TimedStretch['state'] =>
  remote === 'stored' || remote === 'refused' ? remote : local === 'gone' ? 'gone' : 'pending';

/** Stretches of segments that are not packed. The database joins them: of an hour's 900 rows it answers first and last. */
const readOpenStretches = async (
  queries: Queries,
  t: Tables,
  ids: string[],
  { from, to }: Bare,
): Promise<(TimedStretch & { recording_id: string })[]> => {
  const { segments: s } = t;
  const end = sql`${s.start_ms} + ${s.duration_ms}`;
  const state = sql`${s.remote} || ' ' || ${s.local}`;
  // In the order of an index, so that nothing is sorted.
  const beside = sql`over (partition by ${s.recording_id} order by ${s.start_ms})`;
  const rows = queries
    .select({
      recording_id: s.recording_id,
      remote: s.remote,
      local: s.local,
      start_ms: s.start_ms,
      end_ms: sql<number>`${end}`.as('end_ms'),
      state: sql<string>`${state}`.as('state'),
      end_before: sql<number | null>`lag(${end}) ${beside}`.as('end_before'),
      state_before: sql<string | null>`lag(${state}) ${beside}`.as('state_before'),
      start_after: sql<number | null>`lead(${s.start_ms}) ${beside}`.as('start_after'),
    })
    .from(s)
    .where(and(inArray(s.recording_id, ids), gte(s.start_ms, from), lt(s.start_ms, to)))
    .as('open_rows');
  const isFirst = or(
    isNull(rows.end_before),
    sql`${rows.start_ms} > ${rows.end_before} + ${seamMs}`,
    // One that ends before the one before it would cut that short.
    sql`${rows.end_ms} < ${rows.end_before}`,
    sql`${rows.state} <> ${rows.state_before}`,
  );
  const found = await queries
    .select({ ...rows._.selectedFields, is_first: sql`case when ${isFirst} then 1 else 0 end`.mapWith(Number) })
    .from(rows)
    .where(or(isFirst, isNull(rows.start_after)))
    .orderBy(asc(rows.recording_id), asc(rows.start_ms));
  const stretches: (TimedStretch & { recording_id: string })[] = [];
  let open: (TimedStretch & { recording_id: string }) | null = null;
  const close = (endMs: number) => {
    if (open !== null) stretches.push({ ...open, to: endMs });
    open = null;
  };
  for (const row of found) {
    if (row.is_first === 1) {
      close(Number(row.end_before));
      open = { recording_id: row.recording_id, from: row.start_ms, to: row.start_ms, state: stateOf(row) };
    }
    if (row.start_after === null) close(Number(row.end_ms));
  }
  return stretches;
};

/** What time segments take that start in the hours from `fromMs` to `toMs`, by recording. */
export const readStretches = async (
  queries: Queries,
  t: Tables,
  ids: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, TimedStretch[]>> => {
  const { hours: h } = t;
  const found = new Map<string, TimedStretch[]>(ids.map((id) => [id, []]));
  if (ids.length === 0) return found;
  const packed = new Map<string, Map<number, true>>();
  const rows = await queries
    .select({ recording_id: h.recording_id, hour: h.hour, stretches: h.stretches })
    .from(h)
    .where(and(inArray(h.recording_id, [...ids]), gte(h.hour, hourOf(fromMs)), lt(h.hour, Math.ceil(toMs / hourMs))));
  for (const { recording_id, hour, stretches } of rows) {
    packed.set(recording_id, (packed.get(recording_id) ?? new Map<number, true>()).set(hour, true));
    for (const state of ['stored', 'refused'] as const)
      for (const [from, to] of stretches[state]) found.get(recording_id)?.push({ from, to, state });
  }
  for (const { range, ids: of } of rangesToRead(packed, ids, fromMs, toMs))
    for (const { recording_id, ...stretch } of await readOpenStretches(queries, t, of, range))
      found.get(recording_id)?.push(stretch);
  return found;
};

/** Of a recording, where the last segment before a range ends and the first behind it begins; null where there is none. */
export type Neighbours = { endBefore: number | null; startAfter: number | null };

/** The segments next to the range from `fromMs` to `toMs`, by recording: two steps down an index for each. */
export const readNeighbours = async (
  queries: Queries,
  { segments: g, sessions: s }: Tables,
  ids: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, Neighbours>> => {
  if (ids.length === 0) return new Map();
  const ofSession = eq(g.recording_id, s.recording_id);
  const before = queries
    .select({ end_ms: sql`${g.start_ms} + ${g.duration_ms}` })
    .from(g)
    .where(and(ofSession, lt(g.start_ms, fromMs)))
    .orderBy(desc(g.start_ms))
    .limit(1);
  const after = queries
    .select({ start_ms: g.start_ms })
    .from(g)
    .where(and(ofSession, gte(g.start_ms, toMs)))
    .orderBy(asc(g.start_ms))
    .limit(1);
  const rows = await queries
    .select({
      recording_id: s.recording_id,
      end_before: sql<number | string | null>`(${before})`,
      start_after: sql<number | string | null>`(${after})`,
    })
    .from(s)
    .where(inArray(s.recording_id, [...ids]));
  const number = (value: number | string | null) => (value === null ? null : Number(value));
  return new Map(
    rows.map(({ recording_id, end_before, start_after }) => [
      recording_id,
      { endBefore: number(end_before), startAfter: number(start_after) },
    ]),
  );
};
