import { createMessageVector } from './message-vector.ts';
import type { Native } from './native.ts';
import type { KnownAddresses } from './socket-address.ts';
import type { Destination, PacketBatch, PacketSender } from './udp-sender.ts';

/** A sender that has to be told when to try again, and when the socket is gone. */
export type NativeSender = PacketSender & { retry(): void; close(): void };

type Waiting = { bytes: Buffer; length: number; destination: Destination };
type Attempt = { sent: number; isFull: boolean };

const mostMessages = 1024;
const mostWaitingBytes = 4 * 1024 * 1024;
const retryMs = 2;
/** Smaller memory may lie where the garbage collector moves it. */
const leastFixedBytes = 128;
const dontWait = 0x40;
const errno = { EINTR: 4, EAGAIN: 11, ENOBUFS: 105 };

/** Sends a whole batch in one `sendmmsg`. What the kernel has no room for waits, up to 4 MB; what it refuses is dropped. */
export const createNativeSender = (native: Native, fd: number, addresses: KnownAddresses): NativeSender => {
  const vector = createMessageVector(native, mostMessages);
  const stats = { packets: 0, bytes: 0, dropped: 0 };
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let pinned: { bytes: Buffer; address: number } | null = null;
  const addressOf = (bytes: Buffer): number => {
    if (pinned?.bytes !== bytes) pinned = { bytes, address: Number(native.addressOf(bytes)) };
    return pinned.address;
  };
  const address = (index: number, destination: Destination): void => {
    const encoded = addresses.encoded(destination);
    vector.names.set(encoded, vector.nameAt(index));
    vector.setName(index, encoded.length);
  };
  /** Sends messages `from` up to `count` of the vector, and says how far it came. */
  const send = (count: number, lengthOf: (index: number) => number): Attempt => {
    let at = 0;
    while (at < count) {
      const sent = native.sendmmsg(fd, vector.addressOf(at), count - at, dontWait);
      for (let index = at; index < at + sent; index++) stats.bytes += lengthOf(index);
      if (sent > 0) {
        stats.packets += sent;
        at += sent;
        continue;
      }
      const code = native.errno();
      if (code === errno.EAGAIN || code === errno.ENOBUFS) return { sent: at, isFull: true };
      if (code === errno.EINTR) continue;
      // The first of them is refused: its address cannot be reached. The others may be.
      stats.dropped++;
      at++;
    }
    return { sent: at, isFull: false };
  };
  const keep = (batch: PacketBatch, from: number) => {
    for (let index = from; index < batch.count; index++) {
      const start = batch.starts[index] as number;
      const length = batch.lengths[index] as number;
      if (waitingBytes + length > mostWaitingBytes) {
        stats.dropped += batch.count - index;
        break;
      }
      const bytes = Buffer.allocUnsafeSlow(Math.max(length, leastFixedBytes));
      batch.bytes.copy(bytes, 0, start, start + length);
      waiting.push({ bytes, length, destination: batch.destinations[index] as Destination });
      waitingBytes += length;
    }
    timer ??= setTimeout(retry, retryMs);
  };
  const retry = () => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0 || isClosed) return;
    const some = waiting.slice(0, mostMessages);
    for (const [index, { bytes, length, destination }] of some.entries()) {
      vector.setBytes(index, native.addressOf(bytes), length);
      address(index, destination);
    }
    const { sent } = send(some.length, (index) => some[index]?.length ?? 0);
    waitingBytes -= some.slice(0, sent).reduce((sum, { length }) => sum + length, 0);
    waiting = waiting.slice(sent);
    if (waiting.length > 0) timer = setTimeout(retry, retryMs);
  };
  return {
    stats,
    retry,
    send: (batch) => {
      if (isClosed) return;
      // Those that came before go first.
      if (waiting.length > 0) return keep(batch, 0);
      const start = addressOf(batch.bytes);
      for (let index = 0; index < batch.count; index++) {
        vector.setBytes(index, start + (batch.starts[index] as number), batch.lengths[index] as number);
        address(index, batch.destinations[index] as Destination);
      }
      const { sent, isFull } = send(batch.count, (index) => batch.lengths[index] as number);
      if (isFull) keep(batch, sent);
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      waiting = [];
    },
  };
};
