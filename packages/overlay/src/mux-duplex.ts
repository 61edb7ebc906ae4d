/**
 * One stream of a connection as a Node stream. What the reader has not taken is not granted anew, so at most a window
 * waits here; what the connection does not take yet holds up the writer.
 *
 * ```
 * reading ──finished──▶ the peer said all    writing ──end──▶ finishing ──sent──▶ said all
 * ```
 * Both said all: closed. Destroyed before that: the peer gets a reset. A reset of the peer ends both, with its reason;
 * but what it said before it finished is read to the end.
 */
import { Duplex } from 'node:stream';
import type { MuxConnection } from './mux-connection.ts';
import type { ResetCode } from './mux-packet.ts';
import { OverlayError } from './overlay-error.ts';

/** A Node stream, and how its connection tells it what came. */
export type MuxDuplex = {
  readonly stream: Duplex;
  data(bytes: Uint8Array): void;
  finished(): void;
  writable(): void;
  sent(): void;
  reset(code: ResetCode, reason: string): void;
};

type Done = (error?: Error | null) => void;

/** What it needs of its connection; `wake` says that there is something to send. */
export type MuxDuplexDeps = {
  id: number;
  connection: Pick<MuxConnection, 'write' | 'finish' | 'reset' | 'consumed'>;
  nowMs: () => number;
  wake: () => void;
  /** The stream is closed and hears no more. */
  closed: () => void;
};

const READ_HIGH_BYTES = 64 * 1024;

/** Makes the Node stream of stream `id`. */
export const muxDuplex = ({ id, connection, nowMs, wake, closed }: MuxDuplexDeps): MuxDuplex => {
  let waiting: Done | null = null;
  let ending: Done | null = null;
  let heldBytes = 0;
  let [isHeardOut, isSaid, isReset] = [false, false, false];

  const consumed = (bytes: number): void => {
    connection.consumed(id, bytes, nowMs());
    wake();
  };
  const releaseWriter = (error?: Error): void => {
    const [write, end] = [waiting, ending];
    waiting = null;
    ending = null;
    write?.(error);
    end?.(error);
  };
  const write = (bytes: Uint8Array, done: Done): void => {
    const hasRoom = connection.write(id, bytes);
    wake();
    if (hasRoom) done();
    else waiting = done;
  };

  const stream = new Duplex({
    readableHighWaterMark: READ_HIGH_BYTES,
    writableHighWaterMark: READ_HIGH_BYTES,
    read: () => {
      const bytes = heldBytes;
      heldBytes = 0;
      if (bytes > 0) consumed(bytes);
    },
    write: (chunk: Uint8Array, _encoding, done) => {
      if (isReset) done(new OverlayError('cancelled', 'the peer reads no more of the stream'));
      else write(chunk, done);
    },
    final: (done) => {
      if (isReset) return done();
      ending = done;
      connection.finish(id);
      wake();
    },
    destroy: (error, done) => {
      if (!isReset && !(isHeardOut && isSaid)) {
        connection.reset(id, 'cancelled', error?.message ?? 'closed');
        wake();
      }
      releaseWriter(error ?? new OverlayError('cancelled', 'the stream was closed'));
      closed();
      done(error);
    },
  });
  // Node's HTTP server closes so what it has answered.
  Object.assign(stream, {
    destroySoon: () => {
      if (!stream.writableEnded) stream.end();
      if (stream.writableFinished) stream.destroy();
      else stream.once('finish', () => stream.destroy());
    },
  });

  return {
    stream,
    data: (bytes) => {
      // A view, not a copy; nobody writes into a message that came.
      if (stream.push(bytes)) consumed(bytes.length);
      else heldBytes += bytes.length;
    },
    finished: () => {
      isHeardOut = true;
      stream.push(null);
    },
    writable: () => {
      const done = waiting;
      waiting = null;
      done?.();
    },
    sent: () => {
      isSaid = true;
      const done = ending;
      ending = null;
      done?.();
    },
    reset: (code, reason) => {
      isReset = true;
      const error = new OverlayError(code, reason);
      if (!isHeardOut) stream.destroy(error);
      else if (waiting !== null || ending !== null) releaseWriter(error);
    },
  };
};
