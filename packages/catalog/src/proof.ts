/** What the index says of a recording's files, so that they can be held against the bucket. */
import type { TrackKind } from '@weir/contracts';
import { and, asc, desc, eq, gt, inArray, lte, or, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { readLostGaps } from './lost-spools.ts';
import { type IndexedGap, type IndexedInit, type IndexedRecording, type IndexedSegment, isShown } from './playback.ts';

/** Number and hash of the last file of a track before a segment. */
export type TrackHead = { track: TrackKind; number: number; sha256: string };

/** A run of a recording's segments in order of their numbers, with each track's last file before them. */
export type ChainPage = { heads: TrackHead[]; segments: IndexedSegment[]; next: number | null };

/** The recordings of a stream by `record`, or the one with that recording_id; more than one where a base_dir was asked for. */
export const recordingsNamed =
  (database: Database) =>
  async (stream: string, record: string): Promise<IndexedRecording[]> => {
    const { sessions: s } = database.tables;
    const named = /^\d{1,15}$/.test(record)
      ? or(eq(s.record, Number(record)), eq(s.recording_id, record))
      : eq(s.recording_id, record);
    const found = await database.read((queries) =>
      queries
        .select()
        .from(s)
        .where(and(eq(s.stream, stream), named, inArray(s.status, ['recording', 'ended'])))
        .orderBy(asc(s.start_ms), asc(s.recording_id))
        .limit(10),
    );
    return found.filter(isShown);
  };

/** Recordings in order of their ids, those behind `after`; at most `limit`. */
export const recordingsAfter =
  (database: Database) =>
  async (after: string, limit: number): Promise<IndexedRecording[]> => {
    const { sessions: s } = database.tables;
    const found = await database.read((queries) =>
      queries
        .select()
        .from(s)
        .where(and(gt(s.recording_id, after), inArray(s.status, ['recording', 'ended'])))
        .orderBy(asc(s.recording_id))
        .limit(limit),
    );
    return found.filter(isShown);
  };

const headOf = async (
  database: Database,
  recordingId: string,
  after: number,
  track: TrackKind,
): Promise<TrackHead[]> => {
  const { segments: t } = database.tables;
  const [row] = await database.read((queries) =>
    queries
      .select()
      .from(t)
      // The text of the column has each track's name in quotes, in both dialects, and nothing else that looks like it.
      .where(
        and(
          eq(t.recording_id, recordingId),
          lte(t.number, after),
          sql`cast(${t.tracks} as text) like ${`%"${track}"%`}`,
        ),
      )
      .orderBy(desc(t.number))
      .limit(1),
  );
  const file = row?.tracks.find((each) => each.track === track);
  return row === undefined || file === undefined ? [] : [{ track, number: row.number, sha256: file.sha256 }];
};

/** The segments behind number `after`, at most `limit`, whatever became of their files. */
export const chainOf =
  (database: Database) =>
  async (recordingId: string, after: number, limit: number): Promise<ChainPage> => {
    const { segments: t } = database.tables;
    const found = await database.read((queries) =>
      queries
        .select()
        .from(t)
        .where(and(eq(t.recording_id, recordingId), gt(t.number, after)))
        .orderBy(asc(t.number))
        .limit(limit + 1),
    );
    const segments = found.slice(0, limit);
    const heads =
      after === 0
        ? []
        : [
            ...(await headOf(database, recordingId, after, 'video')),
            ...(await headOf(database, recordingId, after, 'audio')),
          ];
    return { heads, segments, next: found.length > limit ? (segments.at(-1)?.number ?? null) : null };
  };

/** A recording's init files and the gaps that stand, what a lost spool has not sent among them. */
export const frameOf =
  (database: Database) =>
  async (recordingId: string): Promise<{ inits: IndexedInit[]; gaps: IndexedGap[] }> => {
    const { inits: i, gaps: g } = database.tables;
    const inits = await database.read((queries) =>
      queries.select().from(i).where(eq(i.recording_id, recordingId)).orderBy(asc(i.period), asc(i.track)),
    );
    const gaps = await database.read((queries) =>
      queries
        .select()
        .from(g)
        .where(and(eq(g.recording_id, recordingId), eq(g.withdrawn, false)))
        .orderBy(asc(g.from_ms)),
    );
    const { sessions: s } = database.tables;
    const lost = await database.read(async (queries) => {
      const sessions = await queries.select().from(s).where(eq(s.recording_id, recordingId));
      return readLostGaps(queries, database.tables, sessions);
    });
    return { inits, gaps: [...gaps, ...lost].sort((a, b) => a.from_ms - b.from_ms) };
  };
