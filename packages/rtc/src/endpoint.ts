import type { PublishedTrack } from '@weir/media';
import { createAddressBook } from './address-book.ts';
import { type AeadFactory, createNodeAead } from './aead.ts';
import { advertisedAddresses, hostCandidates } from './candidates.ts';
import { datagramKind } from './datagram-kind.ts';
import { createDtlsCertificate, type DtlsCertificate } from './dtls.ts';
import { loadNative } from './native.ts';
import { createNativeAead } from './native-aead.ts';
import { openNativeSocket } from './native-udp-socket.ts';
import { type Negotiation, negotiatePublisher, negotiateViewer } from './negotiation.ts';
import { type CloseReason, createPeer, type Peer } from './peer.ts';
import {
  createPublisher,
  type PublisherHandlers,
  type PublisherSession,
  type SessionInput,
} from './publisher-session.ts';
import { type ReceiveBuffer, receiveBufferAdvice } from './receive-buffer.ts';
import type { SdpOffer } from './sdp.ts';
import { buildAnswer } from './sdp-answer.ts';
import { SdpError } from './sdp-error.ts';
import { parseStun } from './stun.ts';
import { createOutbox, type Destination, type Outbox, type PacketSender } from './udp-sender.ts';
import { openDgramSocket, type UdpSocket } from './udp-socket.ts';
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
  /** What the kernel holds for the socket; asks the kernel. */
  receiveBuffer(): ReceiveBuffer;
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
  /** Whether to use system calls and OpenSSL directly where the platform has them; default true. */
  native?: boolean;
  /** Stands between the endpoint and its sender, for tests. */
  wrapSender?: (sender: PacketSender) => PacketSender;
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
  /** Whether datagrams and ciphers go past `node:dgram` and `node:crypto`. */
  native: boolean;
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

const defaultRembBps = 8_000_000;
/** How long a datagram may lie in the kernel: what viewers wait for adds to their delay, a recording has time. */
const mostWaitMs = { view: 4, publish: 10 };

/** Binds the socket and makes the certificate; rejects with the socket's error when the port is in use. */
export const openEndpoint = async (options: EndpointOptions): Promise<Endpoint> => {
  const certificate = await createDtlsCertificate();
  const native = options.native === false ? null : loadNative();
  if (native === null) {
    return runEndpoint(options, await openDgramSocket(options.listen, options.now), certificate, createNodeAead);
  }
  const socket = openNativeSocket(native, options.listen, options.now);
  return runEndpoint(options, socket, certificate, createNativeAead(native));
};

