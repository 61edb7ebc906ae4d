/**
 * Ledger rows as they travel from a spool to the index. A spool is replicated, not messaged: every row has a stamp
 * taken inside the transaction that changed it, rows travel in stamp order, and repeats are normal. Wall times are
 * integer milliseconds UTC, media times integer ticks of the track's timescale, stamps microseconds.
 */
import { z } from 'zod';
import { STREAM_NAME } from './names.ts';

const count = z.int().min(0);
const wallMs = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const id = z.string().regex(/^[0-9a-f-]{16,64}$/);

/** The id of a spool. */
export const spoolId = id;

/** Which of the two tracks a file belongs to. */
export const trackKind = z.enum(['video', 'audio']);

/** `open`: being written; `present`: final on the site's disk; `gone`: no longer there. */
export const localState = z.enum(['open', 'present', 'gone']);

/** `stored`: the bucket confirmed bytes and hash; `refused`: it never will take them. */
export const remoteState = z.enum(['none', 'stored', 'refused']);

/** Why a stretch of a recording has no media. */
export const gapCause = z.enum([
  'no_publisher',
  'packet_loss',
  'ring_overflow',
  'edge_restart',
  'recorder_restart',
  'disk_full',
  'disk_error',
  'evicted',
  'refused',
  'spool_lost',
]);

const rowBase = { stamp: count, recording_id: id };

/** A recording session of a stream. */
export const recordingRow = z.strictObject({
  ...rowBase,
  kind: z.literal('recording'),
  node_id: z.string().min(1).max(64),
  node_alias: z.string().min(1).max(128),
  stream: z.string().regex(STREAM_NAME),
  record: z.int().min(0),
  record_dir: z.string().min(1).max(512),
  status: z.enum(['recording', 'ended']),
  start_ms: wallMs,
  end_ms: wallMs.nullable(),
  end_cause: z.enum(['deleted', 'rotated', 'no_publisher', 'orderly_stop', 'superseded', 'disk_full']).nullable(),
});

/** An initialization segment: one track of one period. */
export const initRow = z.strictObject({
  ...rowBase,
  kind: z.literal('init'),
  track: trackKind,
  period: z.int().min(1),
  codec: z.string().min(1).max(64),
  timescale: z.int().min(1),
  width: z.int().min(1).nullable(),
  height: z.int().min(1).nullable(),
  sample_rate: z.int().min(1).nullable(),
  channels: z.int().min(1).nullable(),
  bytes: count,
  sha256,
  local: localState,
  remote: remoteState,
  stored_stamp: count.nullable(),
  refused_reason: z.string().max(500).nullable(),
});

/** One track's file of a segment. */
export const segmentTrack = z.strictObject({
  track: trackKind,
  base_time: count,
  duration: count,
  timescale: z.int().min(1),
  samples: count,
  bytes: count,
  sha256,
});

/** Segment *n* of a recording; stored when all its files and its init files are. */
export const segmentRow = z.strictObject({
  ...rowBase,
  kind: z.literal('segment'),
  number: z.int().min(1),
  period: z.int().min(1),
  start_ms: wallMs,
  duration_ms: count,
  key_frame: z.boolean(),
  tracks: z.array(segmentTrack).min(1).max(2),
  local: localState,
  remote: remoteState,
  stored_stamp: count.nullable(),
  refused_reason: z.string().max(500).nullable(),
});

/** A stretch without media; `withdrawn` when the media turned up after all. */
export const gapRow = z.strictObject({
  ...rowBase,
  kind: z.literal('gap'),
  from_ms: wallMs,
  to_ms: wallMs,
  cause: gapCause,
  segment: z.int().min(1).nullable(),
  noted_ms: wallMs,
  withdrawn: z.boolean(),
});

/** Any ledger row. */
export const ledgerRow = z.discriminatedUnion('kind', [recordingRow, initRow, segmentRow, gapRow]);

export type LocalState = z.infer<typeof localState>;
export type RemoteState = z.infer<typeof remoteState>;
export type GapCause = z.infer<typeof gapCause>;
export type RecordingRow = z.infer<typeof recordingRow>;
export type InitRow = z.infer<typeof initRow>;
export type SegmentTrack = z.infer<typeof segmentTrack>;
export type SegmentRow = z.infer<typeof segmentRow>;
export type GapRow = z.infer<typeof gapRow>;
export type LedgerRow = z.infer<typeof ledgerRow>;

/** A run of rows in stamp order; `after` is the stamp before the first of them, so that a hole is seen. */
export const rowsPage = z.strictObject({
  spool: id,
  after: count,
  rows: z.array(ledgerRow).max(1000),
});
export type RowsPage = z.infer<typeof rowsPage>;

/** A row that the index passed without taking it. */
export const refusedRow = z.strictObject({ stamp: count, reason: z.string().max(500) });

/** What the index has committed of a spool: every row up to `cursor`, but for those refused. */
export const ackPage = z.strictObject({
  index: z.string().min(1).max(128),
  spool: id,
  cursor: count,
  refused: z.array(refusedRow).max(1000),
});
export type AckPage = z.infer<typeof ackPage>;

/** Body of `POST /api/recordings/rows`: `since` is also the cursor told. */
export const rowsRequest = z.strictObject({
  index: z.string().min(1).max(128),
  spool: id,
  since: count,
  limit: z.int().min(1).max(1000).default(200),
  refused: z.array(refusedRow).max(1000).default([]),
});
export type RowsRequest = z.infer<typeof rowsRequest>;

/** Answer of `POST /api/recordings/rows`: `last` is the spool's newest stamp. */
export const rowsResponse = z.strictObject({ rows: z.array(ledgerRow).max(1000), last: count });
export type RowsResponse = z.infer<typeof rowsResponse>;
