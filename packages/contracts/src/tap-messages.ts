/**
 * What is said on the tap (design: "Wire: the tap"). A connection begins with one JSON line each way (hello, welcome
 * or refusal); what follows is length-prefixed frames, see tap-frames.ts. Three uses: `control` (one per recorder,
 * always open), `record` (one per claimed stream), `read` (live, any number, dropped when slow).
 */
import { z } from 'zod';
import { attachedSpool } from './events.ts';
import { gapCause, trackKind } from './rows.ts';

/** The protocol's version, in hello and welcome; another version is refused by name. */
export const TAP_VERSION = 1;
/** The longest hello, welcome or refusal line, in bytes: room for the orders of two thousand streams. */
export const MAX_TAP_LINE_BYTES = 1_048_576;

const id = z.string().min(1).max(128);
const ordinal = z.int().min(0);

/** A track of a publication as the node forwards it; `ssrc` is 0 where none was announced, until its first packet came. */
export const publishedTrack = z.object({
  kind: trackKind,
  codec: z.string().max(32),
  clockRate: z.int().min(1),
  channels: z.int().min(1).optional(),
  payloadType: z.int().min(0).max(127),
  ssrc: z.int().min(0),
  fmtp: z.string().max(4096).optional(),
});

/** A publisher's life on a stream; `ordinal` is the place in the ring at which it begins. */
export const publication = z.object({
  epoch: id,
  ordinal,
  startedAtMs: z.number(),
  tracks: z.array(publishedTrack).max(8),
});

/** Where one track of a recording stands; see the media package, which makes them. */
export const resumePoint = z.object({
  track: trackKind,
  epoch: id,
  publishedAtMs: z.number(),
  ordinal,
  rtpTimestamp: z.int().min(0).nullable(),
  sequence: z.int().min(0).max(65_535),
  decodeTime: z.int().min(0),
  part: z.int().min(0),
  segment: z.int().min(0),
  period: z.int().min(0),
  clock: z.object({ rtp: z.int(), ntpMs: z.number().nullable(), wallMs: z.number() }).nullable(),
});

/** A recording that a recorder's ledger remembers as ordered and not ended. */
export const recordOrder = z.object({
  stream: z.string().max(300),
  recording_id: id,
  record: z.int(),
  record_dir: z.string().max(512),
  ordered_ms: z.int(),
});

const helloBase = { weir_tap: z.literal(TAP_VERSION), token: z.string().max(4096), process_id: id };

/** The first line of a client. */
export const tapHello = z.discriminatedUnion('use', [
  z.object({
    ...helloBase,
    use: z.literal('control'),
    spool: attachedSpool,
    alias: z.string().max(128),
    capacity: z.int().min(1),
    orders: z.array(recordOrder).max(4096),
  }),
  z.object({
    ...helloBase,
    use: z.literal('record'),
    stream: z.string().max(300),
    spool: id,
    recording_id: id,
    epoch: id.nullable(),
    from_ordinal: ordinal.nullable(),
  }),
  z.object({ ...helloBase, use: z.literal('read'), stream: z.string().max(300) }),
]);

/** The node's answer line. `first_ordinal` is the oldest the ring holds, `next_ordinal` the one that comes next. */
export const tapWelcome = z.discriminatedUnion('use', [
  z.object({
    use: z.literal('control'),
    node_id: id,
    alias: z.string(),
    epoch: id,
    stopped: z
      .array(
        z.object({
          stream: z.string(),
          recording_id: id,
          /** Whether somebody stopped it, or another recorder has the stream. */
          cause: z.enum(['deleted', 'superseded']).default('deleted'),
        }),
      )
      .max(4096),
  }),
  z.object({
    use: z.literal('record'),
    epoch: id,
    generation: z.int().min(1),
    first_ordinal: ordinal,
    next_ordinal: ordinal,
  }),
  z.object({ use: z.literal('read'), epoch: id, next_ordinal: ordinal }),
]);

/** The node's refusal line; the connection closes after it. `holder` is the process id that has the claim. */
export const tapRefusal = z.object({
  refused: z.enum(['version', 'token', 'busy', 'unknown_stream', 'stopped', 'hello', 'disabled']),
  message: z.string().max(500),
  holder: z.string().max(128).optional(),
});

/** The recording as the node's HTTP API answers it. */
export const recordingStarted = z.object({
  recording_id: id,
  record: z.int(),
  record_dir: z.string().max(512),
  start_ms: z.int(),
});

