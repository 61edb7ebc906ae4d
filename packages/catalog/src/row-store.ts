import type { GapRow, InitRow, LedgerRow, SegmentRow } from '@weir/contracts';
import { and, eq, getTableColumns, inArray, is, sql } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import type { Queries } from './database.ts';
import { addToSession, boundsOfDay, countSegment, type Totals } from './day-totals.ts';
import { type CountedSegment, type KnownRows, rowKey, type Session } from './known-rows.ts';
import { isPending } from './pending-segment.ts';
import { countPending } from './pending-slots.ts';
import type { Verdict } from './row-judgement.ts';
import type { Tables } from './schema.ts';

/** All columns but the key's, set to what the conflicting insert has. */
const excluded = (table: PgTable, key: readonly string[]) =>
  Object.fromEntries(
    Object.values(getTableColumns(table))
      .filter((column) => !key.includes(column.name))
      .map((column) => [column.name, sql.raw(`excluded."${column.name}"`)]),
  );

const bytesOf = (row: SegmentRow): number => row.tracks.reduce((sum, track) => sum + track.bytes, 0);

const counted = (row: SegmentRow): CountedSegment => ({
  stamp: row.stamp,
  start_ms: row.start_ms,
  duration_ms: row.duration_ms,
  bytes: bytesOf(row),
  stored: row.remote === 'stored',
  pending: isPending(row),
});

const isCounted = (session: Session | undefined): session is Session =>
  session !== undefined && (session.status === 'recording' || session.status === 'ended');

/** What the rows taken change in the sums of recordings that are known, and were before. */
const totalsOf = (known: KnownRows, verdict: Verdict, sessions: ReadonlyMap<string, Session>): Totals => {
  const totals: Totals = new Map();
  for (const row of verdict.taken) {
    if (row.kind !== 'segment' || verdict.arrived.has(row.recording_id)) continue;
    if (!isCounted(sessions.get(row.recording_id))) continue;
    const before = known.segments.get(rowKey(row));
    if (before !== undefined) countSegment(totals, row.recording_id, before, -1);
    countSegment(totals, row.recording_id, counted(row), 1);
  }
  return totals;
};

const withInit = (session: Session, row: InitRow): Session => ({
  ...session,
  init_stored: session.init_stored || (row.remote === 'stored' && isCounted(session)),
  codecs: [...new Set([...session.codecs, row.codec])].sort(),
});

const writeSessions = async (tx: Queries, t: Tables, sessions: Session[]): Promise<void> => {
  if (sessions.length === 0) return;
  const set = excluded(t.sessions, ['recording_id', 'spool_id']);
  await tx.insert(t.sessions).values(sessions).onConflictDoUpdate({ target: t.sessions.recording_id, set });
};

const initValues = ({ kind: _, ...row }: InitRow) => row;
const segmentValues = ({ kind: _, ...row }: SegmentRow) => ({ ...row, bytes: bytesOf({ kind: 'segment', ...row }) });
const gapValues = ({ kind: _, ...row }: GapRow) => row;

/** The columns of `segments` with their types in PostgreSQL. */
const segmentTypes = {
  recording_id: 'text',
  number: 'integer',
  period: 'integer',
  stamp: 'bigint',
  start_ms: 'bigint',
  duration_ms: 'bigint',
  key_frame: 'boolean',
  tracks: 'jsonb',
  bytes: 'bigint',
  local: 'text',
  remote: 'text',
  stored_stamp: 'bigint',
  refused_reason: 'text',
} as const satisfies { [K in keyof Tables['segments']['$inferInsert']]-?: string };

const writeSegments = async (tx: Queries, t: Tables, segments: ReturnType<typeof segmentValues>[]): Promise<void> => {
  const set = excluded(t.segments, ['recording_id', 'number']);
  const isPostgres: boolean = is(t.segments, PgTable);
  if (!isPostgres) {
    const target = [t.segments.recording_id, t.segments.number];
    await tx.insert(t.segments).values(segments).onConflictDoUpdate({ target, set });
    return;
  }
  // As one parameter: with one for each value a page of 1000 rows took PostgreSQL and its driver twice as long.
  const columns = sql.raw(Object.keys(segmentTypes).join(', '));
  const typed = sql.raw(
    Object.entries(segmentTypes)
      .map(([name, type]) => `${name} ${type}`)
      .join(', '),
  );
  const changes = sql.join(
    Object.entries(set).map(([name, value]) => sql`${sql.identifier(name)} = ${value}`),
    sql`, `,
  );
  await tx.execute(sql`INSERT INTO ${t.segments} (${columns})
    SELECT ${columns} FROM jsonb_to_recordset(CAST(CAST(${JSON.stringify(segments)} AS text) AS jsonb)) AS rows(${typed})
    ON CONFLICT (recording_id, number) DO UPDATE SET ${changes}`);
};

