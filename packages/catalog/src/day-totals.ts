/**
 * Sums of stored segments per recording and per UTC day, kept by differences, and the seed's `recordings` rows that
 * follow from them: one per stream and day, there as long as a stored segment starts on that day.
 */
import { and, eq, lte, sql } from 'drizzle-orm';
import type { Queries } from './database.ts';
import type { CountedSegment, Session } from './known-rows.ts';
import type { Tables } from './schema.ts';

/** A UTC day. */
export type Day = { year: number; month: number; day: number };

const dayMs = 86_400_000;

/** The UTC day of a wall time in milliseconds. */
export const dayOf = (wallMs: number): Day => {
  const date = new Date(wallMs);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
};

/** The first millisecond of a UTC day and that of the next. */
export const boundsOfDay = ({ year, month, day }: Day): { fromMs: number; toMs: number } => {
  const fromMs = Date.UTC(year, month - 1, day);
  return { fromMs, toMs: fromMs + dayMs };
};

/** The path of the manifest of a day with several recordings, made on read. */
export const encodeDayMpdPath = (stream: string, { year, month, day }: Day): string =>
  `${stream}/day-${year}${String(month).padStart(2, '0')}${String(day).padStart(2, '0')}.mpd`;

/** Reverses {@link encodeDayMpdPath}; null for any other path or a day that no calendar has. */
export const decodeDayMpdPath = (path: string): (Day & { stream: string }) | null => {
  const match = /^([^/]+)\/day-(\d{4})(\d{2})(\d{2})\.mpd$/.exec(path);
  if (match === null) return null;
  const day = { year: Number(match[2]), month: Number(match[3]), day: Number(match[4]) };
  const stream = match[1] ?? '';
  const real = dayOf(Date.UTC(day.year, day.month - 1, day.day));
  return encodeDayMpdPath(stream, real) === path ? { stream, ...day } : null;
};

type Sum = { segments: number; bytes: number; durationMs: number; mediaEndMs: number };

/** Differences of a recording: over all, and by the first millisecond of the day. */
export type Totals = Map<string, { all: Sum; days: Map<number, Sum> }>;

const zero = (): Sum => ({ segments: 0, bytes: 0, durationMs: 0, mediaEndMs: 0 });

const add = (sum: Sum, segment: CountedSegment, sign: 1 | -1): void => {
  sum.segments += sign;
  sum.bytes += sign * segment.bytes;
  sum.durationMs += sign * segment.duration_ms;
  if (sign === 1) sum.mediaEndMs = Math.max(sum.mediaEndMs, segment.start_ms + segment.duration_ms);
};

/** Adds (1) or takes away (-1) a segment; one that is not stored does not count. */
export const countSegment = (totals: Totals, recordingId: string, segment: CountedSegment, sign: 1 | -1): void => {
  if (!segment.stored) return;
  const recording = totals.get(recordingId) ?? { all: zero(), days: new Map<number, Sum>() };
  totals.set(recordingId, recording);
  const { fromMs } = boundsOfDay(dayOf(segment.start_ms));
  const day = recording.days.get(fromMs) ?? zero();
  recording.days.set(fromMs, day);
  add(recording.all, segment, sign);
  add(day, segment, sign);
};

/** Adds the differences to the recordings' own sums. */
export const addToSession = (session: Session, { all }: { all: Sum }): Session => ({
  ...session,
  segments: session.segments + all.segments,
  bytes: session.bytes + all.bytes,
  duration_ms: session.duration_ms + all.durationMs,
  media_end_ms: all.mediaEndMs === 0 ? session.media_end_ms : Math.max(session.media_end_ms ?? 0, all.mediaEndMs),
});

