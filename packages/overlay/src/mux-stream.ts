/** One byte stream of a connection, both directions, and how much the peer may send of it. */

/** What waits to be sent. */
export type Outgoing = {
  pending: Uint8Array[];
  pendingBytes: number;
  sentBytes: number;
  /** The peer takes bytes up to this offset. */
  creditBytes: number;
  state: 'open' | 'finishing' | 'finished';
  /** The writer was told to wait, and is told when there is room. */
  isWaiting: boolean;
};

/** What came. */
export type Incoming = {
  receivedBytes: number;
  consumedBytes: number;
  grantedBytes: number;
  windowBytes: number;
  grantedMs: number;
  state: 'open' | 'finished';
};

export type MuxStream = { id: number; out: Outgoing; into: Incoming };

/** What a peer may send of a new stream before it is granted more: 1,000 streams that nobody reads are 64 MB at most. */
export const FIRST_WINDOW_BYTES = 64 * 1024;
/** What a stream that is read quickly may have under way. */
export const MOST_WINDOW_BYTES = 4 * 1024 * 1024;
/** Above it a writer is told to wait. */
export const WRITE_HIGH_BYTES = 256 * 1024;
// A stream that used half of its window in less time than this is held up by it on a long way.
const QUICK_MS = 100;

export const newStream = (id: number, nowMs: number): MuxStream => ({
  id,
  out: {
    pending: [],
    pendingBytes: 0,
    sentBytes: 0,
    creditBytes: FIRST_WINDOW_BYTES,
    state: 'open',
    isWaiting: false,
  },
  into: {
    receivedBytes: 0,
    consumedBytes: 0,
    grantedBytes: FIRST_WINDOW_BYTES,
    windowBytes: FIRST_WINDOW_BYTES,
    grantedMs: nowMs,
    state: 'open',
  },
});

/** True when a frame of the stream could be sent now. */
export const hasSomething = ({ out }: MuxStream): boolean =>
  out.pendingBytes > 0 ? out.creditBytes > out.sentBytes : out.state === 'finishing';

/** Takes at most `bytes` off what waits, as few pieces as there are: one view of the first chunk. */
export const takePending = ({ out }: MuxStream, bytes: number): Uint8Array => {
  const [first] = out.pending;
  if (first === undefined) return new Uint8Array(0);
  const length = Math.min(first.length, bytes, out.creditBytes - out.sentBytes);
  if (length === first.length) out.pending.shift();
  else out.pending[0] = first.subarray(length);
  out.pendingBytes -= length;
  out.sentBytes += length;
  return length === first.length ? first : first.subarray(0, length);
};

/**
 * The reader has done with bytes; the new offset that the peer is to be told, or null while it has enough. A stream whose
 * reader is quick gets a larger window, as far as `spareBytes` allow; one that nobody reads never does.
 */
export const grant = ({ into }: MuxStream, spareBytes: number, nowMs: number): number | null => {
  if (into.state === 'finished') return null;
  if (into.grantedBytes - into.consumedBytes > into.windowBytes / 2) return null;
  if (nowMs - into.grantedMs < QUICK_MS) {
    const more = Math.min(into.windowBytes, MOST_WINDOW_BYTES - into.windowBytes, Math.max(0, spareBytes));
    into.windowBytes += more;
  }
  into.grantedMs = nowMs;
  into.grantedBytes = into.consumedBytes + into.windowBytes;
  return into.grantedBytes;
};

/** True when neither direction has anything left to say. */
export const isOver = ({ out, into }: MuxStream): boolean => out.state === 'finished' && into.state === 'finished';