const writeParts = async (tx: Queries, t: Tables, rows: readonly LedgerRow[]): Promise<void> => {
  const inits = rows.filter((row) => row.kind === 'init').map(initValues);
  const segments = rows.filter((row) => row.kind === 'segment').map(segmentValues);
  const gaps = rows.filter((row) => row.kind === 'gap').map(gapValues);
  if (inits.length > 0) {
    const set = excluded(t.inits, ['recording_id', 'track', 'period']);
    const target = [t.inits.recording_id, t.inits.track, t.inits.period];
    await tx.insert(t.inits).values(inits).onConflictDoUpdate({ target, set });
  }
  if (segments.length > 0) await writeSegments(tx, t, segments);
  if (gaps.length > 0) {
    const set = excluded(t.gaps, ['recording_id', 'from_ms']);
    await tx
      .insert(t.gaps)
      .values(gaps)
      .onConflictDoUpdate({ target: [t.gaps.recording_id, t.gaps.from_ms], set });
  }
};

/** Sums over the segments that awaited their recording; the one place that reads all of a recording, once in its life. */
const totalsOfArrived = async (tx: Queries, t: Tables, recordingId: string): Promise<Totals> => {
  const sum = (what: ReturnType<typeof sql>) => sql`sum(${what})`.mapWith(Number);
  const day = sql`${t.segments.start_ms} / 86400000`;
  const rows = await tx
    .select({
      day: day.mapWith(Number),
      segments: sql`count(*)`.mapWith(Number),
      bytes: sum(sql`${t.segments.bytes}`),
      durationMs: sum(sql`${t.segments.duration_ms}`),
      mediaEndMs: sql`max(${t.segments.start_ms} + ${t.segments.duration_ms})`.mapWith(Number),
    })
    .from(t.segments)
    .where(and(eq(t.segments.recording_id, recordingId), eq(t.segments.remote, 'stored')))
    .groupBy(day);
  if (rows.length === 0) return new Map();
  const all = { segments: 0, bytes: 0, durationMs: 0, mediaEndMs: 0 };
  for (const row of rows) {
    all.segments += row.segments;
    all.bytes += row.bytes;
    all.durationMs += row.durationMs;
    all.mediaEndMs = Math.max(all.mediaEndMs, row.mediaEndMs);
  }
  const days = new Map(
    rows.map(({ day: number, ...row }) => [number * boundsOfDay({ year: 1970, month: 1, day: 1 }).toMs, row]),
  );
  return new Map([[recordingId, { all, days }]]);
};

/**
 * Takes out the gaps that a rebuild read from media: the spool has its own, which begin elsewhere by a millisecond or
 * were withdrawn since. Its rows have stamps, and all of them are sent again.
 */
const forgetGuesses = async (tx: Queries, { gaps: g }: Tables, told: ReadonlySet<string>): Promise<void> => {
  if (told.size > 0) await tx.delete(g).where(and(inArray(g.recording_id, [...told]), eq(g.stamp, 0)));
};

/** Writes what was judged: recordings with their sums, init files, segments, gaps. Returns the recordings and differences for the days. */
export const storeRows = async (
  tx: Queries,
  t: Tables,
  known: KnownRows,
  verdict: Verdict,
): Promise<{ sessions: Map<string, Session>; totals: Totals }> => {
  const sessions = new Map([...known.sessions, ...verdict.sessions]);
  const changed = new Set(verdict.sessions.keys());
  const change = (recordingId: string, to: (session: Session) => Session) => {
    const session = sessions.get(recordingId);
    if (session === undefined) return;
    sessions.set(recordingId, to(session));
    changed.add(recordingId);
  };
  const totals = totalsOf(known, verdict, sessions);
  for (const [recordingId, difference] of totals) change(recordingId, (session) => addToSession(session, difference));
  for (const row of verdict.taken)
    if (row.kind === 'init') change(row.recording_id, (session) => withInit(session, row));
  const write = () =>
    writeSessions(
      tx,
      t,
      [...sessions].filter(([id]) => changed.has(id)).map(([, session]) => session),
    );
  await write();
  await forgetGuesses(tx, t, verdict.told);
  await writeParts(tx, t, verdict.taken);
  await countPending(tx, t, known, verdict.taken, sessions);
  if (verdict.arrived.size === 0) return { sessions, totals };
  for (const recordingId of verdict.arrived) {
    for (const [, difference] of await totalsOfArrived(tx, t, recordingId)) {
      totals.set(recordingId, difference);
      change(recordingId, (session) => addToSession(session, difference));
    }
    const stored = await tx
      .select({ track: t.inits.track })
      .from(t.inits)
      .where(and(eq(t.inits.recording_id, recordingId), eq(t.inits.remote, 'stored')))
      .limit(1);
    change(recordingId, (session) => ({ ...session, init_stored: session.init_stored || stored.length > 0 }));
  }
  await write();
  return { sessions, totals };
};

/** Stamps of the rows that awaited a recording whose own row was then refused, at most `limit`. */
export const stampsOfRecording = async (
  tx: Queries,
  t: Tables,
  recordingId: string,
  limit: number,
): Promise<number[]> => {
  const stamps: number[] = [];
  for (const table of [t.inits, t.segments, t.gaps]) {
    const rows = await tx
      .select({ stamp: table.stamp })
      .from(table)
      .where(eq(table.recording_id, recordingId))
      .limit(Math.max(0, limit - stamps.length));
    stamps.push(...rows.map((row) => row.stamp));
  }
  return stamps;
};
