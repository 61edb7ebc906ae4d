/** What the index says of a recording's files, so that they can be held against the bucket. */
import type { TrackKind } from '@weir/contracts';
import { and, asc, desc, eq, gt, inArray, lte, or, type SQL, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { readLostGaps } from './lost-spools.ts';
import { type IndexedGap, type IndexedInit, type IndexedRecording, type IndexedSegment, isShown } from './playback.ts';

/** Number and hash of the last file of a track before a segment. */
export type TrackHead = { track: TrackKind; number: number; sha256: string };

/** A run of a recording's segments in order of their numbers, with the last file before them of each track that they have. */
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

/** Segments before a page that are looked at for a track before it is sought further back. */
const near = 32;

/** The last file of each of these tracks up to number `after`. */
const headsOf = async (
  database: Database,
  recordingId: string,
  after: number,
  tracks: readonly TrackKind[],
): Promise<TrackHead[]> => {
  const { segments: t } = database.tables;
  const before = and(eq(t.recording_id, recordingId), lte(t.number, after));
  const last = async (limit: number, where: SQL | undefined) =>
    database.read((queries) => queries.select().from(t).where(where).orderBy(desc(t.number)).limit(limit));
  // By number alone, down the key: with a condition on the tracks PostgreSQL reads and sorts all that come before.
  const lately = tracks.length === 0 ? [] : await last(near, before);
  const heads: TrackHead[] = [];
  for (const track of tracks) {
    const has = (row: IndexedSegment) => row.tracks.some((each) => each.track === track);
    let found = lately.find(has);
    // The text of the column has each track's name in quotes, in both dialects, and nothing else that looks like it.
    if (found === undefined && lately.length === near)
      [found] = await last(1, and(before, sql`cast(${t.tracks} as text) like ${`%"${track}"%`}`));
    const file = found?.tracks.find((each) => each.track === track);
    if (found !== undefined && file !== undefined) heads.push({ track, number: found.number, sha256: file.sha256 });
  }
  return heads;
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
    // Of the tracks alone that go on here: another, such as the sound of a recording without, would be sought to its start.
    const goOn = (['video', 'audio'] as const).filter((kind) =>
      segments.some(({ tracks }) => tracks.some(({ track }) => track === kind)),
    );
    const heads = after === 0 ? [] : await headsOf(database, recordingId, after, goOn);
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
