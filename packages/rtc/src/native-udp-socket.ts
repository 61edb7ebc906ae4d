import { getSystemErrorName } from 'node:util';
import { createMessageVector } from './message-vector.ts';
import type { Native } from './native.ts';
import { createNativeSender } from './native-udp-sender.ts';
import { datagramsIn, type ReceiveBuffer, receiveBufferBytes, sendBufferBytes } from './receive-buffer.ts';
import {
  createKnownAddresses,
  encodeSocketAddress,
  family4,
  family6,
  type KnownAddresses,
  socketAddressBytes,
} from './socket-address.ts';
import type { DatagramHandler, UdpListen, UdpSocket } from './udp-socket.ts';

/**
 * A UDP socket that is read by the clock, not by the event loop: once in some milliseconds one `recvmmsg` brings what
 * all peers have sent since. Waking for each datagram costs several times what is done with it.
 *
 * The kernel holds what comes between two readings, so the time between them shrinks as datagrams come faster. While
 * nobody is expected nothing is read.
 */
const slots = 128;
const slotBytes = 2048;
/** Readings in one go, so that a flood leaves room for the rest of the event loop. */
const mostRounds = 16;
/** As many datagrams as one reading should bring: at most so many, and a small part of what the buffer holds. */
const wantedDatagrams = { most: 48, partOfBuffer: 1 / 8 };
// asm-generic/socket.h, bits/socket.h
const flags = { SOCK_DGRAM: 2, SOCK_NONBLOCK: 0o4000, SOCK_CLOEXEC: 0o2000000, MSG_DONTWAIT: 0x40, MSG_TRUNC: 0x20 };
const options = { SOL_SOCKET: 1, SO_SNDBUF: 7, SO_RCVBUF: 8, SO_RCVBUFFORCE: 33, SO_MEMINFO: 55 };
const errno = { EINTR: 4, EAGAIN: 11 };

/** Binds a native socket; throws an error with the system's `code`, as `node:dgram` does. */
export const openNativeSocket = (native: Native, listen: UdpListen, now: () => number): UdpSocket => {
  const { fd, port } = bindSocket(native, listen);
  const addresses = createKnownAddresses();
  const sender = createNativeSender(native, fd, addresses);
  const drain = createReader(native, fd, addresses, () => isClosed);
  const receiveBuffer = createBufferReader(native, fd);
  const { most, partOfBuffer } = wantedDatagrams;
  const { bytes } = receiveBuffer();
  const wanted = bytes === null ? most : Math.min(most, datagramsIn(bytes) * partOfBuffer);
  const counts = { errors: 0 };
  let handler: DatagramHandler = () => {};
  let mostWaitMs: number | null = null;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let readMs = now();

  const read = () => {
    const nowMs = now();
    const perMs = drain(handler, nowMs, counts) / Math.max(1, nowMs - readMs);
    readMs = nowMs;
    sender.retry();
    timer = undefined;
    if (mostWaitMs === null || isClosed) return;
    const waitMs = Math.min(mostWaitMs, Math.max(1, Math.floor(wanted / Math.max(perMs, 1))));
    timer = setTimeout(read, waitMs);
  };
  return {
    port,
    sender,
    isNative: true,
    get errors() {
      return counts.errors;
    },
    receiveBuffer: () => (isClosed ? { bytes: null, dropped: null } : receiveBuffer()),
    receive: (given) => {
      handler = given;
    },
    expect: (waitMs) => {
      mostWaitMs = waitMs;
      if (waitMs !== null && !isClosed) timer ??= setTimeout(read, 1);
    },
    [Symbol.asyncDispose]: async () => {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(timer);
      sender.close();
      native.close(fd);
    },
  };
};