const runEndpoint = (
  options: EndpointOptions,
  socket: UdpSocket,
  certificate: DtlsCertificate,
  createAead: AeadFactory,
): Endpoint => {
  const { now, random } = options;
  const maxSessions = options.maxSessions ?? 10_000;
  const { port } = socket;
  const sender = options.wrapSender?.(socket.sender) ?? socket.sender;
  const candidates = hostCandidates(options.advertise ?? advertisedAddresses(options.listen.address), port);
  const counters = { received: 0, ignored: 0 };
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
  const present = { view: 0, publish: 0 };
  const pace = () => {
    if (present.view > 0) socket.expect(mostWaitMs.view);
    else socket.expect(present.publish > 0 ? mostWaitMs.publish : null);
  };

  const admit = <Made extends { id: string }>(
    role: 'view' | 'publish',
    offer: SdpOffer,
    handlers: { onConnected?(): void; onClosed?(reason: CloseReason): void },
    make: (peer: Peer) => { session: Made; input: SessionInput },
  ): { peer: Peer; made: Made } => {
    if (sessions.size >= maxSessions) throw new SessionLimitError(maxSessions);
    const peer = createPeer(offer, {
      certificate,
      createAead,
      outbox,
      random,
      now,
      onConnected: () => handlers.onConnected?.(),
      onEnded: (reason, detail) => {
        sessions.delete(peer.ufrag);
        addresses.release(entry);
        present[role]--;
        pace();
        options.log?.debug({ session: peer.id, reason, detail }, 'session closed');
        handlers.onClosed?.(reason);
      },
    });
    const { session, input } = make(peer);
    const entry = { peer, input };
    sessions.set(peer.ufrag, entry);
    present[role]++;
    pace();
    if (tickMs > 0) timer ??= setInterval(() => tick(now()), tickMs).unref();
    return { peer, made: session };
  };
  const answer = (peer: Peer, negotiation: Negotiation<unknown>): string => {
    const transport = { ufrag: peer.ufrag, password: peer.password, fingerprint: certificate.fingerprint, candidates };
    // JSEP asks for an origin id below 2^62.
    const originId = (random(8).readBigUInt64BE() >> 2n).toString();
    return buildAnswer({ ...transport, originId }, negotiation.sections);
  };
  const receiveStun = (datagram: Buffer, source: Destination, nowMs: number): boolean => {
    const message = parseStun(datagram);
    if (message?.kind !== 'request') return false;
    const session = sessions.get(message.username?.split(':', 1)[0] ?? '');
    if (session?.peer.receiveCheck(datagram, message, source, nowMs) !== true) return false;
    addresses.bind(source, session);
    return true;
  };
  const receive = (datagram: Buffer, from: Destination, nowMs: number): boolean => {
    const kind = datagramKind(datagram);
    if (kind === 'stun') return receiveStun(datagram, from, nowMs);
    const session = addresses.find(from.address, from.port);
    if (session === undefined || kind === 'unknown') return false;
    return receiveFromPeer(session, kind, datagram, nowMs);
  };
  socket.receive((datagram, from, nowMs) => {
    if (options.lose?.(datagram) === true) return;
    counters.received++;
    if (!receive(datagram, from, nowMs)) counters.ignored++;
  });
  if (options.log !== undefined) describe(socket, options.log);
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
      const { peer, made } = admit('publish', offer, handlers, (peer) => createPublisher(peer, tracks, handlers, deps));
      return { ...made, answer: answer(peer, negotiation) };
    },
    view: (text, tracks, handlers) => {
      const cname = random(8).toString('hex');
      const negotiation = orThrow(negotiateViewer(text, tracks, { cname, newSsrc: () => newSsrc(random) }));
      const deps = { outbox, random, cname };
      const { peer, made } = admit('view', negotiation.offer, handlers, (peer) =>
        createViewer(peer, negotiation.tracks, handlers, deps),
      );
      return { ...made, answer: answer(peer, negotiation) };
    },
    tick,
    stats: () => ({
      sessions: sessions.size,
      ...counters,
      sent: { ...sender.stats },
      socketErrors: socket.errors,
      native: socket.isNative,
    }),
    receiveBuffer: () => socket.receiveBuffer(),
    [Symbol.asyncDispose]: () => closeEndpoint(socket, rest, sessions, outbox),
  };
};

const describe = (socket: UdpSocket, log: EndpointLog): void => {
  const { isNative: native } = socket;
  const buffer = socket.receiveBuffer();
  const fields = { native, receiveBufferBytes: buffer.bytes };
  log.info(fields, native ? 'datagrams go by system calls of our own' : 'datagrams go through node:dgram');
  const advice = receiveBufferAdvice(buffer);
  if (advice !== null) log.warn(fields, advice);
};

const receiveFromPeer = (
  { peer, input }: Session,
  kind: 'dtls' | 'rtp' | 'rtcp',
  datagram: Buffer,
  nowMs: number,
): boolean => {
  switch (kind) {
    case 'dtls':
      // DTLS may keep what it cannot use yet.
      peer.receiveDtls(Buffer.from(datagram));
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
  socket: UdpSocket,
  rest: () => void,
  sessions: Map<string, Session>,
  outbox: Outbox,
): Promise<void> => {
  rest();
  for (const { peer } of [...sessions.values()]) peer.close('local');
  outbox.flush();
  await socket[Symbol.asyncDispose]();
};

const orThrow = <Value>(value: Value | SdpError): Value => {
  if (value instanceof SdpError) throw value;
  return value;
};

const newSsrc = (random: (bytes: number) => Buffer): number => random(4).readUInt32BE() || 1;
