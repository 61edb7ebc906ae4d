/**
 * One message of `mux`: a header, then frames. All numbers are big-endian.
 *
 * ```
 *  0  u8   version, 1
 *  1  u8   flags: 1 first contact (nothing of the peer came yet), 2 unknown (the connection is not known here)
 *  2  8 B  session id of the sender       10  8 B  session id of the receiver
 * 18  u32  generation: which connection of these two it is, counted by the one who opens
 * 22  u48  sequence number from 1; 0 for a message that asks for no acknowledgement
 * 28  u48  acknowledged: everything up to it came
 * 34  u32  bit i: the message acknowledged + 2 + i came as well
 * 38  u48  the message that came last, by which the peer knows the round trip
 * 44  frames: u8 type, u32 stream, u32 length, body
 * ```
 */

/** Why a stream was reset; the reason in words goes beside it. */
export const resetCodes = {
  cancelled: 0,
  refused: 1,
  forbidden: 2,
  unreachable: 3,
  too_many: 4,
  protocol: 5,
} as const;
export type ResetCode = keyof typeof resetCodes;
const codeNames = Object.keys(resetCodes) as ResetCode[];

/** One frame of a message. `body` is a view of the message. */
export type MuxFrame =
  /** The opener asks for a byte stream to `target` (`host:port`, or `api`, `tap`), with the token that allows it. */
  | { kind: 'open'; stream: number; target: string; token: string }
  | { kind: 'data'; stream: number; bytes: Uint8Array }
  /** No bytes follow in this direction. */
  | { kind: 'finish'; stream: number }
  | { kind: 'reset'; stream: number; code: ResetCode; reason: string }
  /** The receiver takes bytes of the stream up to this offset, counted from its beginning. */
  | { kind: 'credit'; stream: number; upTo: number };

/** A message without its frames. Session ids are 16 hex digits. */
export type MuxHeader = {
  isFirstContact: boolean;
  isUnknown: boolean;
  from: string;
  to: string;
  generation: number;
  sequence: number;
  acknowledged: number;
  selective: number;
  latest: number;
};

export const HEADER_BYTES = 44;
export const FRAME_BYTES = 9;
/** Most bytes of one message: what every broker takes. */
export const MAX_PACKET_BYTES = 65_536;
export const MAX_TOKEN_BYTES = 4096;
export const MAX_TARGET_BYTES = 255;
export const MAX_REASON_BYTES = 200;
const VERSION = 1;
const types = { open: 1, data: 2, finish: 3, reset: 4, credit: 5 } as const;

const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8');
const strictText = new TextDecoder('utf-8', { fatal: true });

const writeU48 = (view: DataView, at: number, value: number): void => {
  view.setUint16(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 2, value % 2 ** 32);
};
const readU48 = (view: DataView, at: number): number => view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);

const hexBytes = (id: string): Uint8Array => {
  if (!/^[0-9a-f]{16}$/.test(id)) throw new RangeError(`a session id is 16 hex digits, not ${JSON.stringify(id)}`);
  return Uint8Array.from({ length: 8 }, (_, at) => Number.parseInt(id.slice(at * 2, at * 2 + 2), 16));
};
const hexText = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Cut at a character, so that the peer reads what is left of it. */
const cutText = (words: string, maxBytes: number): Uint8Array => {
  const bytes = utf8.encode(words);
  if (bytes.length <= maxBytes) return bytes;
  return utf8.encode(text.decode(bytes.subarray(0, maxBytes)).replace(/�+$/, ''));
};

const openBody = (target: string, token: string): Uint8Array => {
  const [name, proof] = [utf8.encode(target), utf8.encode(token)];
  if (name.length > MAX_TARGET_BYTES) throw new RangeError(`a target has at most ${MAX_TARGET_BYTES} bytes`);
  if (proof.length > MAX_TOKEN_BYTES) throw new RangeError(`a token has at most ${MAX_TOKEN_BYTES} bytes`);
  const body = new Uint8Array(1 + name.length + proof.length);
  body[0] = name.length;
  body.set(name, 1);
  body.set(proof, 1 + name.length);
  return body;
};

const bodyOf = (frame: MuxFrame): Uint8Array => {
  switch (frame.kind) {
    case 'open':
      return openBody(frame.target, frame.token);
    case 'data':
      return frame.bytes;
    case 'finish':
      return new Uint8Array(0);
    case 'reset': {
      const words = cutText(frame.reason, MAX_REASON_BYTES);
      const body = new Uint8Array(1 + words.length);
      body[0] = resetCodes[frame.code];
      body.set(words, 1);
      return body;
    }
    case 'credit': {
      const body = new Uint8Array(6);
      writeU48(new DataView(body.buffer), 0, frame.upTo);
      return body;
    }
  }
};

