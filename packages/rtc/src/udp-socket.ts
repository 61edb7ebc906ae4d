import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type ReceiveBuffer, readDropped, receiveBufferBytes, sendBufferBytes } from './receive-buffer.ts';
import { createDgramSender, type Destination, type PacketSender } from './udp-sender.ts';

/** Takes one datagram; its memory may be overwritten after the call. */
export type DatagramHandler = (datagram: Buffer, from: Destination, nowMs: number) => void;

/** The UDP socket of an endpoint. */
export type UdpSocket = AsyncDisposable & {
  /** The port that is bound. */
  readonly port: number;
  readonly sender: PacketSender;
  /** Whether it reads and sends by system calls of our own, or through `node:dgram`. */
  readonly isNative: boolean;
  /** Errors of the socket so far. */
  readonly errors: number;
  /** What the kernel has of it; asks the kernel. */
  receiveBuffer(): ReceiveBuffer;
  /** Hands over what comes from now on; called once. */
  receive(handler: DatagramHandler): void;
  /** How long a datagram may wait to be read, in ms; null while none is expected, which may then be lost. */
  expect(mostWaitMs: number | null): void;
};

/** Where a socket binds: a textual address and a port, 0 for any. */
export type UdpListen = { address: string; port: number };

/** Binds a socket of `node:dgram`, which reads each datagram as it comes; rejects with the socket's error. */
export const openDgramSocket = async (listen: UdpListen, now: () => number): Promise<UdpSocket> => {
  const socket = await bindSocket(listen);
  let errors = 0;
  socket.on('error', () => errors++);
  return {
    port: socket.address().port,
    sender: createDgramSender(socket),
    isNative: false,
    get errors() {
      return errors;
    },
    receiveBuffer: () => ({ bytes: socket.getRecvBufferSize(), dropped: readDropped(socket.address()) }),
    receive: (handler) => {
      socket.on('message', (datagram: Buffer, { address, port }: RemoteInfo) =>
        handler(datagram, { address, port }, now()),
      );
    },
    expect: () => {},
    [Symbol.asyncDispose]: async () => {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
};

const bindSocket = async ({ address, port }: UdpListen): Promise<Socket> => {
  const family = address.includes(':') ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    recvBufferSize: receiveBufferBytes,
    sendBufferSize: sendBufferBytes,
    // Destinations are always addresses; the default look-up would cost a turn of the event loop.
    lookup: (hostname, _options, callback) => callback(null, hostname, family),
  });
  // With that look-up the socket may be listening before `bind` returns.
  const listening = once(socket, 'listening');
  socket.bind(port, address);
  await listening;
  return socket;
};
