/**
 * The streams of a connection: frames that came in order become events, and what is to be sent becomes frames.
 *
 * ```
 * stream, each direction
 *   open ──finish──▶ finishing ──its last bytes and the finish are sent──▶ finished
 *   any ──reset by either end──▶ gone; what comes late for it is passed over
 * ```
 * Both directions finished: the stream is gone. Only the opener opens, with growing numbers from 1. Invariants: of a
 * stream no more bytes are sent than the peer granted, and none is taken beyond what was granted to it; what waits to be
 * sent is bounded by writers that wait, and control frames by `MAX_CONTROL`.
 */
import { fairQueue } from './fair-queue.ts';
import {
  FRAME_BYTES,
  type FramePiece,
  framePiece,
  HEADER_BYTES,
  MAX_PACKET_BYTES,
  type MuxFrame,
  type ResetCode,
} from './mux-packet.ts';
import {
  FIRST_WINDOW_BYTES,
  grant,
  hasSomething,
  isOver,
  type MuxStream,
  newStream,
  takePending,
  WRITE_HIGH_BYTES,
} from './mux-stream.ts';

/** What happened to a stream. */
export type StreamEvent =
  | { kind: 'opened'; stream: number; target: string; token: string }
  /** `bytes` is a view of the message; say `consumed` when done with it. */
  | { kind: 'data'; stream: number; bytes: Uint8Array }
  /** The peer sends no more of the stream. */
  | { kind: 'finished'; stream: number }
  | { kind: 'reset'; stream: number; code: ResetCode; reason: string }
  /** A writer that was told to wait may write again. */
  | { kind: 'writable'; stream: number }
  /** The stream's last bytes and its finish were given to the broker. */
  | { kind: 'sent'; stream: number };

export type MuxStreamsOptions = {
  role: 'opener' | 'acceptor';
  /** Streams at once; more are refused. */
  maxStreams: number;
  /** What all windows of the streams together may be. */
  maxWindowBytes: number;
  happened: (event: StreamEvent) => void;
  /** The peer made us owe it more answers than it will ever take. */
  overwhelmed: () => void;
};

export type MuxStreams = {
  readonly counts: { refusedStreams: number };
  readonly size: number;
  hasControl(): boolean;
  hasData(): boolean;
  open(target: string, token: string, nowMs: number): number;
  write(stream: number, bytes: Uint8Array): boolean;
  finish(stream: number): void;
  reset(stream: number, code: ResetCode, reason: string): void;
  consumed(stream: number, bytes: number, nowMs: number): void;
  take(frame: MuxFrame, nowMs: number): void;
  /** Frames for one message; `mayHaveData` false: control frames alone. */
  fill(mayHaveData: boolean): FramePiece[];
  /** Resets every stream at this end. */
  resetAll(reason: string): void;
};

/** Control frames that wait because the peer acknowledges nothing: more than any peer that behaves makes wait. */
const MAX_CONTROL = 8192;

