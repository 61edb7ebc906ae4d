/**
 * A connection of `mux`: many reliable byte streams between two processes, in MQTT messages that may be lost, repeated
 * and reordered. Pure: bytes and time in, messages and events out.
 *
 * ```
 * live ──(the peer does not know it | nothing heard for 60 s | close)──▶ closed: every stream is reset
 * ```
 * Invariants: a message is kept until it is acknowledged, and sent again when it was lost; frames are taken in order,
 * once; under way to a peer are at most as many bytes as {@link file://./window-size.ts} allows, and what is small goes
 * first. The generation tells connections of the same two processes apart, so that a late message of an old one is
 * foreign. The states of a stream stand in {@link file://./mux-streams.ts}.
 */
import {
  encodePacket,
  type FramePiece,
  type MuxFrame,
  type MuxHeader,
  type MuxPacket,
  stampPacket,
} from './mux-packet.ts';
import { type MuxStreams, muxStreams, type StreamEvent } from './mux-streams.ts';
import { receiveWindow } from './receive-window.ts';
import { sendWindow } from './send-window.ts';

/** What happened on a connection; `closed` comes last, behind the resets of its streams. */
export type MuxEvent = StreamEvent | { kind: 'closed'; reason: string };

export type MuxOptions = {
  role: 'opener' | 'acceptor';
  /** Session ids of the two processes, 16 hex digits. */
  own: string;
  peer: string;
  generation: number;
  nowMs: number;
  /** Streams at once; more are refused. Default 1,024. */
  maxStreams?: number;
  /** What all windows of the streams together may be. Default 64 MiB. */
  maxWindowBytes?: number;
};

/** What one step brings. */
export type MuxStep = { packets: Uint8Array[]; events: MuxEvent[] };

export type MuxCounts = {
  sent: number;
  repeated: number;
  timeouts: number;
  received: number;
  duplicates: number;
  refusedStreams: number;
  foreign: number;
};

export type MuxConnection = {
  /** Opens a stream and answers its number. Throws RangeError for a target or token that is too long. */
  open(target: string, token: string, nowMs: number): number;
  /** Takes bytes to send, which must not change afterwards; false: wait for `writable`. */
  write(stream: number, bytes: Uint8Array): boolean;
  /** No more is written: half-close. */
  finish: MuxStreams['finish'];
  reset: MuxStreams['reset'];
  /** The reader has done with so many bytes: the peer may send more. */
  consumed: MuxStreams['consumed'];
  /** Takes a message of the peer. */
  receive(packet: MuxPacket, nowMs: number): void;
  /** The broker is there, or away: then nothing is sent, and afterwards all that is unacknowledged is. */
  setOnline(isOnline: boolean, nowMs: number): void;
  /** Ends the connection. The peer learns it by its next message being answered as unknown. */
  close(reason: string): void;
  /** What is to be published now and what happened. Call it after every other call, and at `deadlineMs`. */
  step(nowMs: number): MuxStep;
  /** When `step` is due without another call; infinite when nothing runs. */
  deadlineMs(): number;
  readonly isClosed: boolean;
  readonly counts: Readonly<MuxCounts>;
  streams(): number;
};

export const SILENCE_MS = 60_000;
const KEEP_ALIVE_MS = 15_000;
const ACK_DELAY_MS = 1;
const ACK_PACKETS = 8;
const ACK_BYTES = 256 * 1024;
const NEVER = Number.POSITIVE_INFINITY;

/** When an acknowledgement is due: at once for what is unusual or much, else after a moment, so that data may carry it. */
const acknowledgementDue = () => {
  let [packets, bytes, atMs] = [0, 0, NEVER];
  return {
    owe: (more: number, isUnusual: boolean, nowMs: number): void => {
      packets += 1;
      bytes += more;
      const isDue = isUnusual || packets >= ACK_PACKETS || bytes >= ACK_BYTES;
      atMs = Math.min(atMs, isDue ? nowMs : nowMs + ACK_DELAY_MS);
    },
    wish: (nowMs: number): void => {
      atMs = nowMs;
    },
    paid: (): void => {
      [packets, bytes, atMs] = [0, 0, NEVER];
    },
    atMs: () => atMs,
  };
};