/** Reads all that has come, up to a bound; returns how many datagrams that were. A closed descriptor may be another's. */
const createReader = (native: Native, fd: number, addresses: KnownAddresses, isClosed: () => boolean) => {
  const vector = createMessageVector(native, slots);
  const memory = native.allocate(slots * slotBytes);
  const prepare = (slot: number) => vector.setName(slot, socketAddressBytes);
  for (let slot = 0; slot < slots; slot++) {
    vector.setBytes(slot, memory.address + BigInt(slot * slotBytes), slotBytes);
    prepare(slot);
  }
  const readOnce = (handler: DatagramHandler, nowMs: number, counts: { errors: number }): number => {
    const read = native.recvmmsg(fd, vector.address, slots, flags.MSG_DONTWAIT, 0n);
    if (read < 0) {
      const code = native.errno();
      if (code !== errno.EAGAIN && code !== errno.EINTR) counts.errors++;
      return 0;
    }
    for (let slot = 0; slot < read; slot++) {
      const from = addresses.read(vector.names, vector.nameAt(slot));
      const start = slot * slotBytes;
      // A datagram that was cut to the slot is no packet of any network.
      if (from !== null && (vector.flagsOf(slot) & flags.MSG_TRUNC) === 0) {
        handler(memory.bytes.subarray(start, start + vector.lengthOf(slot)), from, nowMs);
      }
      prepare(slot);
    }
    return read;
  };
  return (handler: DatagramHandler, nowMs: number, counts: { errors: number }): number => {
    let total = 0;
    for (let round = 0; round < mostRounds; round++) {
      const read = readOnce(handler, nowMs, counts);
      total += read;
      if (read < slots || isClosed()) break;
    }
    return total;
  };
};

/** Asks for the first nine words of SO_MEMINFO (linux/sock_diag.h): the size of the buffer is the second, drops the last. */
const createBufferReader = (native: Native, fd: number) => {
  const words = 9;
  const memory = native.allocate(4 * words + 4);
  const lengthAt = memory.address + BigInt(4 * words);
  return (): ReceiveBuffer => {
    memory.bytes.writeUInt32LE(4 * words, 4 * words);
    const isTold = native.getsockopt(fd, options.SOL_SOCKET, options.SO_MEMINFO, memory.address, lengthAt) === 0;
    // Linux knows it since 4.12, what only looks like Linux may not.
    if (!isTold) return { bytes: null, dropped: null };
    return { bytes: memory.bytes.readUInt32LE(4), dropped: memory.bytes.readUInt32LE(4 * (words - 1)) };
  };
};

const failure = (native: Native, call: string): Error => {
  const code = getSystemErrorName(-native.errno());
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call });
};

const bindSocket = (native: Native, listen: UdpListen): { fd: number; port: number } => {
  // The name in front, its length or the value of an option behind; read at the very end, so that it lives until then.
  const memory = native.allocate(64);
  const behind = memory.address + 32n;
  const length = encodeSocketAddress(listen, memory.bytes, 0);
  if (length === 0) throw Object.assign(new Error(`bind ENOTFOUND ${listen.address}`), { code: 'ENOTFOUND' });
  const family = length === socketAddressBytes ? family6 : family4;
  const fd = native.socket(family, flags.SOCK_DGRAM | flags.SOCK_NONBLOCK | flags.SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure(native, 'socket');
  const setBuffer = (option: number, bytes: number): boolean => {
    memory.bytes.writeInt32LE(bytes, 32);
    return native.setsockopt(fd, options.SOL_SOCKET, option, behind, 4) === 0;
  };
  // With CAP_NET_ADMIN the kernel gives what is asked for, else as much as anybody may have.
  const isForced = setBuffer(options.SO_RCVBUFFORCE, receiveBufferBytes);
  if (!isForced) setBuffer(options.SO_RCVBUF, receiveBufferBytes);
  setBuffer(options.SO_SNDBUF, sendBufferBytes);
  const isBound = native.bind(fd, memory.address, length) === 0;
  memory.bytes.writeUInt32LE(socketAddressBytes, 32);
  if (!isBound || native.getsockname(fd, memory.address, behind) < 0) {
    const error = failure(native, isBound ? 'getsockname' : 'bind');
    native.close(fd);
    throw error;
  }
  return { fd, port: memory.bytes.readUInt16BE(2) };
};
