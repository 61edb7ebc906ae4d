/**
 * What a rebuild keeps of a lost spool's recordings. Nobody sends their rows again, so what was waiting, refused or noted
 * as a gap when the spool was given up stays as it was told. What is in the bucket is told by the bucket alone.
 */
import { type GapRow, type LedgerRow, mpdPathOf } from '@weir/contracts';
import { and, count, eq, inArray, ne, sql } from 'drizzle-orm';
import type { Queries } from './database.ts';
import type { Session } from './known-rows.ts';
import { readLostSpools } from './lost-spools.ts';
import { slotMs } from './pending-slots.ts';
import type { Tables } from './schema.ts';

const CHUNK = 500;

/** The recording as the index has it when its spool is lost; null when it is not, or when the recording was refused. */
export const givenUpSession = async (tx: Queries, t: Tables, recordingId: string): Promise<Session | null> => {
  const [session] = await tx.select().from(t.sessions).where(eq(t.sessions.recording_id, recordingId));
  if (session === undefined || session.status === 'refused') return null;
  return (await readLostSpools(tx, t)).has(session.spool_id) ? session : null;
};

const filesOf = (tracks: readonly { track: string; sha256: string }[]): string =>
  tracks
    .map(({ track, sha256 }) => `${track} ${sha256}`)
    .sort()
    .join();

/** The rows of the bucket, those of the index in their place where it had the same files: it knows what media do not say. */
const preferKnown = async (
  tx: Queries,
  t: Tables,
  recordingId: string,
  rows: readonly LedgerRow[],
): Promise<LedgerRow[]> => {
  const segments = await tx.select().from(t.segments).where(eq(t.segments.recording_id, recordingId));
  const inits = await tx.select().from(t.inits).where(eq(t.inits.recording_id, recordingId));
  const gaps = await tx.select().from(t.gaps).where(eq(t.gaps.recording_id, recordingId));
  const segmentOf = new Map(segments.map((row) => [row.number, row]));
  const isToldAlready = (gap: GapRow) =>
    gaps.some(({ cause, from_ms, to_ms }) => cause === gap.cause && from_ms <= gap.to_ms && gap.from_ms <= to_ms);
  return rows.flatMap((row): LedgerRow[] => {
    if (row.stamp > 0) return [row];
    if (row.kind === 'gap') return isToldAlready(row) ? [] : [row];
    if (row.kind === 'segment') {
      const known = segmentOf.get(row.number);
      if (known?.remote !== 'stored' || filesOf(known.tracks) !== filesOf(row.tracks)) return [row];
      const { bytes: _, ...same } = known;
      return [{ kind: 'segment', ...same }];
    }
    if (row.kind === 'init') {
      const known = inits.find(({ track, period }) => track === row.track && period === row.period);
      return [known?.remote === 'stored' && known.sha256 === row.sha256 ? { kind: 'init', ...known } : row];
    }
    return [row];
  });
};

/** Counts anew what of the recording waits, for rows were taken out. */
const recountPending = async (tx: Queries, t: Tables, { recording_id, spool_id }: Session): Promise<void> => {
  const { pendingSlots: p, segments: s } = t;
  await tx.delete(p).where(eq(p.recording_id, recording_id));
  const slot = sql<number>`${s.start_ms} / ${sql.raw(String(slotMs))}`.mapWith(Number);
  const found = await tx
    .select({ slot, segments: count() })
    .from(s)
    .where(and(eq(s.recording_id, recording_id), sql`${s.remote} = 'none'`, ne(s.local, 'gone')))
    .groupBy(sql`1`);
  const values = found.map((each) => ({ recording_id, spool_id, ...each }));
  if (values.length > 0) await tx.insert(p).values(values);
};

/**
 * Takes out what the index says is in the bucket, and what media of the bucket show to be there after all; the rest of
 * the recording stays, in the directory where the bucket has it. Answers which of the bucket's rows are to be taken.
 */
export const keepGivenUp = async (
  tx: Queries,
  t: Tables,
  session: Session,
  rows: readonly LedgerRow[],
  recordDir: string = session.record_dir,
): Promise<LedgerRow[]> => {
  const { recording_id: id } = session;
  const wanted = await preferKnown(tx, t, id, rows);
  for (const table of [t.segments, t.inits])
    await tx.delete(table).where(and(eq(table.recording_id, id), eq(table.remote, 'stored')));
  // Media have no stamp: a row that says that they wait would win over them.
  const there = rows.flatMap((row) => (row.kind === 'segment' && row.stamp === 0 ? [row.number] : []));
  for (let at = 0; at < there.length; at += CHUNK)
    await tx
      .delete(t.segments)
      .where(and(eq(t.segments.recording_id, id), inArray(t.segments.number, there.slice(at, at + CHUNK))));
  for (const row of rows)
    if (row.kind === 'init' && row.stamp === 0)
      await tx
        .delete(t.inits)
        .where(and(eq(t.inits.recording_id, id), eq(t.inits.track, row.track), eq(t.inits.period, row.period)));
  for (const table of [t.days, t.hours]) await tx.delete(table).where(eq(table.recording_id, id));
  const none = { init_stored: false, duration_ms: 0, bytes: 0, segments: 0, media_end_ms: null };
  const place = recordDir === '' ? {} : { record_dir: recordDir, mpd_path: mpdPathOf(recordDir) };
  await tx
    .update(t.sessions)
    .set({ ...none, ...place })
    .where(eq(t.sessions.recording_id, id));
  await recountPending(tx, t, session);
  return wanted;
};

/** Whether anything is left to tell of a recording of which the bucket has nothing. */
export const isAnythingGivenUp = async (tx: Queries, t: Tables, recordingId: string): Promise<boolean> => {
  const [segment] = await tx
    .select({ id: t.segments.recording_id })
    .from(t.segments)
    .where(and(eq(t.segments.recording_id, recordingId), ne(t.segments.remote, 'stored')))
    .limit(1);
  const [gap] = await tx
    .select({ id: t.gaps.recording_id })
    .from(t.gaps)
    .where(and(eq(t.gaps.recording_id, recordingId), eq(t.gaps.withdrawn, false)))
    .limit(1);
  return segment !== undefined || gap !== undefined;
};
