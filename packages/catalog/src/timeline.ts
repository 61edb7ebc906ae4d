/**
 * The timeline of a stream: what of its recordings is in the bucket, waits at the site, or is missing. Where several
 * recordings have the same time, what one of them has is there: present before pending before missing.
 */
import { MAX_TIMELINE_SPANS, type TimelineAnswer, type TimelineSpan } from '@weir/contracts';
import { and, asc, eq, gt, gte, inArray, isNull, lt, or } from 'drizzle-orm';
import type { Database, Queries } from './database.ts';
import { type Neighbours, readNeighbours, readStretches, type TimedStretch } from './hour-reading.ts';
import type { Session } from './known-rows.ts';
import { readLostSpools } from './lost-spools.ts';
import { pendingBefore } from './pending-slots.ts';
import type { IndexedGap } from './playback.ts';
import type { Tables } from './schema.ts';
import { type Bare, holesBetween, joinStretches, seamMs, subtractStretches } from './timeline-spans.ts';

/** The most recordings of one answer. */
const maxRecordings = 2_000;
/** The most pending spans of a spool whose place in its queue is told. */
const maxPositions = 32;
/** How long before `from` a segment may begin that reaches into it. */
const longestSegmentMs = 60_000;

type Pending = Extract<TimelineSpan, { kind: 'pending' }>;
type Missing = Extract<TimelineSpan, { kind: 'missing' }>;
type Parts = { present: Bare[]; pending: (Bare & { session: Session })[]; missing: Missing[] };

/** Holes between stretches, and to the segments beyond them on either side: one may be longer than what is asked for. */
const holesAmong = (joined: readonly Bare[], { endBefore, startAfter }: Neighbours): Bare[] => {
  const ends = [
    ...(endBefore === null ? [] : [{ from: endBefore - 1, to: endBefore }]),
    ...(startAfter === null ? [] : [{ from: startAfter, to: startAfter + 1 }]),
  ];
  return holesBetween(joinStretches([...joined, ...ends], seamMs));
};

/** What one recording has of the time. */
const partsOf = (
  session: Session,
  stretches: readonly TimedStretch[],
  neighbours: Neighbours,
  gaps: readonly IndexedGap[],
  isLost: boolean,
): Parts => {
  const { recording_id } = session;
  const known: Missing[] = gaps.map(({ from_ms, to_ms, cause }) => ({
    kind: 'missing',
    from: from_ms,
    to: to_ms,
    recording_id,
    cause,
  }));
  const lost = (cause: Missing['cause']) => (stretch: Bare) => ({
    kind: 'missing' as const,
    ...stretch,
    recording_id,
    cause,
  });
  const noMedia = joinStretches(known);
  const without = <T extends Bare>(stretches: readonly T[]) => subtractStretches(stretches, noMedia);
  const joined = (...states: TimedStretch['state'][]) =>
    joinStretches(states.length === 0 ? stretches : stretches.filter(({ state }) => states.includes(state)), seamMs);
  const waiting = without(joined('pending'));
  return {
    present: without(joined('stored')),
    pending: isLost ? [] : waiting.map((stretch) => ({ ...stretch, session })),
    missing: [
      ...known,
      ...(isLost ? waiting.map(lost('spool_lost')) : []),
      ...without(joined('gone')).map(lost('evicted')),
      ...without(joined('refused')).map(lost('refused')),
      ...without(holesAmong(joined(), neighbours)).map(lost('unexplained')),
    ],
  };
};

/** Sorts, and takes from each what one before it has. */
const withoutOverlap = <T extends Bare>(stretches: readonly T[]): T[] => {
  let end = 0;
  return stretches
    .toSorted((a, b) => a.from - b.from)
    .flatMap((stretch) => {
      const from = Math.max(stretch.from, end);
      end = Math.max(end, stretch.to);
      return from < stretch.to ? [{ ...stretch, from }] : [];
    });
};

