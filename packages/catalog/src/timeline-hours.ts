/**
 * Finished hours of a recording, packed. What always holds: an hour that has a row in `timeline_hours` has in it exactly
 * the recording's segments that start in it; one without a row is read from `segments`. An hour is packed when the
 * recording is past it and none of its segments is pending, by the commit that brings that about, and a commit that
 * changes a segment of a packed hour packs it anew. Neither a segment's eviction at the site nor its stamp is in it.
 */
import type { LedgerRow, SegmentRow } from '@weir/contracts';
import { and, asc, eq, gte, inArray, lt, max, sql } from 'drizzle-orm';
import type { Queries } from './database.ts';
import { type CountedSegment, type KnownRows, rowKey, type Session } from './known-rows.ts';
import { decodePackedHour, encodePackedHour, type PackedSegment } from './packed-hour.ts';
import type { Verdict } from './row-judgement.ts';
import type { Tables } from './schema.ts';

/** Milliseconds of an hour. */
export const hourMs = 3_600_000;

/** The most hours that are packed when the row of a recording comes after its segments; those before stay as rows. */
const maxArrivedHours = 48;

/** Hours since 1970 of a wall time in milliseconds. */
export const hourOf = (wallMs: number): number => Math.floor(wallMs / hourMs);

const isSame = (before: CountedSegment, row: SegmentRow): boolean =>
  // What the bucket has confirmed never changes; all that can still happen is that the site lets go of it.
  before.stored &&
  row.remote === 'stored' &&
  before.start_ms === row.start_ms &&
  before.duration_ms === row.duration_ms;

/** Hours to look at, by recording: those in which a segment changed. */
const changedHours = (known: KnownRows, taken: readonly LedgerRow[]): Map<string, Set<number>> => {
  const changed = new Map<string, Set<number>>();
  for (const row of taken) {
    if (row.kind !== 'segment') continue;
    const before = known.segments.get(rowKey(row));
    if (before !== undefined && isSame(before, row)) continue;
    const hours = changed.get(row.recording_id) ?? new Set();
    hours.add(hourOf(row.start_ms));
    if (before !== undefined) hours.add(hourOf(before.start_ms));
    changed.set(row.recording_id, hours);
  }
  return changed;
};

const latestStart = async (tx: Queries, t: Tables, recordingId: string, beforeMs?: number): Promise<number | null> => {
  const { segments: s } = t;
  const below = beforeMs === undefined ? undefined : lt(s.start_ms, beforeMs);
  const [found] = await tx
    .select({ start_ms: max(s.start_ms).mapWith(Number) })
    .from(s)
    .where(and(eq(s.recording_id, recordingId), below));
  return found?.start_ms ?? null;
};

const allHours = async (tx: Queries, t: Tables, recordingId: string): Promise<number[]> => {
  const hour = sql`${t.segments.start_ms} / 3600000`;
  const rows = await tx
    .selectDistinct({ hour: hour.mapWith(Number) })
    .from(t.segments)
    .where(eq(t.segments.recording_id, recordingId));
  return rows
    .map((row) => row.hour)
    .sort((a, b) => b - a)
    .slice(0, maxArrivedHours);
};

/** The columns that hours are made of. */
export const packedColumns = ({ segments: s }: Tables) => ({
  recording_id: s.recording_id,
  number: s.number,
  period: s.period,
  start_ms: s.start_ms,
  duration_ms: s.duration_ms,
  key_frame: s.key_frame,
  remote: s.remote,
  local: s.local,
  tracks: s.tracks,
});

/** A row of {@link packedColumns} as an hour has it. */
export const packedOf = ({
  number,
  period,
  start_ms,
  duration_ms,
  key_frame,
  remote,
  tracks,
}: {
  [K in keyof ReturnType<typeof packedColumns>]: Tables['segments']['$inferSelect'][K];
}): PackedSegment => ({
  number,
  period,
  start_ms,
  duration_ms,
  key_frame,
  stored: remote === 'stored',
  tracks: tracks.map(({ track, base_time, duration, timescale, bytes }) => ({
    track,
    base_time,
    duration,
    timescale,
    bytes,
  })),
});

