import type { Socket } from 'node:dgram';

/** Where a datagram goes; `address` as the socket reports it (IPv4-mapped on a dual-stack socket). */
export type Destination = { readonly address: string; readonly port: number };

/**
 * Packets to be sent together: packet *n* is `bytes[starts[n] … starts[n] + lengths[n]]` to `destinations[n]`.
 * A sender that still needs `bytes` after `send` returned keeps them and puts a new buffer of equal size in their place.
 */
export type PacketBatch = {
  bytes: Buffer;
  count: number;
  readonly starts: Uint32Array;
  readonly lengths: Uint16Array;
  readonly destinations: Destination[];
};

/** Sends whole batches of datagrams, for many addresses at once. What the kernel does not take is dropped and counted. */
export type PacketSender = {
  send(batch: PacketBatch): void;
  readonly stats: Readonly<{ packets: number; bytes: number; dropped: number }>;
};

const mostQueuedBytes = 4 * 1024 * 1024;

/** The portable sender: one `dgram` send for each packet. */
export const createDgramSender = (socket: Socket): PacketSender => {
  const stats = { packets: 0, bytes: 0, dropped: 0 };
  return {
    stats,
    send: (batch) => {
      if (socket.getSendQueueSize() > mostQueuedBytes) {
        stats.dropped += batch.count;
        return;
      }
      // While packets wait for the kernel those of this batch will too: in no more memory than they need.
      const bytes = socket.getSendQueueCount() > 0 ? copyOf(batch) : batch.bytes;
      for (let index = 0; index < batch.count; index++) {
        const destination = batch.destinations[index] as Destination;
        const length = batch.lengths[index] as number;
        socket.send(bytes, batch.starts[index] as number, length, destination.port, destination.address);
        stats.packets++;
        stats.bytes += length;
      }
      // A packet that the kernel could not take at once is still in these bytes.
      const isKept = bytes === batch.bytes && socket.getSendQueueCount() > 0;
      if (isKept) batch.bytes = Buffer.allocUnsafeSlow(batch.bytes.length);
    },
  };
};

const copyOf = ({ bytes, count, starts, lengths }: PacketBatch): Buffer => {
  const end = count === 0 ? 0 : (starts[count - 1] as number) + (lengths[count - 1] as number);
  const copy = Buffer.allocUnsafeSlow(end);
  bytes.copy(copy, 0, 0, end);
  return copy;
};

/** Collects the datagrams of one turn of the event loop into a batch. */
export type Outbox = {
  /** The memory to write the next packet into, from the offset that `reserve` gave. */
  readonly bytes: Buffer;
  /** Makes room for a packet of at most `length` bytes and returns its offset. */
  reserve(length: number): number;
  /** Adds the packet written at the offset last reserved. */
  commit(length: number, destination: Destination): void;
  /** Copies a datagram into the batch. */
  push(datagram: Uint8Array, destination: Destination): void;
  /** Sends what is collected now. */
  flush(): void;
};

const mostPackets = 1024;

/** An outbox of `size` bytes that sends when it is full and at the end of the turn (`defer`). */
export const createOutbox = (
  sender: PacketSender,
  defer: (flush: () => void) => void = setImmediate,
  size = 512 * 1024,
): Outbox => {
  const batch: PacketBatch = {
    bytes: Buffer.allocUnsafeSlow(size),
    count: 0,
    starts: new Uint32Array(mostPackets),
    lengths: new Uint16Array(mostPackets),
    destinations: [],
  };
  let used = 0;
  let deferred = false;
  const flush = () => {
    deferred = false;
    if (batch.count === 0) return;
    sender.send(batch);
    batch.count = 0;
    used = 0;
  };
  const reserve = (length: number): number => {
    if (used + length > size || batch.count === mostPackets) flush();
    return used;
  };
  const commit = (length: number, destination: Destination): void => {
    batch.starts[batch.count] = used;
    batch.lengths[batch.count] = length;
    batch.destinations[batch.count] = destination;
    batch.count++;
    used += length;
    if (!deferred) {
      deferred = true;
      defer(flush);
    }
  };
  return {
    get bytes() {
      return batch.bytes;
    },
    reserve,
    commit,
    push: (datagram, destination) => {
      const offset = reserve(datagram.length);
      batch.bytes.set(datagram, offset);
      commit(datagram.length, destination);
    },
    flush,
  };
};