/** Summary of a recording that ended. */
export const recordingSummary = z.object({
  recording_id: id,
  record: z.int(),
  record_dir: z.string().max(512),
  start_ms: z.int(),
  end_ms: z.int(),
  segments: z.int(),
  bytes: z.int(),
  duration_ms: z.int(),
});

/** Node to recorder, on `control`: each has an `id`, and the answer carries it back. */
export const nodeCommand = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('offer'),
    id,
    stream: z.string(),
    cause: z.enum(['auto', 'api']),
    base_dir: z.string().nullable(),
  }),
  z.object({
    kind: z.literal('stop'),
    id,
    stream: z.string(),
    recording_id: id,
    /** Where the stream stood at the stop: what came before it is recorded. Absent: at once. */
    until: z.object({ epoch: id, ordinal }).optional(),
  }),
  z.object({ kind: z.literal('request'), id, path: z.string(), body: z.unknown() }),
]);

/** Recorder to node, on `control`. */
export const recorderMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('accepted'), id, recording: recordingStarted }),
  z.object({
    kind: z.literal('declined'),
    id,
    code: z.enum(['base_dir_taken', 'disk_full', 'disk_error', 'capacity', 'stopping', 'invalid_path']),
    message: z.string(),
  }),
  z.object({ kind: z.literal('stopped'), id, summary: recordingSummary }),
  z.object({ kind: z.literal('not_recording'), id }),
  z.object({ kind: z.literal('response'), id, status: z.int(), body: z.unknown() }),
  z.object({ kind: z.literal('spool'), spool: attachedSpool }),
  z.object({ kind: z.literal('ended'), stream: z.string().max(300), recording_id: id, cause: z.string().max(128) }),
  z.object({ kind: z.literal('rotated'), stream: z.string(), recording: recordingStarted }),
  z.object({
    kind: z.literal('gap'),
    stream: z.string().max(300),
    recording_id: id,
    record_dir: z.string().max(512),
    cause: gapCause,
    from_ms: z.int(),
    to_ms: z.int(),
  }),
]);

/** What a running recording counts, since its recorder took it up: packets and frames in, and how far the disk is behind. */
export const recordingTally = z.object({
  packets: z.int().min(0),
  frames: z.int().min(0),
  lost: z.int().min(0),
  recovered: z.int().min(0),
  dropped_units: z.int().min(0).default(0),
  skipped_units: z.int().min(0).default(0),
  malformed: z.int().min(0).default(0),
  parts: z.int().min(0),
  open_files: z.int().min(0),
  seconds_since_durable: z.number().min(0),
});

/** Recorder to node, on `record`: the heartbeat (each second; 5 s of silence end the claim) carries the watermark. */
export const recorderSignal = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('heartbeat'),
    durable_ordinal: ordinal,
    resume: z.array(resumePoint).max(2),
    tally: recordingTally.optional(),
  }),
  z.object({ kind: z.literal('key_frame') }),
]);

/** Node to recorder, on `record` and `read`, beside media frames; `heard` answers each heartbeat, as a sign of life. */
export const nodeSignal = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('publication'), publication }),
  z.object({ kind: z.literal('ended'), ordinal, at_ms: z.number() }),
  z.object({ kind: z.literal('hole'), from: ordinal, to: ordinal }),
  z.object({ kind: z.literal('superseded'), generation: z.int() }),
  z.object({ kind: z.literal('heard') }),
]);

export type PublishedTrack = z.infer<typeof publishedTrack>;
export type Publication = z.infer<typeof publication>;
export type ResumePoint = z.infer<typeof resumePoint>;
export type RecordOrder = z.infer<typeof recordOrder>;
export type TapHello = z.infer<typeof tapHello>;
export type TapWelcome = z.infer<typeof tapWelcome>;
export type TapRefusal = z.infer<typeof tapRefusal>;
export type RecordingStarted = z.infer<typeof recordingStarted>;
export type RecordingSummary = z.infer<typeof recordingSummary>;
export type NodeCommand = z.infer<typeof nodeCommand>;
export type RecorderMessage = z.infer<typeof recorderMessage>;
export type RecordingTally = z.infer<typeof recordingTally>;
export type RecorderSignal = z.infer<typeof recorderSignal>;
export type NodeSignal = z.infer<typeof nodeSignal>;
