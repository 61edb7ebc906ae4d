import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { PublishedTrack } from '@weir/media';
import { createAddressBook } from './address-book.ts';
import { advertisedAddresses, hostCandidates } from './candidates.ts';
import { datagramKind } from './datagram-kind.ts';
import { createDtlsCertificate, type DtlsCertificate } from './dtls.ts';
import { type Negotiation, negotiatePublisher, negotiateViewer } from './negotiation.ts';
import { type CloseReason, createPeer, type Peer } from './peer.ts';
import {
  createPublisher,
  type PublisherHandlers,
  type PublisherSession,
  type SessionInput,
} from './publisher-session.ts';
import type { SdpOffer } from './sdp.ts';
import { buildAnswer } from './sdp-answer.ts';
import { SdpError } from './sdp-error.ts';
import { parseStun } from './stun.ts';
import { createDgramSender, createOutbox, type Outbox, type PacketSender } from './udp-sender.ts';
import { createViewer, type ViewerHandlers, type ViewerSession } from './viewer-session.ts';

/** Our WebRTC endpoint: one UDP socket for all peers, ICE-lite, DTLS server, SRTP with AEAD_AES_128_GCM. */
export type Endpoint = AsyncDisposable & {
  /** The UDP port that is bound. */
  readonly port: number;
  /**
   * Answers a WHIP offer; throws `SdpError` for the caller's mistakes and `SessionLimitError` when full. Of the codecs
   * offered those that `prefers` names (upper case) are taken first.
   */
  publish(offer: string, handlers: PublisherHandlers, prefers?: (codec: string) => boolean): PublisherSession;
  /** Answers a WHEP offer for the given tracks; throws as `publish` does. */
  view(offer: string, tracks: readonly PublishedTrack[], handlers: ViewerHandlers): ViewerSession;
  /** Drives all timers: called every 20 ms by itself unless `tickMs` is 0. */
  tick(nowMs: number): void;
  stats(): EndpointStats;
};

/** Options of an endpoint. Addresses are textual IP addresses, `now` is in ms and never goes back, `random` gives that many bytes. */
export type EndpointOptions = {
  listen: { address: string; port: number };
  /** The addresses named in answers; default: those of `advertisedAddresses`. */
  advertise?: readonly string[];
  now: () => number;
  random: (bytes: number) => Buffer;
  log?: EndpointLog;
  maxSessions?: number;
  /** The bitrate that publishers are told we can take, in bits per second; default 8,000,000. */
  rembBps?: number;
  sender?: (socket: Socket) => PacketSender;
  tickMs?: number;
  /** A datagram for which it is true counts as lost on the way here, for tests of loss. */
  lose?: (datagram: Buffer) => boolean;
};

/** What the endpoint logs with; fits a pino logger. */
export type EndpointLog = Record<'debug' | 'info' | 'warn', (fields: object, message: string) => void>;

/** Counters of an endpoint since its start; the `ignored` datagrams belonged to nobody or were not authentic. */
export type EndpointStats = {
  sessions: number;
  received: number;
  ignored: number;
  sent: PacketSender['stats'];
  socketErrors: number;
};

/** All sessions that the endpoint may hold are taken: try again later (HTTP 503). */
export class SessionLimitError extends Error {
  readonly code = 'session_limit';
  readonly status = 503;
  constructor(limit: number) {
    super(`All ${limit} sessions of this endpoint are taken; try again later.`);
    this.name = 'SessionLimitError';
  }
}

type Session = { peer: Peer; input: SessionInput };

const socketBufferBytes = 4 * 1024 * 1024;
const defaultRembBps = 8_000_000;

/** Binds the socket and makes the certificate; rejects with the socket's error when the port is in use. */
export const openEndpoint = async (options: EndpointOptions): Promise<Endpoint> => {
  const [certificate, socket] = await Promise.all([createDtlsCertificate(), bindSocket(options.listen)]);
  const sender = options.sender?.(socket) ?? createDgramSender(socket);
  return runEndpoint(options, socket, certificate, sender);
};

const bindSocket = async ({ address, port }: { address: string; port: number }): Promise<Socket> => {
  const family = address.includes(':') ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    recvBufferSize: socketBufferBytes,
    sendBufferSize: socketBufferBytes,
    // Destinations are always addresses; the default look-up would cost a turn of the event loop.
    lookup: (hostname, _options, callback) => callback(null, hostname, family),
  });
  // With that look-up the socket may be listening before `bind` returns.
  const listening = once(socket, 'listening');
  socket.bind(port, address);
  await listening;
  return socket;
};

