/** Bodies and answers of the HTTP APIs of node and gateway (design: HTTP, and the rulings on the seeds). */
import { z } from 'zod';
import { recordingSummary, recordingTally } from './tap-messages.ts';

/** The most bytes of an SDP offer or sdpfrag. */
export const MAX_SDP_BYTES = 65_536;
/** The most bytes of any JSON body. */
export const MAX_JSON_BYTES = 1_048_576;

/** An error's body (RFC 9457) with a stable `code`; every code is described in docs/errors.md. */
export const problemDocument = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
});

/** Body of `POST /api/record/:stream`, optional; `base_dir` leaves room for the `/<record>` that a rotation appends. */
export const startRecordBody = z.strictObject({ base_dir: z.string().max(500).optional() });

/** Answer of `POST /api/record/:stream`: the seed's four fields. */
export const startRecordAnswer = z.object({
  id: z.string(),
  record_id: z.string(),
  record_dir: z.string(),
  mpd_path: z.string(),
});

/** Answer of `GET /api/record/:stream`. */
export const recordStatusAnswer = z.object({
  recording: z.boolean(),
  recording_id: z.string().optional(),
  record_id: z.string().optional(),
  record_dir: z.string().optional(),
  mpd_path: z.string().optional(),
  since_ms: z.int().optional(),
  recorder: z.string().optional(),
  reason: z.string().optional(),
  /** What its recorder counted, a second old at most; absent until it has said so. */
  tally: recordingTally.extend({ ring_bytes: z.int(), ring_seconds: z.number() }).optional(),
});

/** Answer of `DELETE /api/record/:stream`. */
export const stopRecordAnswer = recordingSummary.extend({ id: z.string(), mpd_path: z.string() });

/** A WHIP or WHEP session in `/api/streams`. */
export const sessionInfo = z.object({
  id: z.string(),
  createdAt: z.int(),
  state: z.enum(['new', 'connecting', 'connected', 'closed']),
});

/** A stream in `/api/streams`, in live777's shape with what we add; `createdAt` in milliseconds. */
export const streamInfo = z.object({
  id: z.string(),
  createdAt: z.int(),
  publish: z.object({ leaveAt: z.int(), sessions: z.array(sessionInfo) }),
  subscribe: z.object({ leaveAt: z.int(), sessions: z.array(sessionInfo) }),
  codecs: z.array(z.object({ kind: z.string(), codec: z.string(), fmtp: z.string() })),
  recording: z
    .object({
      recording_id: z.string(),
      record: z.int(),
      record_dir: z.string(),
      mpd_path: z.string(),
      since_ms: z.int(),
    })
    .nullable(),
  recorder: z.string(),
  recorder_reason: z.string().nullable(),
  node: z.string().optional(),
});

/** A node in the gateway's `/api/nodes`. */
export const nodeInfo = z.object({
  alias: z.string(),
  node_id: z.string(),
  status: z.enum(['running', 'stopped']),
  version: z.string(),
  url: z.string().nullable(),
  streams: z.int(),
  sessions: z.int(),
  spools: z.array(z.object({ spool: z.string(), level: z.string(), free_bytes: z.int() })),
  last_seen_ms: z.int(),
});

/** A row of `GET /api/playback`: a stream's UTC day. */
export const playbackDay = z.object({
  stream: z.string(),
  year: z.int(),
  month: z.int(),
  day: z.int(),
  mpd_path: z.string(),
  duration_ms: z.int(),
  recordings: z.int(),
});

/** A row of `GET /api/playback/:stream`; `gaps`, and how long they are together, are those of the whole recording. */
export const playbackStreamDay = playbackDay.omit({ recordings: true }).extend({
  recordings: z.array(
    z.object({
      recording_id: z.string(),
      record: z.int(),
      record_dir: z.string(),
      mpd_path: z.string(),
      start: z.int(),
      end: z.int().nullable(),
      duration_ms: z.int(),
      status: z.enum(['recording', 'ended']),
      segments: z.int(),
      gaps: z.int(),
      gaps_ms: z.int(),
    }),
  ),
});

/**
 * One URL asked of `POST /api/storage/presign`; `path` is an object key, `sha256` and `md5` are lower-case hex, `md5` for
 * a bucket that takes no sha256 checksum.
 */
export const presignItem = z.strictObject({
  method: z.enum(['GET', 'PUT', 'HEAD']),
  path: z.string().max(1024),
  ttl_seconds: z.int().min(1).max(86_400).default(300),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  length: z.int().min(0).max(5_368_709_120).optional(),
  type: z.string().max(128).optional(),
  create_only: z.boolean().optional(),
  spool: z.string().max(64).optional(),
});

/** Body of `POST /api/storage/presign`: one item, or a batch. */
export const presignBody = z.union([presignItem, z.strictObject({ items: z.array(presignItem).min(1).max(100) })]);

/** A granted URL; `headers` are to be sent exactly as they stand. */
export const presignedUrl = z.object({ url: z.string(), headers: z.record(z.string(), z.string()) });

/** Answer of the batch form: a URL or a problem for each item, in order. */
export const presignBatchAnswer = z.object({ items: z.array(z.union([presignedUrl, problemDocument])) });

/** Body of `POST /api/login`. */
export const loginBody = z.strictObject({
  username: z.string().min(1).max(128),
  password: z.string().min(1).max(1024),
});

/** Answer of `POST /api/login`. */
export const loginAnswer = z.object({ access_token: z.string(), token_type: z.literal('Bearer'), expires_in: z.int() });

/** Body of `POST /api/token` in live777's shape: a stream's name or `*`, seconds, rights. */
export const tokenBody = z.strictObject({
  id: z.string().min(1).max(300),
  duration: z.int().min(1).max(31_536_000),
  subscribe: z.boolean(),
  publish: z.boolean(),
  admin: z.boolean(),
});

/** Body of `POST /api/join`: which node asks, empty before its first start. */
export const joinBody = z.strictObject({ node_id: z.string().max(64) });

/** Answer of `POST /api/join`: as which node the site has joined, and the gateway's clock. */
export const joinAnswer = z.object({ alias: z.string(), streams: z.string(), time: z.string() });

export type ProblemDocument = z.infer<typeof problemDocument>;
export type StreamInfo = z.infer<typeof streamInfo>;
export type NodeInfo = z.infer<typeof nodeInfo>;

/** A row of `GET /api/spools/lost`: a spool that will not come back, as far as anybody knows; `lost_by` says who said so. */
export const lostSpool = z.object({
  spool: z.string(),
  node: z.string(),
  lost_since_ms: z.int(),
  lost_by: z.enum(['operator', 'unlisted']),
  last_seen_ms: z.int(),
  last_listed_ms: z.int().nullable(),
});
export type LostSpool = z.infer<typeof lostSpool>;
export type PlaybackDay = z.infer<typeof playbackDay>;
export type PlaybackStreamDay = z.infer<typeof playbackStreamDay>;
export type PresignItem = z.infer<typeof presignItem>;
export type PresignedUrl = z.infer<typeof presignedUrl>;
export type StartRecordAnswer = z.infer<typeof startRecordAnswer>;
export type RecordStatusAnswer = z.infer<typeof recordStatusAnswer>;