/** Begins without streams. */
export const muxStreams = (options: MuxStreamsOptions): MuxStreams => {
  const { role, maxStreams, maxWindowBytes, happened, overwhelmed } = options;
  const streams = new Map<number, MuxStream>();
  const queue = fairQueue();
  const control: FramePiece[] = [];
  const counts = { refusedStreams: 0 };
  let [last, windowBytes] = [0, 0];

  const say = (frame: MuxFrame): void => {
    if (control.length >= MAX_CONTROL) overwhelmed();
    else control.push(framePiece(frame));
  };

  const add = (id: number, nowMs: number): void => {
    streams.set(id, newStream(id, nowMs));
    last = id;
    windowBytes += FIRST_WINDOW_BYTES;
  };

  const drop = (stream: MuxStream): void => {
    streams.delete(stream.id);
    queue.remove(stream.id);
    windowBytes -= stream.into.windowBytes;
  };

  const fail = (stream: MuxStream, reason: string): void => {
    drop(stream);
    say({ kind: 'reset', stream: stream.id, code: 'protocol', reason });
    happened({ kind: 'reset', stream: stream.id, code: 'protocol', reason });
  };

  const onOpen = ({ stream, target, token }: MuxFrame & { kind: 'open' }, nowMs: number): void => {
    // A number that was used before, or an opener that is asked to accept: not a peer of this protocol.
    if (role === 'opener' || stream <= last) {
      say({ kind: 'reset', stream, code: 'protocol', reason: 'a stream is opened once, by the opener' });
      return;
    }
    last = stream;
    if (streams.size >= maxStreams) {
      counts.refusedStreams += 1;
      say({ kind: 'reset', stream, code: 'too_many', reason: `${maxStreams} streams are open` });
      return;
    }
    add(stream, nowMs);
    happened({ kind: 'opened', stream, target, token });
  };

  const onData = (stream: MuxStream, bytes: Uint8Array): void => {
    const { into } = stream;
    if (into.state === 'finished' || into.receivedBytes + bytes.length > into.grantedBytes) {
      fail(stream, 'bytes beyond what was granted, or behind the end');
      return;
    }
    into.receivedBytes += bytes.length;
    happened({ kind: 'data', stream: stream.id, bytes });
  };

  const onFinish = (stream: MuxStream): void => {
    if (stream.into.state === 'finished') return;
    stream.into.state = 'finished';
    happened({ kind: 'finished', stream: stream.id });
    if (isOver(stream)) drop(stream);
  };

  const take = (frame: MuxFrame, nowMs: number): void => {
    const stream = streams.get(frame.stream);
    if (frame.kind === 'open') onOpen(frame, nowMs);
    // What was under way when the stream went is passed over.
    if (stream === undefined) return;
    switch (frame.kind) {
      case 'open':
        break;
      case 'data':
        onData(stream, frame.bytes);
        break;
      case 'finish':
        onFinish(stream);
        break;
      case 'reset':
        drop(stream);
        happened(frame);
        break;
      case 'credit':
        stream.out.creditBytes = Math.max(stream.out.creditBytes, frame.upTo);
        if (hasSomething(stream)) queue.add(stream.id);
    }
  };

  const finishPiece = (stream: MuxStream): FramePiece => {
    stream.out.state = 'finished';
    queue.remove(stream.id);
    happened({ kind: 'sent', stream: stream.id });
    if (isOver(stream)) drop(stream);
    return framePiece({ kind: 'finish', stream: stream.id });
  };

  const dataPiece = (stream: MuxStream, most: number): FramePiece => {
    const { id, out } = stream;
    const bytes = takePending(stream, most);
    queue.sent(id, bytes.length, !hasSomething(stream));
    if (out.isWaiting && out.pendingBytes < WRITE_HIGH_BYTES / 2) {
      out.isWaiting = false;
      happened({ kind: 'writable', stream: id });
    }
    return framePiece({ kind: 'data', stream: id, bytes });
  };

  /** The next frame of the stream whose turn it is; null when nobody has any. */
  const nextPiece = (room: number): FramePiece | null => {
    for (let turn = queue.next(); turn !== null; turn = queue.next()) {
      const stream = streams.get(turn.stream);
      if (stream !== undefined && hasSomething(stream))
        return stream.out.pendingBytes === 0
          ? finishPiece(stream)
          : dataPiece(stream, Math.min(turn.bytes, room - FRAME_BYTES));
      queue.remove(turn.stream);
    }
    return null;
  };

  const controlPieces = (): FramePiece[] => {
    let room = MAX_PACKET_BYTES - HEADER_BYTES;
    const end = control.findIndex(({ bytes }) => {
      room -= bytes;
      return room < 0;
    });
    return control.splice(0, end === -1 ? control.length : end);
  };

  return {
    counts,
    get size() {
      return streams.size;
    },
    hasControl: () => control.length > 0,
    hasData: () => queue.size > 0,
    open: (target, token, nowMs) => {
      const piece = framePiece({ kind: 'open', stream: last + 1, target, token });
      add(last + 1, nowMs);
      control.push(piece);
      return last;
    },
    write: (id, bytes) => {
      const stream = streams.get(id);
      if (stream === undefined || stream.out.state !== 'open' || bytes.length === 0) return true;
      stream.out.pending.push(bytes);
      stream.out.pendingBytes += bytes.length;
      if (hasSomething(stream)) queue.add(id);
      stream.out.isWaiting ||= stream.out.pendingBytes >= WRITE_HIGH_BYTES;
      return !stream.out.isWaiting;
    },
    finish: (id) => {
      const stream = streams.get(id);
      if (stream === undefined || stream.out.state !== 'open') return;
      stream.out.state = 'finishing';
      if (hasSomething(stream)) queue.add(id);
    },
    reset: (id, code, reason) => {
      const stream = streams.get(id);
      if (stream === undefined) return;
      drop(stream);
      say({ kind: 'reset', stream: id, code, reason });
    },
    consumed: (id, bytes, nowMs) => {
      const stream = streams.get(id);
      if (stream === undefined) return;
      stream.into.consumedBytes += bytes;
      const before = stream.into.windowBytes;
      const upTo = grant(stream, maxWindowBytes - windowBytes, nowMs);
      windowBytes += stream.into.windowBytes - before;
      if (upTo !== null) say({ kind: 'credit', stream: id, upTo });
    },
    take,
    fill: (mayHaveData) => {
      const pieces = controlPieces();
      let room = MAX_PACKET_BYTES - HEADER_BYTES - pieces.reduce((sum, { bytes }) => sum + bytes, 0);
      // An open goes before the stream's bytes.
      while (mayHaveData && control.length === 0 && room > FRAME_BYTES) {
        const piece = nextPiece(room);
        if (piece === null) break;
        pieces.push(piece);
        room -= piece.bytes;
      }
      return pieces;
    },
    resetAll: (reason) => {
      const open = [...streams.values()];
      for (const stream of open) drop(stream);
      control.length = 0;
      for (const { id } of open) happened({ kind: 'reset', stream: id, code: 'cancelled', reason });
    },
  };
};