const runEndpoint = (
  options: EndpointOptions,
  socket: Socket,
  certificate: DtlsCertificate,
  sender: PacketSender,
): Endpoint => {
  const { now, random } = options;
  const maxSessions = options.maxSessions ?? 10_000;
  const { port } = socket.address();
  const candidates = hostCandidates(options.advertise ?? advertisedAddresses(options.listen.address), port);
  const counters = { received: 0, ignored: 0, socketErrors: 0 };
  const outbox = createOutbox(sender);
  const sessions = new Map<string, Session>();
  const addresses = createAddressBook<Session>();
  const tickMs = options.tickMs ?? 20;
  // Runs while there are sessions: an idle node is not woken fifty times a second.
  let timer: NodeJS.Timeout | undefined;
  const rest = () => {
    clearInterval(timer);
    timer = undefined;
  };

  const admit = <Made extends { id: string }>(
    offer: SdpOffer,
    handlers: { onConnected?(): void; onClosed?(reason: CloseReason): void },
    make: (peer: Peer) => { session: Made; input: SessionInput },
  ): { peer: Peer; made: Made } => {
    if (sessions.size >= maxSessions) throw new SessionLimitError(maxSessions);
    const peer = createPeer(offer, {
      certificate,
      outbox,
      random,
      now,
      onConnected: () => handlers.onConnected?.(),
      onEnded: (reason, detail) => {
        sessions.delete(peer.ufrag);
        addresses.release(entry);
        options.log?.debug({ session: peer.id, reason, detail }, 'session closed');
        handlers.onClosed?.(reason);
      },
    });
    const { session, input } = make(peer);
    const entry = { peer, input };
    sessions.set(peer.ufrag, entry);
    if (tickMs > 0) timer ??= setInterval(() => tick(now()), tickMs).unref();
    return { peer, made: session };
  };
  const answer = (peer: Peer, negotiation: Negotiation<unknown>): string => {
    const transport = { ufrag: peer.ufrag, password: peer.password, fingerprint: certificate.fingerprint, candidates };
    // JSEP asks for an origin id below 2^62.
    const originId = (random(8).readBigUInt64BE() >> 2n).toString();
    return buildAnswer({ ...transport, originId }, negotiation.sections);
  };
  const receiveStun = (datagram: Buffer, from: RemoteInfo, nowMs: number): boolean => {
    const message = parseStun(datagram);
    if (message?.kind !== 'request') return false;
    const session = sessions.get(message.username?.split(':', 1)[0] ?? '');
    const source = { address: from.address, port: from.port };
    if (session?.peer.receiveCheck(datagram, message, source, nowMs) !== true) return false;
    addresses.bind(source, session);
    return true;
  };
  const receive = (datagram: Buffer, from: RemoteInfo): boolean => {
    const kind = datagramKind(datagram);
    const nowMs = now();
    if (kind === 'stun') return receiveStun(datagram, from, nowMs);
    const session = addresses.find(from.address, from.port);
    if (session === undefined || kind === 'unknown') return false;
    return receiveFromPeer(session, kind, datagram, nowMs);
  };
  socket.on('message', (datagram, from) => {
    if (options.lose?.(datagram) === true) return;
    counters.received++;
    if (!receive(datagram, from)) counters.ignored++;
  });
  socket.on('error', (error) => {
    if (counters.socketErrors++ === 0) options.log?.warn({ error: error.message }, 'UDP socket error');
  });
  const tick = (nowMs: number) => {
    for (const { peer, input } of sessions.values()) {
      peer.tick(nowMs);
      input.tick(nowMs);
    }
    if (sessions.size === 0) rest();
  };

  return {
    port,
    publish: (text, handlers, prefers) => {
      const negotiation = orThrow(negotiatePublisher(text, prefers));
      const { reducedSize, offer, tracks } = negotiation;
      const deps = { outbox, ssrc: newSsrc(random), rembBps: options.rembBps ?? defaultRembBps, reducedSize };
      const { peer, made } = admit(offer, handlers, (peer) => createPublisher(peer, tracks, handlers, deps));
      return { ...made, answer: answer(peer, negotiation) };
    },
    view: (text, tracks, handlers) => {
      const cname = random(8).toString('hex');
      const negotiation = orThrow(negotiateViewer(text, tracks, { cname, newSsrc: () => newSsrc(random) }));
      const deps = { outbox, random, cname };
      const { peer, made } = admit(negotiation.offer, handlers, (peer) =>
        createViewer(peer, negotiation.tracks, handlers, deps),
      );
      return { ...made, answer: answer(peer, negotiation) };
    },
    tick,
    stats: () => ({ sessions: sessions.size, ...counters, sent: { ...sender.stats } }),
    [Symbol.asyncDispose]: () => closeEndpoint(socket, rest, sessions, outbox),
  };
};

const receiveFromPeer = (
  { peer, input }: Session,
  kind: 'dtls' | 'rtp' | 'rtcp',
  datagram: Buffer,
  nowMs: number,
): boolean => {
  switch (kind) {
    case 'dtls':
      peer.receiveDtls(datagram);
      return true;
    case 'rtp': {
      const packet = peer.openRtp(datagram, nowMs);
      if (packet !== null) input.rtp(packet, nowMs);
      return packet !== null;
    }
    case 'rtcp': {
      const compound = peer.openRtcp(datagram, nowMs);
      if (compound !== null) input.rtcp(compound, nowMs);
      return compound !== null;
    }
  }
};

const closeEndpoint = async (
  socket: Socket,
  rest: () => void,
  sessions: Map<string, Session>,
  outbox: Outbox,
): Promise<void> => {
  rest();
  for (const { peer } of [...sessions.values()]) peer.close('local');
  outbox.flush();
  const closed = once(socket, 'close');
  socket.close();
  await closed;
};

const orThrow = <Value>(value: Value | SdpError): Value => {
  if (value instanceof SdpError) throw value;
  return value;
};

const newSsrc = (random: (bytes: number) => Buffer): number => random(4).readUInt32BE() || 1;
