/** Query and answer of `GET /api/playback/:stream/timeline`: what of a stream's time can be played, waits, or is missing. */
import { z } from 'zod';
import { gapCause } from './rows.ts';

/** The longest stretch that one timeline tells: seven days. */
export const MAX_TIMELINE_MS = 7 * 86_400_000;

/** The most spans of one answer. */
export const MAX_TIMELINE_SPANS = 10_000;

const span = { from: z.int(), to: z.int() };

/**
 * A stretch of a timeline. `present`: in the bucket. `pending`: still at the site; `age_ms` is how long ago its first
 * picture was taken, `position` its place among all segments that its spool has still to send, oldest first, null beyond
 * the first spans. `missing`: nowhere, for that cause; `unexplained` when no row tells one.
 */
export const timelineSpan = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('present'), ...span }),
  z.object({
    kind: z.literal('pending'),
    ...span,
    recording_id: z.string(),
    node: z.string(),
    age_ms: z.int(),
    position: z.int().nullable(),
  }),
  z.object({
    kind: z.literal('missing'),
    ...span,
    recording_id: z.string(),
    cause: z.enum([...gapCause.options, 'unexplained']),
  }),
]);

/** `next` is where to ask on when there were more spans than one answer has; else null. Between spans nothing was recorded. */
export const timelineAnswer = z.object({
  stream: z.string(),
  from: z.int(),
  to: z.int(),
  now: z.int(),
  spans: z.array(timelineSpan),
  next: z.int().nullable(),
});

const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;
const latest = Date.UTC(9999, 11, 31);

/** Milliseconds of a time as it is written in a URL; null for what is none. */
export const parseTimelineTime = (text: string): number | null => {
  // A "+" in a query that was not encoded comes as a space.
  const written = text.replace(/ (\d{2}:\d{2})$/, '+$1');
  const time = /^\d{1,15}$/.test(written) ? Number(written) : isoTime.test(written) ? Date.parse(written) : Number.NaN;
  return time >= 0 && time <= latest ? time : null;
};

const time = z.string().transform((text, context) => {
  const parsed = parseTimelineTime(text);
  if (parsed !== null) return parsed;
  const message = 'must be milliseconds since 1970 or a time such as 2026-03-01T12:00:00Z';
  context.issues.push({ code: 'custom', message, input: text });
  return z.NEVER;
});

/** `from` and `to`, in milliseconds since 1970 or ISO 8601 with a zone. */
export const timelineQuery = z
  .object({ from: time, to: time })
  .refine(({ from, to }) => from < to, { message: '`from` must be before `to`', path: ['from'] })
  .refine(({ from, to }) => to - from <= MAX_TIMELINE_MS, {
    message: 'the time from `from` to `to` must be at most 7 days',
    path: ['to'],
  });

export type TimelineSpan = z.infer<typeof timelineSpan>;
export type TimelineAnswer = z.infer<typeof timelineAnswer>;
