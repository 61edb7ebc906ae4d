/** What the index already has of the recordings that a page of rows speaks of. */
import type { LedgerRow, RowsPage } from '@weir/contracts';
import { and, between, eq, inArray, ne } from 'drizzle-orm';
import type { Queries } from './database.ts';
import { isPending } from './pending-segment.ts';
import type { Tables } from './schema.ts';

/** A recording as the index has it. */
export type Session = Tables['sessions']['$inferSelect'];

/** Of a segment, what the sums count; `stored` says whether it is counted at all, `pending` whether it waits at the site. */
export type CountedSegment = {
  stamp: number;
  start_ms: number;
  duration_ms: number;
  bytes: number;
  stored: boolean;
  pending: boolean;
};

/** What the index has, by keys as {@link rowKey} writes them. */
export type KnownRows = {
  sessions: Map<string, Session>;
  segments: Map<string, CountedSegment>;
  /** Stamps of init files and gaps. */
  stamps: Map<string, number>;
  /** Directories in the bucket that others hold, with the words for it. */
  heldDirs: Map<string, { recordingId: string | null; words: string }>;
};

/** What a row is, within the index: rows with equal keys are versions of one another. */
export const rowKey = (row: LedgerRow): string => {
  switch (row.kind) {
    case 'recording':
      return row.recording_id;
    case 'init':
      return `${row.recording_id} ${row.track} ${row.period}`;
    case 'segment':
      return `${row.recording_id} ${row.number}`;
    case 'gap':
      return `${row.recording_id} ${row.from_ms}`;
  }
};

const ofKind = <K extends LedgerRow['kind']>(rows: readonly LedgerRow[], kind: K) =>
  rows.filter((row): row is Extract<LedgerRow, { kind: K }> => row.kind === kind);

// Numbers of a page mostly follow each other; a bound costs two parameters, a list one for each of a thousand.
const mostSparse = 4;

const isOneOf = (column: Tables['segments']['number'], numbers: readonly number[]) => {
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
  return last - first < mostSparse * numbers.length ? between(column, first, last) : inArray(column, [...numbers]);
};

const knownSegments = async (tx: Queries, t: Tables, rows: readonly LedgerRow[]) => {
  const { segments: s } = t;
  const columns = {
    number: s.number,
    stamp: s.stamp,
    start_ms: s.start_ms,
    duration_ms: s.duration_ms,
    bytes: s.bytes,
    local: s.local,
    remote: s.remote,
  };
  const numbers = Map.groupBy(ofKind(rows, 'segment'), (row) => row.recording_id);
  const known: KnownRows['segments'] = new Map();
  // Together, for each would wait for the answer to the one before.
  const read = [...numbers].map(async ([recordingId, segments]) => {
    const isWanted = isOneOf(
      s.number,
      segments.map((row) => row.number),
    );
    const found = await tx
      .select(columns)
      .from(s)
      .where(and(eq(s.recording_id, recordingId), isWanted));
    for (const row of found)
      known.set(`${recordingId} ${row.number}`, {
        stamp: row.stamp,
        start_ms: row.start_ms,
        duration_ms: row.duration_ms,
        bytes: row.bytes,
        stored: row.remote === 'stored',
        pending: isPending(row),
      });
  });
  await Promise.all(read);
  return known;
};

const knownStamps = async (tx: Queries, t: Tables, rows: readonly LedgerRow[]) => {
  const known: KnownRows['stamps'] = new Map();
  const initsOf = [...new Set(ofKind(rows, 'init').map((row) => row.recording_id))];
  if (initsOf.length > 0) {
    const found = await tx.select().from(t.inits).where(inArray(t.inits.recording_id, initsOf));
    for (const row of found) known.set(`${row.recording_id} ${row.track} ${row.period}`, row.stamp);
  }
  const gaps = Map.groupBy(ofKind(rows, 'gap'), (row) => row.recording_id);
  for (const [recordingId, group] of gaps) {
    const from = group.map((row) => row.from_ms);
    const found = await tx
      .select()
      .from(t.gaps)
      .where(and(eq(t.gaps.recording_id, recordingId), inArray(t.gaps.from_ms, from)));
    for (const row of found) known.set(`${recordingId} ${row.from_ms}`, row.stamp);
  }
  return known;
};

const heldDirs = async (tx: Queries, t: Tables, spool: string, dirs: string[]) => {
  const held: KnownRows['heldDirs'] = new Map();
  if (dirs.length === 0) return held;
  const sessions = await tx
    .select()
    .from(t.sessions)
    .where(and(inArray(t.sessions.record_dir, dirs), eq(t.sessions.init_stored, true)));
  for (const { record_dir, recording_id } of sessions)
    held.set(record_dir, {
      recordingId: recording_id,
      words: `directory ${record_dir} belongs to recording ${recording_id}`,
    });
  const names = await tx
    .select()
    .from(t.recordNames)
    .where(and(inArray(t.recordNames.record_dir, dirs), ne(t.recordNames.spool_id, spool)));
  for (const row of names)
    if (!held.has(row.record_dir))
      held.set(row.record_dir, { recordingId: null, words: `directory ${row.record_dir} belongs to another spool` });
  return held;
};

/** Reads what the index has of the rows, which must have different keys. */
export const readKnownRows = async (
  tx: Queries,
  t: Tables,
  spool: RowsPage['spool'],
  rows: readonly LedgerRow[],
): Promise<KnownRows> => {
  const ids = [...new Set(rows.map((row) => row.recording_id))];
  const found = ids.length === 0 ? [] : await tx.select().from(t.sessions).where(inArray(t.sessions.recording_id, ids));
  const dirs = [...ofKind(rows, 'recording'), ...found].map((row) => row.record_dir).filter((dir) => dir !== '');
  return {
    sessions: new Map(found.map((session) => [session.recording_id, session])),
    segments: await knownSegments(tx, t, rows),
    stamps: await knownStamps(tx, t, rows),
    heldDirs: await heldDirs(tx, t, spool, [...new Set(dirs)]),
  };
};
