/** Datagrams in a reliable byte stream of `mux`: each is its length, 16 bits big-endian, and its bytes. */
import { Duplex } from 'node:stream';

/** What the target of such a stream begins with; behind it as of any other. */
export const UDP_TARGET = 'udp:';

/** Most bytes that wait for the stream; a datagram that comes then is lost, as on any way that is too slow for it. */
const MAX_WAITING_BYTES = 256 * 1024;
/** Most datagrams that wait for their reader. */
const MAX_HELD = 1024;

/** Writes one. Throws RangeError for one of more than 65,535 bytes. */
export const encodeDatagram = (datagram: Uint8Array): Buffer => {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(datagram.length);
  return Buffer.concat([head, datagram]);
};

/** Reads a stream of them, in whatever pieces it comes: the datagrams that are whole now. */
export const datagramDecoder = (): ((chunk: Uint8Array) => Uint8Array[]) => {
  const pieces: Uint8Array[] = [];
  let held = 0;
  let wanted = 2;
  let isHead = true;
  return (chunk) => {
    const datagrams: Uint8Array[] = [];
    pieces.push(chunk);
    held += chunk.length;
    if (held < wanted) return datagrams;
    // Only when something is whole: a datagram in many pieces is put together once.
    let rest = Buffer.concat(pieces);
    while (rest.length >= wanted) {
      const taken = rest.subarray(0, wanted);
      rest = rest.subarray(wanted);
      if (isHead) wanted = taken.readUInt16BE();
      else {
        datagrams.push(taken);
        wanted = 2;
      }
      isHead = !isHead;
    }
    pieces.splice(0, pieces.length, ...(rest.length > 0 ? [rest] : []));
    held = rest.length;
    return datagrams;
  };
};

/** A stream of datagrams (object mode) over a byte stream; each end closes the other. */
export const datagramsOver = (stream: Duplex): Duplex => {
  const decode = datagramDecoder();
  const datagrams = new Duplex({
    objectMode: true,
    allowHalfOpen: false,
    read: () => undefined,
    write: (datagram: Uint8Array, _encoding, done) => {
      if (stream.writableLength < MAX_WAITING_BYTES && !stream.destroyed) stream.write(encodeDatagram(datagram));
      done();
    },
    final: (done) => {
      stream.end();
      datagrams.push(null);
      done();
    },
    destroy: (error, done) => {
      stream.destroy();
      done(error);
    },
  });
  stream.on('data', (chunk: Uint8Array) => {
    for (const datagram of decode(chunk)) if (datagrams.readableLength < MAX_HELD) datagrams.push(datagram);
  });
  stream.on('error', (error) => datagrams.destroy(error));
  stream.on('close', () => datagrams.destroy());
  stream.on('end', () => datagrams.destroy());
  datagrams.on('error', () => undefined);
  if (stream.destroyed) datagrams.destroy();
  return datagrams;
};
