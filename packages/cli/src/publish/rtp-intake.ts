import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { TrackKind } from '@weir/rtc';
import { type RtspItem, rtspAnswer, rtspReader } from './rtsp.ts';

/**
 * Takes the RTP of one ffmpeg over TCP on loopback. Over UDP the kernel would drop packets whenever this process is busy
 * for a moment; here ffmpeg waits instead, nothing is lost, and the end of the connection says that all of it is here.
 */
export type RtpIntake = AsyncDisposable & {
  /** Arguments that make ffmpeg send here. */
  readonly outputArgs: readonly string[];
  /** Resolves once nothing is connected and all that came has been handed over. */
  drained(): Promise<void>;
};

/** `kinds` are the tracks in ffmpeg's order; `secret` in the address keeps other programs of this machine out. */
export type RtpIntakeOptions = {
  kinds: readonly TrackKind[];
  secret: string;
  onPacket(kind: TrackKind, rtp: Buffer): void;
};

/** Leaves room below an MTU of 1280 bytes for SRTP's tag, header extensions, UDP and IP. */
export const mostPacketBytes = 1200;

const serve = (socket: Socket, { kinds, secret, onPacket }: RtpIntakeOptions): void => {
  const read = rtspReader();
  let isOurs = false;
  const answer = ({ uri, headers }: Extract<RtspItem, { kind: 'request' }>) => {
    isOurs = uri.includes(secret);
    socket.write(rtspAnswer(headers, isOurs ? '200 OK' : '403 Forbidden'));
  };
  const take = (item: RtspItem) => {
    if (item.kind === 'request') answer(item);
    if (!isOurs) throw new Error('a stranger');
    const kind = item.kind === 'packet' && item.channel % 2 === 0 ? kinds[item.channel / 2] : undefined;
    if (item.kind === 'packet' && kind !== undefined) onPacket(kind, item.bytes);
  };
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const item of read(chunk)) take(item);
    } catch {
      // ffmpeg then ends with an error of its own, which is what the user is told.
      socket.destroySoon();
    }
  });
  socket.on('error', () => socket.destroy());
};

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

/** Listens on a free port of loopback. */
export const openRtpIntake = async (options: RtpIntakeOptions): Promise<RtpIntake> => {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, options);
  });
  const port = await listen(server);
  const transport = [
    '-f',
    'rtsp',
    '-rtsp_transport',
    'tcp',
    '-rtpflags',
    'skip_rtcp',
    '-pkt_size',
    `${mostPacketBytes}`,
  ];
  return {
    // A track that ends before the other must not hold it up: by default ffmpeg waits 10 s for its next packet.
    outputArgs: [...transport, '-max_interleave_delta', '100000', `rtsp://127.0.0.1:${port}/${options.secret}`],
    drained: async () => {
      await Promise.all([...sockets].map((socket) => once(socket, 'close').catch(() => undefined)));
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
};