/** The spans of recordings together, in order, cut to the range; `position` is still open. */
const spansOf = (parts: readonly Parts[], { from, to }: Bare, nowMs: number) => {
  const cut = <T extends Bare>(stretches: readonly T[]): T[] =>
    stretches
      .filter((each) => each.from < to && each.to > from)
      .map((each) => ({ ...each, from: Math.max(each.from, from), to: Math.min(each.to, to) }));
  const present = joinStretches(cut(parts.flatMap((each) => each.present)));
  const waiting = withoutOverlap(cut(parts.flatMap((each) => each.pending)));
  const pending = subtractStretches(waiting, present);
  const there = joinStretches([...present, ...pending]);
  const missing = subtractStretches(withoutOverlap(cut(parts.flatMap((each) => each.missing))), there);
  const spans = [
    ...present.map((each) => ({ span: { kind: 'present' as const, ...each } })),
    ...pending.map(({ session, from: start, to: end }) => {
      const { recording_id, node_alias: node } = session;
      const age_ms = Math.max(0, nowMs - start);
      const span: Pending = { kind: 'pending', from: start, to: end, recording_id, node, age_ms, position: null };
      return { span, spool: session.spool_id };
    }),
    ...missing.map((span) => ({ span })),
  ];
  return spans.sort((a, b) => a.span.from - b.span.from);
};

/** Tells the first pending spans of a spool how many older segments of it wait as well. */
const placeInQueue = async (queries: Queries, t: Tables, spool: string, spans: Pending[]): Promise<void> => {
  const placed = spans.slice(0, maxPositions);
  const older = await pendingBefore(
    queries,
    t,
    spool,
    placed.map(({ from }) => from),
  );
  for (const [index, span] of placed.entries()) span.position = 1 + (older[index] ?? 0);
};

const recordingsIn = (queries: Queries, { sessions: s }: Tables, stream: string, { from, to }: Bare) =>
  queries
    .select()
    .from(s)
    .where(
      and(
        eq(s.stream, stream),
        inArray(s.status, ['recording', 'ended']),
        lt(s.start_ms, to),
        or(isNull(s.end_ms), gt(s.end_ms, from), gt(s.media_end_ms, from)),
      ),
    )
    .orderBy(asc(s.start_ms), asc(s.recording_id))
    .limit(maxRecordings + 1);

const gapsIn = (queries: Queries, { gaps: g }: Tables, ids: string[], { from, to }: Bare) =>
  ids.length === 0
    ? []
    : queries
        .select()
        .from(g)
        .where(and(inArray(g.recording_id, ids), eq(g.withdrawn, false), lt(g.from_ms, to), gte(g.to_ms, from)));

/** The timeline of a stream from `from` to before `to`, wall milliseconds; ends earlier, at `next`, when there is too much. */
export const timelineOf =
  ({ database, now }: { database: Database; now: () => number }) =>
  (stream: string, range: Bare): Promise<TimelineAnswer> => {
    const { tables: t } = database;
    return database.read(async (queries) => {
      const found = await recordingsIn(queries, t, stream, range);
      const more = found.length > maxRecordings ? (found.pop()?.start_ms ?? range.to) : range.to;
      const to = more > range.from ? more : range.to;
      const ids = found.map(({ recording_id }) => recording_id);
      const early = range.from - longestSegmentMs;
      const stretches = await readStretches(queries, t, ids, early, to);
      const neighbours = await readNeighbours(queries, t, ids, early, to);
      const gaps = Map.groupBy(await gapsIn(queries, t, ids, range), ({ recording_id }) => recording_id);
      const lost = await readLostSpools(queries, t);
      const parts = found.map((session) => {
        const { recording_id: id, spool_id: spool } = session;
        const beside = neighbours.get(id) ?? { endBefore: null, startAfter: null };
        return partsOf(session, stretches.get(id) ?? [], beside, gaps.get(id) ?? [], lost.has(spool));
      });
      const nowMs = now();
      const spans = spansOf(parts, { from: range.from, to }, nowMs);
      const told = spans.slice(0, MAX_TIMELINE_SPANS);
      const waiting = told.flatMap((each) =>
        each.span.kind === 'pending' && 'spool' in each ? [{ span: each.span, spool: each.spool }] : [],
      );
      for (const [spool, of] of Map.groupBy(waiting, (each) => each.spool))
        await placeInQueue(
          queries,
          t,
          spool,
          of.map(({ span }) => span),
        );
      const next = spans[MAX_TIMELINE_SPANS]?.span.from ?? (to < range.to ? to : null);
      return { stream, from: range.from, to: next ?? to, now: nowMs, spans: told.map(({ span }) => span), next };
    });
  };
