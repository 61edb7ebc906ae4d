/**
 * A session of plain `tcp` or `udp` as a Node stream; of `udp` each chunk is a datagram (object mode). The protocol knows
 * no half of a stream: whoever ends it has closed it. It has no flow control either, so what the reader leaves is held up
 * to a bound; then a `tcp` session ends, rather than to lose bytes, and datagrams are dropped.
 */
import { Duplex } from 'node:stream';
import { OverlayError } from './overlay-error.ts';

/** A Node stream, and how its session tells it what came. */
export type PlainDuplex = {
  readonly stream: Duplex;
  data(bytes: Uint8Array): void;
  closed(isWhole: boolean, reason: string): void;
};

export type PlainDuplexDeps = {
  protocol: 'tcp' | 'udp';
  /** Publishes bytes; false when the broker did not get all of them, null for a session that is no more. */
  send: (bytes: Uint8Array) => Promise<boolean> | null;
  /** This end closes. */
  close: () => void;
  /** Bytes or a datagram found the reader too slow. */
  overflowed: () => void;
};

/** Most bytes of a `tcp` session that wait for its reader. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** Most datagrams that do. */
const MAX_HELD_DATAGRAMS = 1024;

const isOver = () => new OverlayError('cancelled', 'the peer closed it');

/** Makes the Node stream of a session. */
export const plainDuplex = ({ protocol, send, close, overflowed }: PlainDuplexDeps): PlainDuplex => {
  const isUdp = protocol === 'udp';
  const write = async (chunk: Uint8Array): Promise<void> => {
    const sent = send(chunk);
    if (sent === null) throw isOver();
    // A datagram may be lost; a byte stream with a hole is none.
    if (!(await sent) && !isUdp) throw new OverlayError('cancelled', 'the broker did not get all of it');
  };
  const stream = new Duplex({
    ...(isUdp ? { objectMode: true } : {}),
    // Both directions end together.
    allowHalfOpen: false,
    read: () => undefined,
    write: (chunk: Uint8Array, _encoding, done) => void write(chunk).then(() => done(), done),
    final: (done) => {
      close();
      stream.push(null);
      done();
    },
    destroy: (error, done) => {
      close();
      done(error);
    },
  });
  // Whoever uses it hears of its end by its own listeners; until then nobody does.
  stream.on('error', () => undefined);
  const hold = (bytes: Uint8Array): void => {
    const isFull = stream.readableLength >= (isUdp ? MAX_HELD_DATAGRAMS : MAX_HELD_BYTES);
    if (!isFull) {
      stream.push(bytes);
      return;
    }
    overflowed();
    if (!isUdp) stream.destroy(new OverlayError('too_many', 'its reader is too slow for it'));
  };
  return {
    stream,
    data: (bytes) => {
      if (!stream.destroyed && !stream.readableEnded && !stream.writableEnded) hold(bytes);
    },
    closed: (isWhole, reason) => {
      if (stream.destroyed) return;
      if (!isWhole) stream.destroy(new OverlayError('unreachable', reason));
      else if (!stream.writableEnded) stream.push(null);
    },
  };
};
