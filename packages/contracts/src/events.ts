/** What services say on the bus: CloudEvents 1.0 in structured JSON, each type with one schema. */
import { z } from 'zod';
import { ackPage, gapCause, rowsPage } from './rows.ts';

/** The bound of a payload on the bus, in bytes. */
export const MAX_EVENT_BYTES = 65_536;

const streamFields = { stream: z.string().max(300) };
const recordingFields = { ...streamFields, recording_id: z.string().max(64), record_dir: z.string().max(512) };

/** A recorder's spool that holds a control connection to the node. */
export const attachedSpool = z.strictObject({
  spool: z.string().max(64),
  last_stamp: z.int().min(0),
  free_bytes: z.int().min(0),
  level: z.enum(['ok', 'low', 'full']),
});

/** A node's retained status; the last will is the same with `online: false`. */
export const nodeStatus = z.object({
  online: z.boolean(),
  alias: z.string(),
  node_id: z.string(),
  process_id: z.string(),
  version: z.string(),
  http: z.string().nullable(),
  streams: z.int().min(0),
  sessions: z.int().min(0),
  max_sessions: z.int().min(0),
  features: z.array(z.string()).max(64),
  spools: z.array(attachedSpool).max(64),
});
export type NodeStatus = z.infer<typeof nodeStatus>;
export type AttachedSpool = z.infer<typeof attachedSpool>;

/** A codec of a stream as `/api/streams` and the bus show it. */
export const streamCodec = z.object({ kind: z.enum(['video', 'audio']), codec: z.string(), fmtp: z.string() });

/** One stream's summary, retained per stream; an empty payload clears it. */
export const streamSummary = z.object({
  id: z.string(),
  created_ms: z.int(),
  publisher: z.enum(['none', 'connecting', 'connected']),
  codecs: z.array(streamCodec).max(8),
  viewers: z.int().min(0),
  recording: z
    .object({
      recording_id: z.string(),
      record: z.int(),
      record_dir: z.string(),
      mpd_path: z.string(),
      since_ms: z.int(),
    })
    .nullable(),
  recorder: z.enum(['disabled', 'absent', 'idle', 'starting', 'recording', 'refused']),
  recorder_reason: z.string().nullable(),
});
export type StreamSummary = z.infer<typeof streamSummary>;

/** Every event type with the schema of its data. */
export const eventSchemas = {
  'weir.node.status': nodeStatus,
  'weir.stream.summary': streamSummary,
  'weir.stream.started': z.object(streamFields),
  'weir.stream.ended': z.object(streamFields),
  'weir.publisher.connected': z.object({ ...streamFields, session: z.string() }),
  'weir.publisher.gone': z.object({ ...streamFields, session: z.string(), reason: z.string() }),
  'weir.recording.started': z.object(recordingFields),
  'weir.recording.ended': z.object({ ...recordingFields, cause: z.string() }),
  'weir.recording.refused': z.object({ ...streamFields, reason: z.string() }),
  'weir.recording.track_refused': z.object({
    ...recordingFields,
    track: z.enum(['video', 'audio']),
    codec: z.string(),
    reason: z.string(),
  }),
  'weir.recording.gap': z.object({ ...recordingFields, cause: gapCause, from_ms: z.int(), to_ms: z.int() }),
  'weir.object.fault': z.object({
    ...recordingFields,
    key: z.string().max(1024),
    what: z.enum(['missing', 'damaged', 'unreadable']),
    remedy: z.enum(['put_again', 'none']),
    expected_sha256: z.string(),
    got_sha256: z.string().nullable(),
  }),
  'weir.spool.level': attachedSpool,
  'weir.spool.lost': z.object({
    spool: z.string().max(64),
    node: z.string().max(128),
    since_ms: z.int(),
    lost_by: z.enum(['operator', 'unlisted']),
  }),
  'weir.spool.found': z.object({ spool: z.string().max(64), node: z.string().max(128) }),
  'weir.rows': rowsPage,
  'weir.ack': ackPage,
} as const;

export type EventType = keyof typeof eventSchemas;
export type EventData<T extends EventType> = z.infer<(typeof eventSchemas)[T]>;

const envelope = z.object({
  specversion: z.literal('1.0'),
  id: z.string().min(1).max(128),
  source: z.string().min(1).max(256),
  type: z.string(),
  time: z.iso.datetime(),
  data: z.unknown(),
});

/** A past-tense fact with its CloudEvents attributes; `source` is `/node/<alias>` or `/index/<id>`. */
export type WeirEvent<T extends EventType = EventType> = {
  [K in T]: { id: string; source: string; type: K; time: string; data: EventData<K> };
}[T];

/** Encodes an event as structured CloudEvents JSON (CloudEvents 1.0, JSON format §3); throws when over 64 KiB. */
export const encodeEvent = (event: WeirEvent): string => {
  const text = JSON.stringify({ specversion: '1.0', datacontenttype: 'application/json', ...event });
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_EVENT_BYTES)
    throw new RangeError(`event ${event.type} has ${bytes} bytes, at most ${MAX_EVENT_BYTES}`);
  return text;
};

/** Decodes a payload to an event of the type expected; null when it is anything else. */
export const decodeEvent = <T extends EventType>(payload: string | Uint8Array, type: T): WeirEvent<T> | null => {
  if (payload.length > MAX_EVENT_BYTES) return null;
  try {
    const text = typeof payload === 'string' ? payload : new TextDecoder().decode(payload);
    const { id, source, time, ...rest } = envelope.parse(JSON.parse(text));
    if (rest.type !== type) return null;
    return { id, source, type, time, data: eventSchemas[type].parse(rest.data) } as WeirEvent<T>;
  } catch {
    return null;
  }
};