const isPending = async (tx: Queries, t: Tables, recordingId: string, hour: number): Promise<boolean> => {
  const { segments: s } = t;
  const pending = await tx
    .select({ number: s.number })
    .from(s)
    .where(
      and(
        eq(s.recording_id, recordingId),
        gte(s.start_ms, hour * hourMs),
        lt(s.start_ms, (hour + 1) * hourMs),
        // Literally, so that the partial index of pending segments serves.
        sql`${s.remote} = 'none'`,
      ),
    )
    .limit(1);
  return pending.length > 0;
};

const unpackHour = async (tx: Queries, { hours: h }: Tables, recordingId: string, hour: number): Promise<void> => {
  await tx.delete(h).where(and(eq(h.recording_id, recordingId), eq(h.hour, hour)));
};

const packHour = async (tx: Queries, t: Tables, recordingId: string, hour: number): Promise<void> => {
  const { segments: s, hours: h } = t;
  const rows = (await isPending(tx, t, recordingId, hour))
    ? []
    : await tx
        .select(packedColumns(t))
        .from(s)
        .where(
          and(eq(s.recording_id, recordingId), gte(s.start_ms, hour * hourMs), lt(s.start_ms, (hour + 1) * hourMs)),
        )
        .orderBy(asc(s.number));
  if (rows.length === 0) {
    await unpackHour(tx, t, recordingId, hour);
    return;
  }
  const packed = encodePackedHour(rows.map(packedOf));
  await tx
    .insert(h)
    .values({ recording_id: recordingId, hour, packed })
    .onConflictDoUpdate({ target: [h.recording_id, h.hour], set: { packed } });
};

/** Where the recording stood, and stands, as hours: what lies below `now` it is past. */
type Standing = { before: number | null; now: number };

const standingOf = async (
  tx: Queries,
  t: Tables,
  before: Session | undefined,
  after: Session,
  firstChanged: number,
): Promise<Standing> => {
  if (after.status === 'ended') {
    const last = after.media_end_ms === null ? null : hourOf(after.media_end_ms - 1);
    return { before: before?.status === 'ended' ? null : last, now: Number.POSITIVE_INFINITY };
  }
  if (after.status === 'recording' && after.media_end_ms !== null) {
    const stood = before?.media_end_ms ?? null;
    return { before: stood === null ? null : hourOf(stood - 1), now: hourOf(after.media_end_ms - 1) };
  }
  // It awaits its own row, which tells where it stands: its segments have to.
  const latest = await latestStart(tx, t, after.recording_id);
  const previous = await latestStart(tx, t, after.recording_id, firstChanged * hourMs);
  return {
    before: previous === null ? null : hourOf(previous),
    now: latest === null ? 0 : hourOf(latest),
  };
};

const packHoursOf = async (
  tx: Queries,
  t: Tables,
  before: Session | undefined,
  session: Session,
  changed: ReadonlySet<number>,
): Promise<void> => {
  const hours = new Set(changed);
  const standing = await standingOf(tx, t, before, session, Math.min(...hours));
  if (standing.before !== null && standing.before < standing.now) hours.add(standing.before);
  for (const hour of hours)
    if (hour < standing.now) await packHour(tx, t, session.recording_id, hour);
    else await unpackHour(tx, t, session.recording_id, hour);
};

/** Packs, packs anew or unpacks the hours that the rows taken concern; they are written already. */
export const packHours = async (
  tx: Queries,
  t: Tables,
  known: KnownRows,
  verdict: Verdict,
  sessions: ReadonlyMap<string, Session>,
): Promise<void> => {
  const changed = changedHours(known, verdict.taken);
  for (const [recordingId, session] of verdict.sessions)
    if (session.status === 'ended' && !changed.has(recordingId)) changed.set(recordingId, new Set());
  for (const [recordingId, hours] of changed) {
    const session = sessions.get(recordingId);
    if (session === undefined || session.status === 'refused') continue;
    if (verdict.arrived.has(recordingId)) for (const hour of await allHours(tx, t, recordingId)) hours.add(hour);
    await packHoursOf(tx, t, known.sessions.get(recordingId), session, hours);
  }
};

