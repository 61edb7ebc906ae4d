/** Bodies and answers of the sync API, `/api/recordings*` of a node: recordings as sessions that a catalogue pulls. */
import { z } from 'zod';

const stamp = z.int().min(0);
const stream = z.string().min(1).max(300);

/** Body of `POST /api/recordings`, optional: sessions changed after `since_ts`, in microseconds. */
export const sessionsRequest = z.strictObject({
  stream: stream.optional(),
  since_ts: stamp.default(0),
  limit: z.int().min(1).max(1000).default(200),
});

/** Query of `GET /api/recordings`: the same as text. */
export const sessionsQuery = z.strictObject({
  stream: stream.optional(),
  since_ts: z.coerce.number().pipe(stamp).default(0),
  limit: z.coerce.number().pipe(z.int().min(1).max(1000)).default(200),
});

/** A session by name; `record` as listed, or as a number. */
export const sessionName = z.strictObject({
  stream,
  record: z.union([z.string().regex(/^\d{1,15}$/), z.int().min(0)]),
});

/** Body of delete. */
export const sessionNames = z.strictObject({ records: z.array(sessionName).max(1000) });

/** Body of ack: `ts` is the one that was listed; without it the node says which it told this client last. */
export const sessionAcks = z.strictObject({
  records: z.array(sessionName.extend({ ts: stamp.optional() })).max(1000),
});

/**
 * A recording in the sync API. `start_ts`, `end_ts` and `ts`, the stamp of its last change, are in microseconds;
 * `segments` are ranges of the numbers that site or bucket have; `status` is in live777's words.
 */
export const syncSession = z.object({
  id: z.string(),
  node: z.string(),
  recording_id: z.string(),
  stream: z.string(),
  record: z.string(),
  record_dir: z.string(),
  mpd_path: z.string(),
  status: z.enum(['Active', 'Completed', 'Acked']),
  start_ts: z.int(),
  end_ts: z.int().nullable(),
  duration_ms: z.int(),
  bytes: z.int(),
  segments: z.array(z.array(z.int()).length(2)),
  ts: z.int(),
});

/**
 * A recorder's page: `is_full` when more may follow; no change of that spool will have a stamp at or below `horizon`
 * that is not told already.
 */
export const sessionsPage = z.object({ sessions: z.array(syncSession), is_full: z.boolean(), horizon: stamp });

/** Answer of `POST` and `GET /api/recordings`; `last_ts` is the next `since_ts`. */
export const sessionsAnswer = z.object({ sessions: z.array(syncSession), last_ts: stamp });

/** Answer of `POST /api/recordings/ack` and `PATCH /api/recordings`. */
export const ackAnswer = z.object({ acked: z.int() });

/** Answer of `POST /api/recordings/delete` and `DELETE /api/recordings`; `refused` names what stays listed, and why. */
export const deleteAnswer = z.object({
  deleted: z.int(),
  refused: z.array(
    z.object({
      stream: z.string(),
      record: z.string(),
      code: z.enum(['unknown', 'not_acked', 'not_indexed']),
    }),
  ),
});

export type SessionsRequest = z.infer<typeof sessionsRequest>;
export type SessionNames = z.infer<typeof sessionNames>;
export type SessionAcks = z.infer<typeof sessionAcks>;
export type SyncSessionInfo = z.infer<typeof syncSession>;
export type SessionsPage = z.infer<typeof sessionsPage>;
export type SessionsAnswer = z.infer<typeof sessionsAnswer>;
export type DeleteAnswer = z.infer<typeof deleteAnswer>;