/** A frame as it travels: its head is made, its bytes are not copied. */
export type FramePiece = { type: number; stream: number; body: Uint8Array; bytes: number };

/** Prepares a frame. Throws RangeError when a text in it is too long. */
export const framePiece = (frame: MuxFrame): FramePiece => {
  const body = bodyOf(frame);
  return { type: types[frame.kind], stream: frame.stream, body, bytes: FRAME_BYTES + body.length };
};

/** Writes everything that changes when a message is sent once more. */
export const stampPacket = (packet: Uint8Array, header: MuxHeader): void => {
  const view = new DataView(packet.buffer, packet.byteOffset, HEADER_BYTES);
  view.setUint8(0, VERSION);
  view.setUint8(1, (header.isFirstContact ? 1 : 0) | (header.isUnknown ? 2 : 0));
  packet.set(hexBytes(header.from), 2);
  packet.set(hexBytes(header.to), 10);
  view.setUint32(18, header.generation);
  writeU48(view, 22, header.sequence);
  writeU48(view, 28, header.acknowledged);
  view.setUint32(34, header.selective >>> 0);
  writeU48(view, 38, header.latest);
};

/** Writes a message; the only copy that is made of a stream's bytes on their way out. */
export const encodePacket = (header: MuxHeader, pieces: readonly FramePiece[]): Uint8Array => {
  const packet = new Uint8Array(pieces.reduce((sum, { bytes }) => sum + bytes, HEADER_BYTES));
  stampPacket(packet, header);
  const view = new DataView(packet.buffer);
  let at = HEADER_BYTES;
  for (const { type, stream, body } of pieces) {
    view.setUint8(at, type);
    view.setUint32(at + 1, stream);
    view.setUint32(at + 5, body.length);
    packet.set(body, at + FRAME_BYTES);
    at += FRAME_BYTES + body.length;
  }
  return packet;
};

const frameOf = (type: number, stream: number, body: Uint8Array): MuxFrame | null => {
  switch (type) {
    case types.open: {
      const length = body[0];
      if (length === undefined || length === 0 || body.length < 1 + length) return null;
      if (body.length - 1 - length > MAX_TOKEN_BYTES) return null;
      try {
        const target = strictText.decode(body.subarray(1, 1 + length));
        return { kind: 'open', stream, target, token: strictText.decode(body.subarray(1 + length)) };
      } catch {
        return null;
      }
    }
    case types.data:
      return body.length === 0 ? null : { kind: 'data', stream, bytes: body };
    case types.finish:
      return body.length === 0 ? { kind: 'finish', stream } : null;
    case types.reset: {
      if (body.length === 0 || body.length > 1 + MAX_REASON_BYTES) return null;
      // A newer peer may have reasons that are not known here; its words say which.
      return {
        kind: 'reset',
        stream,
        code: codeNames[body[0] ?? 0] ?? 'cancelled',
        reason: text.decode(body.subarray(1)),
      };
    }
    case types.credit:
      if (body.length !== 6) return null;
      return { kind: 'credit', stream, upTo: readU48(new DataView(body.buffer, body.byteOffset, 6), 0) };
    default:
      return null;
  }
};

const readFrames = (packet: Uint8Array, view: DataView): MuxFrame[] | null => {
  const frames: MuxFrame[] = [];
  let at = HEADER_BYTES;
  while (at < packet.length) {
    if (packet.length - at < FRAME_BYTES) return null;
    const length = view.getUint32(at + 5);
    const stream = view.getUint32(at + 1);
    const end = at + FRAME_BYTES + length;
    if (end > packet.length || stream === 0) return null;
    const frame = frameOf(view.getUint8(at), stream, packet.subarray(at + FRAME_BYTES, end));
    if (frame === null) return null;
    frames.push(frame);
    at = end;
  }
  return frames;
};

/** A message that was read; `frames` are views of it. */
export type MuxPacket = MuxHeader & { frames: MuxFrame[] };

/** Reads a message whole; null when it is too long, of another version, or broken anywhere. */
export const decodePacket = (packet: Uint8Array): MuxPacket | null => {
  if (packet.length < HEADER_BYTES || packet.length > MAX_PACKET_BYTES) return null;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const flags = view.getUint8(1);
  if (view.getUint8(0) !== VERSION || flags > 3) return null;
  const sequence = readU48(view, 22);
  const frames = readFrames(packet, view);
  if (frames === null || (sequence === 0 && frames.length > 0)) return null;
  return {
    isFirstContact: (flags & 1) !== 0,
    isUnknown: (flags & 2) !== 0,
    from: hexText(packet.subarray(2, 10)),
    to: hexText(packet.subarray(10, 18)),
    generation: view.getUint32(18),
    sequence,
    acknowledged: readU48(view, 28),
    selective: view.getUint32(34),
    latest: readU48(view, 38),
    frames,
  };
};
