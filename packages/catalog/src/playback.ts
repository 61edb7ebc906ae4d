import type { PlaybackDay, PlaybackStreamDay } from '@weir/contracts';
import { and, asc, desc, eq, gte, inArray, lt, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { boundsOfDay, type Day } from './day-totals.ts';
import { readStoredSegments, type StoredSegments } from './hour-reading.ts';
import type { Session } from './known-rows.ts';
import { readLostGaps, readLostSpools } from './lost-spools.ts';
import type { PackedSegment } from './packed-hour.ts';
import type { Tables } from './schema.ts';

/** An init file of a recording as the index has it. */
export type IndexedInit = Tables['inits']['$inferSelect'];
/** A stored segment as a day's manifest needs it; the object keys follow from the recording's `record_dir`. */
export type DaySegment = PackedSegment;
/** A segment of a recording as the index has it; the object keys follow from the recording's `record_dir`. */
export type IndexedSegment = Tables['segments']['$inferSelect'];
/** A gap of a recording as the index has it, not withdrawn. */
export type IndexedGap = Tables['gaps']['$inferSelect'];
/** A recording as the index has it. */
export type IndexedRecording = Session & { status: 'recording' | 'ended' };

/** What a day's manifest is made of, for one recording: stored init files, segments that start that day, gaps. */
export type RecordingOfDay = {
  recording: IndexedRecording;
  inits: IndexedInit[];
  segments: StoredSegments;
  gaps: IndexedGap[];
};

/** The most rows one listing answers. */
export const MAX_LISTED = 10_000;

/** True of a recording whose own row has been taken. */
export const isShown = (session: Session): session is IndexedRecording =>
  session.status === 'recording' || session.status === 'ended';

/** Rows of `GET /api/playback`, newest day first, by stream within a day; at most {@link MAX_LISTED}. */
export const playbackDays =
  (database: Database) =>
  (filter: { stream?: string } = {}): Promise<PlaybackDay[]> => {
    const { recordings: r, days: d } = database.tables;
    return database.read((queries) =>
      queries
        .select({
          stream: r.stream,
          year: r.year,
          month: r.month,
          day: r.day,
          mpd_path: r.mpd_path,
          duration_ms: sql`sum(${d.duration_ms})`.mapWith(Number),
          recordings: sql`count(*)`.mapWith(Number),
        })
        .from(r)
        .innerJoin(d, and(eq(d.stream, r.stream), eq(d.year, r.year), eq(d.month, r.month), eq(d.day, r.day)))
        .where(filter.stream === undefined ? undefined : eq(r.stream, filter.stream))
        .groupBy(r.stream, r.year, r.month, r.day, r.mpd_path)
        .orderBy(desc(r.year), desc(r.month), desc(r.day), asc(r.stream))
        .limit(MAX_LISTED),
    );
  };

type DayOfRecording = { day: Tables['days']['$inferSelect']; session: Session };
type GapsOfRecording = { recording_id: string; gaps: number; gaps_ms: number };

const listedRecording = (
  { day, session }: DayOfRecording,
  missing: GapsOfRecording | undefined,
): PlaybackStreamDay['recordings'][number] => ({
  recording_id: session.recording_id,
  record: session.record,
  record_dir: session.record_dir,
  mpd_path: session.mpd_path,
  start: session.start_ms,
  end: session.end_ms,
  duration_ms: day.duration_ms,
  status: session.status === 'recording' ? 'recording' : 'ended',
  segments: day.segments,
  gaps: missing?.gaps ?? 0,
  gaps_ms: missing?.gaps_ms ?? 0,
});

/** Where a recording ends as far as its stored segments and those that still wait tell. */
const lastKnownMs = ({ recording_id, start_ms, media_end_ms }: Session, lost: readonly IndexedGap[]): number =>
  Math.max(media_end_ms ?? start_ms, ...lost.flatMap((gap) => (gap.recording_id === recording_id ? [gap.to_ms] : [])));

const keyOfDay = ({ year, month, day }: Day): string => `${year} ${month} ${day}`;

/**
 * Rows of `GET /api/playback/:stream`, newest day first, the recordings of a day oldest first. `start`, `end` and
 * the gaps are the recording's own; `duration_ms` and `segments` count what starts on that day.
 */
export const playbackOfStream =
  (database: Database) =>
  async (stream: string): Promise<PlaybackStreamDay[]> => {
    const { days: d, sessions: s, gaps: g } = database.tables;
    const days = await playbackDays(database)({ stream });
    const found = await database.read((queries) =>
      queries
        .select({ day: d, session: s })
        .from(d)
        .innerJoin(s, eq(s.recording_id, d.recording_id))
        .where(eq(d.stream, stream))
        .orderBy(desc(d.year), desc(d.month), desc(d.day), asc(s.start_ms), asc(s.record))
        .limit(MAX_LISTED),
    );
    const missing = await database.read((queries) =>
      queries
        .select({
          recording_id: g.recording_id,
          gaps: sql`count(*)`.mapWith(Number),
          gaps_ms: sql`sum(${g.to_ms} - ${g.from_ms})`.mapWith(Number),
        })
        .from(g)
        .innerJoin(s, eq(s.recording_id, g.recording_id))
        .where(and(eq(s.stream, stream), eq(g.withdrawn, false)))
        .groupBy(g.recording_id),
    );
    const missingOf = new Map(missing.map((each) => [each.recording_id, each]));
    const sessions = new Map(found.map(({ session }) => [session.recording_id, session]));
    const lost = await database.read((queries) => readLostGaps(queries, database.tables, [...sessions.values()]));
    for (const { recording_id, from_ms, to_ms } of lost) {
      const { gaps, gaps_ms } = missingOf.get(recording_id) ?? { gaps: 0, gaps_ms: 0 };
      missingOf.set(recording_id, { recording_id, gaps: gaps + 1, gaps_ms: gaps_ms + to_ms - from_ms });
    }
    const lostSpools = await database.read((queries) => readLostSpools(queries, database.tables));
    // With its spool a running recording ends where the index knows of it last; nothing is written, so that it can come back.
    const withEnd = (session: Session): Session =>
      session.status !== 'recording' || !lostSpools.has(session.spool_id)
        ? session
        : { ...session, status: 'ended', end_ms: lastKnownMs(session, lost) };
    const listed = ({ day, session }: DayOfRecording) =>
      listedRecording({ day, session: withEnd(session) }, missingOf.get(session.recording_id));
    const byDay = Map.groupBy(found, ({ day }) => keyOfDay(day));
    return days.map((row) => ({ ...row, recordings: (byDay.get(keyOfDay(row)) ?? []).map(listed) }));
  };

/** The recordings with stored segments that start on that UTC day, oldest first; empty when there are none. */
export const recordingsOfDay =
  (database: Database) =>
  (stream: string, year: number, month: number, day: number): Promise<RecordingOfDay[]> => {
    const { days: d, sessions: s, inits, gaps } = database.tables;
    const { fromMs, toMs } = boundsOfDay({ year, month, day });
    return database.read(async (queries) => {
      const found = await queries
        .select({ session: s })
        .from(d)
        .innerJoin(s, eq(s.recording_id, d.recording_id))
        .where(and(eq(d.stream, stream), eq(d.year, year), eq(d.month, month), eq(d.day, day)))
        .orderBy(asc(s.start_ms), asc(s.record));
      const recordings = found.map(({ session }) => session).filter(isShown);
      const ids = recordings.map((recording) => recording.recording_id);
      if (ids.length === 0) return [];
      const segments = await readStoredSegments(queries, database.tables, ids, fromMs, toMs);
      // After the segments: an init file is stored before them, so none is missing for what was just committed.
      const initRows = await queries
        .select()
        .from(inits)
        .where(and(inArray(inits.recording_id, ids), eq(inits.remote, 'stored')))
        .orderBy(asc(inits.period), asc(inits.track));
      const gapRows = await queries
        .select()
        .from(gaps)
        .where(
          and(
            inArray(gaps.recording_id, ids),
            eq(gaps.withdrawn, false),
            lt(gaps.from_ms, toMs),
            gte(gaps.to_ms, fromMs),
          ),
        )
        .orderBy(asc(gaps.from_ms));
      const lost = await readLostGaps(queries, database.tables, recordings, { fromMs, toMs });
      const of = <T extends { recording_id: string }>(rows: T[], id: string) =>
        rows.filter((row) => row.recording_id === id);
      return recordings.map((recording) => ({
        recording,
        inits: of(initRows, recording.recording_id),
        segments: segments.get(recording.recording_id) ?? { isEmpty: true, *[Symbol.iterator]() {} },
        gaps: of([...gapRows, ...lost], recording.recording_id).sort((a, b) => a.from_ms - b.from_ms),
      }));
    });
  };

/** The recording that has a directory in the bucket, the one with a stored init file first; null when the index knows none. */
export const recordingByDir =
  (database: Database) =>
  async (recordDir: string): Promise<IndexedRecording | null> => {
    const { sessions: s } = database.tables;
    const found = await database.read((queries) =>
      queries
        .select()
        .from(s)
        .where(and(eq(s.record_dir, recordDir), inArray(s.status, ['recording', 'ended'])))
        .orderBy(desc(s.init_stored), desc(s.start_ms))
        .limit(1),
    );
    return found.find(isShown) ?? null;
  };