/** Opens a connection. */
export const muxConnection = (options: MuxOptions): MuxConnection => {
  const { role, own, peer, generation, maxStreams = 1024, maxWindowBytes = 64 * 1024 * 1024 } = options;
  const sending = sendWindow();
  const receiving = receiveWindow<MuxFrame[]>();
  const due = acknowledgementDue();
  let events: MuxEvent[] = [];
  let [isOnline, isClosed, isHeard] = [true, false, false];
  let [heardMs, saidMs] = [options.nowMs, options.nowMs];
  const counted = { received: 0, foreign: 0 };

  const close = (reason: string): void => {
    if (isClosed) return;
    isClosed = true;
    streams.resetAll(reason);
    events.push({ kind: 'closed', reason });
  };

  const streams = muxStreams({
    role,
    maxStreams,
    maxWindowBytes,
    happened: (event) => events.push(event),
    overwhelmed: () => close('the peer acknowledges nothing of what it asked for'),
  });

  const isExpected = (): boolean => streams.size > 0 || sending.unacknowledged() > 0;

  const header = (sequence: number): MuxHeader => ({
    isFirstContact: !isHeard,
    isUnknown: false,
    from: own,
    to: peer,
    generation,
    sequence,
    ...receiving.acknowledgement(),
  });

  const takeFrames = (packet: MuxPacket, nowMs: number): void => {
    counted.received += 1;
    const { repeated } = receiving.counts;
    const ready = receiving.take(packet.sequence, packet.frames);
    const bytes = packet.frames.reduce((sum, frame) => sum + (frame.kind === 'data' ? frame.bytes.length : 0), 0);
    due.owe(bytes, receiving.hasHole() || receiving.counts.repeated > repeated, nowMs);
    for (const frames of ready) for (const frame of frames) if (!isClosed) streams.take(frame, nowMs);
  };

  const receive = (packet: MuxPacket, nowMs: number): void => {
    if (isClosed) return;
    const isForeign = packet.from !== peer || packet.to !== own || packet.generation !== generation;
    if (isForeign || sending.isBeyond(packet.acknowledged)) {
      counted.foreign += 1;
      return;
    }
    if (packet.isUnknown) {
      close('the peer does not know the connection: it was restarted');
      return;
    }
    heardMs = nowMs;
    isHeard = true;
    sending.acknowledge(packet, nowMs);
    if (packet.sequence > 0) takeFrames(packet, nowMs);
  };

  const send = (nowMs: number): Uint8Array[] => {
    const packets: Uint8Array[] = [];
    const publish = (packet: Uint8Array): void => {
      packets.push(packet);
      saidMs = nowMs;
      due.paid();
    };
    const sendNew = (pieces: readonly FramePiece[]): void => {
      const packet = encodePacket(header(sending.nextSequence()), pieces);
      sending.sent(packet, nowMs);
      publish(packet);
    };
    while (sending.room() > 0) {
      const again = sending.takeLost(nowMs);
      if (again === null) break;
      stampPacket(again.packet, header(again.sequence));
      publish(again.packet);
    }
    // Control frames go whatever the window: they are small, and the peer waits for them.
    while (sending.hasPlace() && (streams.hasControl() || (streams.hasData() && sending.room() > 0))) {
      const pieces = streams.fill(sending.room() > 0);
      if (pieces.length === 0) break;
      sendNew(pieces);
    }
    if (nowMs >= keepAliveMs()) sendNew([]);
    if (nowMs >= due.atMs()) publish(encodePacket(header(0), []));
    return packets;
  };

  const keepAliveMs = (): number =>
    streams.size > 0 && sending.unacknowledged() === 0 ? Math.max(saidMs, heardMs) + KEEP_ALIVE_MS : NEVER;

  const silenceMs = (): number => (isExpected() ? heardMs + SILENCE_MS : NEVER);

  return {
    get isClosed() {
      return isClosed;
    },
    get counts() {
      return { ...sending.counts, duplicates: receiving.counts.repeated, ...counted, ...streams.counts };
    },
    streams: () => streams.size,
    open: (target, token, nowMs) => {
      // Silence is counted from when something is waited for.
      if (!isExpected()) heardMs = nowMs;
      return streams.open(target, token, nowMs);
    },
    write: streams.write,
    finish: streams.finish,
    reset: streams.reset,
    consumed: streams.consumed,
    receive,
    setOnline: (online, nowMs) => {
      if (online === isOnline) return;
      isOnline = online;
      if (!online) return;
      sending.loseAll();
      // What the peer sent may have been lost as well; it hears at once what came.
      if (isHeard) due.wish(nowMs);
    },
    close,
    step: (nowMs) => {
      if (!isClosed && nowMs >= silenceMs()) close('nothing was heard of the peer for 60 s');
      if (!isClosed && isOnline) sending.expire(nowMs);
      const packets = !isClosed && isOnline ? send(nowMs) : [];
      const happened = events;
      events = [];
      return { packets, events: happened };
    },
    deadlineMs: () => {
      if (isClosed) return events.length > 0 ? 0 : NEVER;
      return isOnline ? Math.min(due.atMs(), sending.deadlineMs(), silenceMs(), keepAliveMs()) : silenceMs();
    },
  };
};