const addToDay = async (tx: Queries, t: Tables, session: Session, fromMs: number, sum: Sum): Promise<void> => {
  const { recording_id, stream } = session;
  const day = dayOf(fromMs);
  const key = and(
    eq(t.days.recording_id, recording_id),
    eq(t.days.year, day.year),
    eq(t.days.month, day.month),
    eq(t.days.day, day.day),
  );
  // Inserted as zero: the sums of a difference may be below, which the table's checks refuse.
  const none = { duration_ms: 0, bytes: 0, segments: 0 };
  await tx
    .insert(t.days)
    .values({ recording_id, stream, ...day, ...none })
    .onConflictDoNothing();
  await tx
    .update(t.days)
    .set({
      duration_ms: sql`${t.days.duration_ms} + ${sum.durationMs}`,
      bytes: sql`${t.days.bytes} + ${sum.bytes}`,
      segments: sql`${t.days.segments} + ${sum.segments}`,
    })
    .where(key);
  await tx.delete(t.days).where(and(key, lte(t.days.segments, 0)));
};

const mpdPathOfDay = async (tx: Queries, t: Tables, stream: string, day: Day): Promise<string | null> => {
  const [first, second] = await tx
    .select({ mpd_path: t.sessions.mpd_path })
    .from(t.days)
    .innerJoin(t.sessions, eq(t.sessions.recording_id, t.days.recording_id))
    .where(
      and(eq(t.days.stream, stream), eq(t.days.year, day.year), eq(t.days.month, day.month), eq(t.days.day, day.day)),
    )
    .limit(2);
  if (first === undefined) return null;
  return second === undefined ? first.mpd_path : encodeDayMpdPath(stream, day);
};

/** What writing of the day rows needs. */
export type DayDeps = { tx: Queries; tables: Tables; now: () => number; uuid: () => string };

/**
 * Brings a stream's `recordings` row of a day up to date. The row is taken first and the recordings counted under its
 * lock, so that two spools that begin the same day at once both see the other.
 */
export const refreshDay = async (
  { tx, tables: t, now, uuid }: DayDeps,
  stream: string,
  fromMs: number,
): Promise<void> => {
  const day = dayOf(fromMs);
  const at = new Date(now());
  const row = and(
    eq(t.recordings.stream, stream),
    eq(t.recordings.year, day.year),
    eq(t.recordings.month, day.month),
    eq(t.recordings.day, day.day),
  );
  const [taken] = await tx
    .insert(t.recordings)
    .values({ id: uuid(), stream, ...day, mpd_path: encodeDayMpdPath(stream, day), created_at: at, updated_at: at })
    .onConflictDoUpdate({
      target: [t.recordings.stream, t.recordings.year, t.recordings.month, t.recordings.day],
      set: { stream },
    })
    .returning({ mpd_path: t.recordings.mpd_path });
  const mpdPath = await mpdPathOfDay(tx, t, stream, day);
  if (mpdPath === null) await tx.delete(t.recordings).where(row);
  else if (mpdPath !== taken?.mpd_path)
    await tx.update(t.recordings).set({ mpd_path: mpdPath, updated_at: at }).where(row);
};

/** Writes the differences into the day rows and refreshes the `recordings` rows of these days and of `moved` recordings. */
export const writeDays = async (
  deps: DayDeps,
  sessions: ReadonlyMap<string, Session>,
  totals: Totals,
  moved: ReadonlySet<string>,
): Promise<void> => {
  const { tx, tables: t } = deps;
  const touched = new Map<string, { stream: string; fromMs: number }>();
  const touch = (stream: string, fromMs: number) => touched.set(`${stream} ${fromMs}`, { stream, fromMs });
  for (const [recordingId, { days }] of totals) {
    const session = sessions.get(recordingId);
    if (session === undefined) continue;
    for (const [fromMs, sum] of days) {
      await addToDay(tx, t, session, fromMs, sum);
      touch(session.stream, fromMs);
    }
  }
  for (const recordingId of moved) {
    const days = await tx.select().from(t.days).where(eq(t.days.recording_id, recordingId));
    const stream = sessions.get(recordingId)?.stream;
    if (stream !== undefined) await tx.update(t.days).set({ stream }).where(eq(t.days.recording_id, recordingId));
    for (const day of days) for (const name of [day.stream, stream ?? day.stream]) touch(name, boundsOfDay(day).fromMs);
  }
  // In one order everywhere, so that two transactions never wait for each other's rows.
  for (const key of [...touched.keys()].sort()) {
    const { stream, fromMs } = touched.get(key) as { stream: string; fromMs: number };
    await refreshDay(deps, stream, fromMs);
  }
};
