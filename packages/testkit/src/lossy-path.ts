import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomFrom } from './random.ts';

/**
 * A bad network between a WebRTC client and a server of this machine. The client signals to `url`; in the answers the
 * server's port is replaced by that of a relay, which delays, reorders and loses the packets of media and their feedback
 * both ways, repetitions among them. Which ones is drawn from the seed, packet by packet; checks and handshake pass.
 */
export type LossyPath = AsyncDisposable & {
  readonly url: string;
  readonly counters: Readonly<Record<'up' | 'down', { passed: number; lost: number; reordered: number }>>;
  /** How many RTP packets of the client, all or one source's, got through neither at first nor when they were repeated. */
  neverPassed(ssrc?: number): number;
};

export type LossyPathOptions = {
  /** Where the server signals, and its UDP port. */
  url: string;
  udpPort: number;
  seed: number;
  /** Parts of one that are lost, and that are held up by up to `reorderMs` more than the others. */
  lossShare: number;
  reorderShare: number;
  reorderMs: number;
  /** Each way. */
  delayMs: number;
  /** So many of the client's first packets are lost whatever is drawn. */
  loseFirst?: number;
};

/** RTP and RTCP by their first byte (RFC 7983 §7). */
const isMedia = (datagram: Buffer): boolean => datagram[0] !== undefined && datagram[0] >= 128 && datagram[0] <= 191;

/** A packet of media and all its repetitions have the same source and number, which SRTP leaves legible. */
const packetName = (datagram: Buffer): string | null => {
  const isRtcp = datagram.readUInt8(1) >= 192 && datagram.readUInt8(1) <= 223;
  return isRtcp ? null : `${datagram.readUInt32BE(8)}:${datagram.readUInt16BE(2)}`;
};

const bound = async (): Promise<Socket> => {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
};

/** Opens the path; it ends when disposed of. */
export const openLossyPath = async (options: LossyPathOptions): Promise<LossyPath> => {
  const { seed, lossShare, reorderShare, reorderMs, delayMs, udpPort, loseFirst = 0 } = options;
  const random = randomFrom(seed);
  const none = () => ({ passed: 0, lost: 0, reordered: 0 });
  const counters = { up: none(), down: none() };
  const timers = new Set<NodeJS.Timeout>();
  const absent = new Set<string>();
  const present = new Set<string>();

  const note = (datagram: Buffer, isLost: boolean): void => {
    const name = packetName(datagram);
    if (name === null || present.has(name)) return;
    (isLost ? absent : present).add(name);
    if (!isLost) absent.delete(name);
  };

  const pass = (way: 'up' | 'down', datagram: Buffer, send: () => void): void => {
    let waitMs = delayMs;
    if (isMedia(datagram)) {
      const [fate, length] = [random(), random()];
      const isFirst = way === 'up' && counters.up.lost < loseFirst;
      const isLost = isFirst || fate < lossShare;
      if (way === 'up') note(datagram, isLost);
      if (isLost) {
        counters[way].lost += 1;
        return;
      }
      if (fate < lossShare + reorderShare) {
        counters[way].reordered += 1;
        waitMs += length * reorderMs;
      }
    }
    counters[way].passed += 1;
    const timer = setTimeout(() => {
      timers.delete(timer);
      send();
    }, waitMs);
    timers.add(timer);
  };

  const relay = await bound();
  const towardsServer = new Map<string, Promise<Socket>>();
  const open = async (address: string, port: number): Promise<Socket> => {
    const socket = await bound();
    socket.on('message', (datagram) => pass('down', datagram, () => relay.send(datagram, port, address, () => {})));
    return socket;
  };
  relay.on('message', (datagram, { address, port }) => {
    const key = `${address}:${port}`;
    const opened = towardsServer.get(key) ?? open(address, port);
    towardsServer.set(key, opened);
    void opened.then((socket) => pass('up', datagram, () => socket.send(datagram, udpPort, '127.0.0.1', () => {})));
  });

  const relayPort = relay.address().port;
  const signalling = createServer((request, response) => {
    void forward(options, relayPort, request, response).catch(() => response.writeHead(502).end());
  });
  signalling.listen(0, '127.0.0.1');
  await once(signalling, 'listening');
  return {
    url: `http://127.0.0.1:${(signalling.address() as AddressInfo).port}`,
    counters,
    neverPassed: (ssrc) => [...absent].filter((name) => ssrc === undefined || name.startsWith(`${ssrc}:`)).length,
    [Symbol.asyncDispose]: async () => {
      for (const timer of timers) clearTimeout(timer);
      signalling.closeAllConnections();
      signalling.close();
      relay.close();
      for (const opened of towardsServer.values()) (await opened).close();
    },
  };
};

/** Passes a request on; in an SDP answer the candidates name the relay. */
const forward = async (
  { url, udpPort }: LossyPathOptions,
  relayPort: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { authorization, 'content-type': type } = request.headers;
  const answer = await fetch(new URL(request.url ?? '/', url), {
    method: request.method ?? 'GET',
    headers: { ...(authorization && { authorization }), ...(type && { 'content-type': type }) },
    ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
  });
  const body = await answer.text();
  const headers = Object.fromEntries(
    ['content-type', 'location'].flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
  const candidate = new RegExp(`^(a=candidate:\\S+ \\d+ udp \\d+) \\S+ ${udpPort} `, 'gim');
  response.writeHead(answer.status, headers).end(body.replace(candidate, `$1 127.0.0.1 ${relayPort} `));
};
