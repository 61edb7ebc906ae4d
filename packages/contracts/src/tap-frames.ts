/**
 * Frames of the tap after the hello: u32 length of what follows (big endian), u8 type, payload.
 *
 *     type 1 json     UTF-8 JSON: a command, message or signal of tap-messages.ts
 *     type 2 packet   u8 track (0 video, 1 audio), u64 ordinal, f64 arrival in wall milliseconds, then one RTP packet
 *                     or one RTCP sender report (told apart as in RFC 5761 §4), as the publisher sent it
 *
 * A frame has at most MAX_TAP_FRAME_BYTES; a longer one, an unknown type, a short packet frame or one without an arrival
 * time ends the connection.
 */
import type { TrackKind } from './object-keys.ts';

/** The bound of one frame without its length field, in bytes; a page of ledger rows is the largest that is sent. */
export const MAX_TAP_FRAME_BYTES = 2 * 1024 * 1024;
/** Bytes before the RTP packet: length, type, track, ordinal, arrival. */
export const PACKET_FRAME_HEADER_BYTES = 4 + 1 + 1 + 8 + 8;

/** The last moment that a Date can name, in wall milliseconds. */
const MAX_ARRIVAL_MS = 8.64e15;

const JSON_TYPE = 1;
const PACKET_TYPE = 2;

/** A frame, decoded; `bytes` of a packet is a view into the receive buffer, valid as long as that is. */
export type TapFrame =
  | { kind: 'json'; value: unknown }
  | { kind: 'packet'; track: TrackKind; ordinal: number; arrivalMs: number; bytes: Uint8Array };

/** Encodes a JSON frame; throws when it is over the bound. */
export const encodeJsonFrame = (value: unknown): Uint8Array => {
  const text = new TextEncoder().encode(JSON.stringify(value));
  if (text.length + 1 > MAX_TAP_FRAME_BYTES) {
    throw new RangeError(`tap frame has ${text.length + 1} bytes, at most ${MAX_TAP_FRAME_BYTES}`);
  }
  const frame = new Uint8Array(5 + text.length);
  new DataView(frame.buffer).setUint32(0, 1 + text.length);
  frame[4] = JSON_TYPE;
  frame.set(text, 5);
  return frame;
};

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const writeUint32 = (output: Uint8Array, at: number, value: number): void => {
  output[at] = value >>> 24;
  output[at + 1] = value >>> 16;
  output[at + 2] = value >>> 8;
  output[at + 3] = value;
};

/** Encodes a packet frame in memory of its own, or in so many bytes that `memory` gives. */
export const encodePacketFrame = (
  track: TrackKind,
  ordinal: number,
  arrivalMs: number,
  bytes: Uint8Array,
  memory: (bytes: number) => Uint8Array = (length) => new Uint8Array(length),
): Uint8Array => {
  const frame = memory(PACKET_FRAME_HEADER_BYTES + bytes.length);
  writeUint32(frame, 0, frame.length - 4);
  frame[4] = PACKET_TYPE;
  frame[5] = track === 'video' ? 0 : 1;
  writeUint32(frame, 6, Math.floor(ordinal / 2 ** 32));
  writeUint32(frame, 10, ordinal >>> 0);
  // By hand: a DataView for each packet costs more than all else here.
  float[0] = arrivalMs;
  for (let at = 0; at < 8; at++) frame[14 + at] = floatBytes[isLittleEndian ? 7 - at : at] as number;
  frame.set(bytes, PACKET_FRAME_HEADER_BYTES);
  return frame;
};

const decodeJson = (text: Uint8Array): TapFrame | null => {
  try {
    return { kind: 'json', value: JSON.parse(new TextDecoder().decode(text)) as unknown };
  } catch {
    return null;
  }
};

/** Decodes the frame between `start` and `end`, which begins with its type. */
const decodeBody = (data: Uint8Array, view: DataView, start: number, end: number): TapFrame | null => {
  const type = data[start];
  if (type === JSON_TYPE) return decodeJson(data.subarray(start + 1, end));
  const packetAt = start + PACKET_FRAME_HEADER_BYTES - 4;
  if (type !== PACKET_TYPE || end < packetAt) return null;
  const track = data[start + 1] as number;
  const ordinal = view.getUint32(start + 2) * 2 ** 32 + view.getUint32(start + 6);
  const arrivalMs = view.getFloat64(start + 10);
  // Written so that what is no number is refused too: every clock behind this would stand on it.
  const isTime = arrivalMs >= 0 && arrivalMs <= MAX_ARRIVAL_MS;
  if (track > 1 || !Number.isSafeInteger(ordinal) || !isTime) return null;
  return {
    kind: 'packet',
    track: track === 0 ? 'video' : 'audio',
    ordinal,
    arrivalMs,
    bytes: data.subarray(packetAt, end),
  };
};

const concat = (chunks: readonly Uint8Array[], bytes: number): Uint8Array => {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
};

/**
 * Cuts a byte stream into frames. Returns the frames a chunk completes, or null once the stream has broken the
 * protocol, after which the connection is to be closed. Holds at most one frame and one chunk.
 */
export const tapFrameDecoder = (): ((chunk: Uint8Array) => TapFrame[] | null) => {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let wanted = 4;
  return (chunk) => {
    pending.push(chunk);
    pendingBytes += chunk.length;
    if (pendingBytes < wanted) return [];
    const data = concat(pending, pendingBytes);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const frames: TapFrame[] = [];
    let at = 0;
    wanted = 4;
    while (data.length - at >= 4) {
      const length = view.getUint32(at);
      if (length < 1 || length > MAX_TAP_FRAME_BYTES) return null;
      if (data.length - at - 4 < length) {
        wanted = 4 + length;
        break;
      }
      const frame = decodeBody(data, view, at + 4, at + 4 + length);
      if (frame === null) return null;
      frames.push(frame);
      at += 4 + length;
    }
    pending = at === data.length ? [] : [data.subarray(at)];
    pendingBytes = data.length - at;
    return frames;
  };
};

/**
 * Takes the first line (without its newline) off a byte stream: returns it with the bytes behind it once it is complete,
 * `null` before, and `'too-long'` when no newline comes within `maxBytes`. Each byte is looked at once, however it comes.
 */
export const lineReader = (maxBytes: number) => {
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  return (chunk: Uint8Array): { line: string; rest: Uint8Array } | 'too-long' | null => {
    const end = chunk.indexOf(10);
    const lineBytes = heldBytes + (end < 0 ? chunk.length : end);
    if (lineBytes > maxBytes) return 'too-long';
    held.push(end < 0 ? chunk : chunk.subarray(0, end));
    heldBytes = lineBytes;
    if (end < 0) return null;
    return { line: new TextDecoder().decode(concat(held, heldBytes)), rest: chunk.subarray(end + 1) };
  };
};
