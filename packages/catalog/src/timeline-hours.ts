/**
 * Finished hours of a recording, packed. What always holds: an hour that has a row in `timeline_hours` has in it exactly
 * the recording's segments that start in it; one without a row is read from `segments`. An hour is packed when the
 * recording is past it and none of its segments is pending, by the commit that brings that about, and a commit that
 * changes a segment of a packed hour packs it anew. Neither a segment's eviction at the site nor its stamp is in it.
 */
import type { LedgerRow, SegmentRow } from '@weir/contracts';
import { and, asc, eq, gte, lt, max, sql } from 'drizzle-orm';
import type { Queries } from './database.ts';
import { type CountedSegment, type KnownRows, rowKey, type Session } from './known-rows.ts';
import { encodePackedHour, type PackedSegment } from './packed-hour.ts';
import type { Verdict } from './row-judgement.ts';
import type { Stretches, Tables } from './schema.ts';
import { joinStretches, seamMs } from './timeline-spans.ts';

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

/** What time the segments of an hour take. */
export const stretchesOf = (segments: readonly PackedSegment[]): Stretches => {
  const joined = (isStored: boolean) =>
    joinStretches(
      segments
        .filter(({ stored }) => stored === isStored)
        .map(({ start_ms, duration_ms }) => ({ from: start_ms, to: start_ms + duration_ms })),
      seamMs,
    ).map(({ from, to }): [number, number] => [from, to]);
  return { stored: joined(true), refused: joined(false) };
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
  const segments = rows.map(packedOf);
  const packed = encodePackedHour(segments);
  const stretches = stretchesOf(segments);
  await tx
    .insert(h)
    .values({ recording_id: recordingId, hour, packed, stretches })
    .onConflictDoUpdate({ target: [h.recording_id, h.hour], set: { packed, stretches } });
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