/** The hours from `fromMs` to `toMs` of recordings that are packed, by recording and hour. */
export const readPackedHours = async (
  queries: Queries,
  { hours: h }: Tables,
  ids: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, Map<number, PackedSegment[]>>> => {
  const found = new Map<string, Map<number, PackedSegment[]>>();
  if (ids.length === 0) return found;
  const rows = await queries
    .select()
    .from(h)
    .where(and(inArray(h.recording_id, [...ids]), gte(h.hour, hourOf(fromMs)), lt(h.hour, Math.ceil(toMs / hourMs))))
    .orderBy(asc(h.recording_id), asc(h.hour));
  for (const { recording_id, hour, packed } of rows) {
    // One that cannot be read, such as of a newer version, is as one that is not there.
    const segments = decodePackedHour(packed);
    if (segments === null) continue;
    const hours = found.get(recording_id) ?? new Map<number, PackedSegment[]>();
    found.set(recording_id, hours.set(hour, segments));
  }
  return found;
};

/** The stretches of `fromMs` to `toMs` that no packed hour covers, at whole hours inside. */
export const unpackedRanges = (
  packed: ReadonlyMap<number, unknown> | undefined,
  fromMs: number,
  toMs: number,
): { fromMs: number; toMs: number }[] => {
  const ranges: { fromMs: number; toMs: number }[] = [];
  for (let hour = hourOf(fromMs); hour * hourMs < toMs; hour += 1) {
    if (packed?.has(hour)) continue;
    const last = ranges.at(-1);
    const end = Math.min(toMs, (hour + 1) * hourMs);
    if (last !== undefined && last.toMs === hour * hourMs) last.toMs = end;
    else ranges.push({ fromMs: Math.max(fromMs, hour * hourMs), toMs: end });
  }
  return ranges;
};

/** A segment as hours have it; `pending` at the site, or `gone` from there, when the bucket has neither taken nor refused it. */
export type TimedSegment = PackedSegment & { waits?: 'pending' | 'gone' };

const readRows = async (
  queries: Queries,
  t: Tables,
  ids: readonly string[],
  { fromMs, toMs }: { fromMs: number; toMs: number },
): Promise<(TimedSegment & { recording_id: string })[]> => {
  const { segments: s } = t;
  const rows = await queries
    .select(packedColumns(t))
    .from(s)
    .where(and(inArray(s.recording_id, [...ids]), gte(s.start_ms, fromMs), lt(s.start_ms, toMs)))
    .orderBy(asc(s.recording_id), asc(s.number));
  return rows.map((row) => ({
    ...packedOf(row),
    recording_id: row.recording_id,
    ...(row.remote === 'none' ? { waits: row.local === 'gone' ? ('gone' as const) : ('pending' as const) } : {}),
  }));
};

/** The segments of recordings that start from `fromMs` on and before `toMs`, by recording in their order. */
export const readSegments = async (
  queries: Queries,
  t: Tables,
  ids: readonly string[],
  fromMs: number,
  toMs: number,
): Promise<Map<string, TimedSegment[]>> => {
  const packed = await readPackedHours(queries, t, ids, fromMs, toMs);
  const segments = new Map<string, TimedSegment[]>();
  // Recordings that lack the same stretches, such as all the unfinished hour, are asked for together.
  const asked = new Map<string, { range: { fromMs: number; toMs: number }; ids: string[] }>();
  for (const id of ids) {
    const inside = [...(packed.get(id)?.values() ?? [])].flat();
    segments.set(
      id,
      inside.filter(({ start_ms }) => start_ms >= fromMs && start_ms < toMs),
    );
    for (const range of unpackedRanges(packed.get(id), fromMs, toMs)) {
      const key = `${range.fromMs} ${range.toMs}`;
      asked.set(key, { range, ids: [...(asked.get(key)?.ids ?? []), id] });
    }
  }
  for (const { range, ids: of } of asked.values())
    for (const { recording_id, ...segment } of await readRows(queries, t, of, range))
      segments.get(recording_id)?.push(segment);
  for (const list of segments.values()) list.sort((a, b) => a.number - b.number);
  return segments;
};
