import type { AeadFactory } from './aead.ts';
import { acceptDtls, type DtlsCertificate, type DtlsPeer } from './dtls.ts';
import type { SdpOffer } from './sdp.ts';
import { createSrtpReceiver, createSrtpSender, deriveSessionKeys, type SrtpReceiver, type SrtpSender } from './srtp.ts';
import { checkIntegrity, encodeBindingError, encodeBindingSuccess, type StunMessage } from './stun.ts';
import type { Destination, Outbox } from './udp-sender.ts';

/**
 * One remote peer of the endpoint: ICE-lite, DTLS server, SRTP. Its life is `checking` → `handshaking` (a check was
 * authentic) → `connected` → `closed`, each at most once. Nothing is sent to an address that has not sent an
 * authentic check, and only the nominated address gets media (RFC 8445 §7.3.1.5, §8.1.1).
 */
export type Peer = {
  readonly id: string;
  readonly ufrag: string;
  readonly password: string;
  readonly state: PeerState;
  /** The outgoing side, once connected and until closed. */
  readonly link: PeerLink | undefined;
  /** Since the last authentic datagram, or the peer's beginning, in milliseconds. */
  silentMs(): number;
  /** Handles a binding request for this peer; true when it was authentic. */
  receiveCheck(datagram: Buffer, message: StunMessage, from: Destination, nowMs: number): boolean;
  receiveDtls(datagram: Buffer): void;
  /** Opens an SRTP or SRTCP datagram, into memory that the next call may overwrite; null before the handshake and for what is not authentic. */
  openRtp(datagram: Buffer, nowMs: number): Buffer | null;
  openRtcp(datagram: Buffer, nowMs: number): Buffer | null;
  tick(nowMs: number): void;
  close(reason: CloseReason): void;
};

/** Why a session ended: the peer closed DTLS, its handshake failed, it fell silent, it never arrived, or we closed it. */
export type CloseReason = 'dtls-closed' | 'dtls-failed' | 'consent-lost' | 'ice-timeout' | 'local';

/** The states of a peer, in order. */
export type PeerState = 'checking' | 'handshaking' | 'connected' | 'closed';

/** Where and with which keys to send to a connected peer. `destination` follows nominations. */
export type PeerLink = { readonly srtp: SrtpSender; destination: Destination };

/** What a peer needs from its endpoint, and whom it tells. `onEnded` follows every end, `local` ones too. */
export type PeerDeps = {
  certificate: DtlsCertificate;
  createAead: AeadFactory;
  outbox: Outbox;
  random: (bytes: number) => Buffer;
  now: () => number;
  onConnected(): void;
  onEnded(reason: CloseReason, detail: string): void;
};

/** RFC 7675 §5.1: consent lasts 30 s. */
const consentMs = 30_000;
const connectMs = 10_000;

/** A peer for an offer; it does nothing until its first check arrives. */
export const createPeer = (offer: SdpOffer, deps: PeerDeps): Peer => {
  // 128 random bits each for the session's name and its password (RFC 8445 §5.3 asks for 128 in the password).
  const id = deps.random(16).toString('hex');
  const ufrag = deps.random(9).toString('base64').replaceAll('=', '');
  const password = deps.random(18).toString('base64').replaceAll('=', '');
  const username = `${ufrag}:${offer.ufrag}`;
  let state: PeerState = 'checking';
  let heardMs = deps.now();
  let deadlineMs = heardMs + connectMs;
  let selected: { destination: Destination; nominated: boolean } | undefined;
  let receiver: SrtpReceiver | undefined;
  let link: PeerLink | undefined;

  const end = (reason: CloseReason, detail: string) => {
    if (state === 'closed') return;
    state = 'closed';
    dtls.close();
    link?.srtp[Symbol.dispose]();
    receiver?.[Symbol.dispose]();
    link = undefined;
    receiver = undefined;
    deps.onEnded(reason, detail);
  };
  const sendToPeer = (datagram: Buffer) => {
    if (selected !== undefined) deps.outbox.push(datagram, selected.destination);
  };
  const dtls: DtlsPeer = acceptDtls(deps.certificate, offer.fingerprints, sendToPeer, {
    onConnected: ({ local, remote }) => {
      if (state !== 'handshaking' || selected === undefined) return;
      state = 'connected';
      stillHere(deps.now());
      receiver = createSrtpReceiver(deriveSessionKeys(remote), deps.createAead);
      const srtp = createSrtpSender(deriveSessionKeys(local), deps.createAead);
      link = { srtp, destination: selected.destination };
      deps.onConnected();
    },
    onClosed: (reason, detail) => end(reason === 'closed' ? 'dtls-closed' : 'dtls-failed', detail),
  });
  const stillHere = (nowMs: number) => {
    heardMs = nowMs;
    if (state === 'connected') deadlineMs = nowMs + consentMs;
  };
  const select = (from: Destination, nominated: boolean) => {
    if (selected !== undefined && !nominated) return;
    if (selected?.nominated && sameDestination(selected.destination, from)) return;
    selected = { destination: from, nominated };
    if (link !== undefined) link.destination = from;
  };

  return {
    id,
    ufrag,
    password,
    get state() {
      return state;
    },
    get link() {
      return link;
    },
    silentMs: () => deps.now() - heardMs,
    receiveCheck: (datagram, message, from, nowMs) => {
      if (state === 'closed' || message.username !== username) return false;
      if (!message.fingerprintValid || !checkIntegrity(datagram, message, password)) return false;
      const { transactionId } = message;
      if (message.role === 'controlled') {
        // RFC 8445 §7.3.1.1: a lite agent never controls, so the peer has to.
        deps.outbox.push(encodeBindingError({ transactionId, code: 487, reason: 'Role Conflict', password }), from);
        return false;
      }
      deps.outbox.push(encodeBindingSuccess({ transactionId, mappedAddress: from, password }), from);
      select(from, message.useCandidate);
      stillHere(nowMs);
      if (state === 'checking') {
        state = 'handshaking';
        deadlineMs = nowMs + connectMs;
      }
      return true;
    },
    receiveDtls: (datagram) => {
      if (state === 'handshaking' || state === 'connected') dtls.receive(datagram);
    },
    openRtp: (datagram, nowMs) => {
      const packet = receiver?.unprotectRtp(datagram) ?? null;
      if (packet !== null) stillHere(nowMs);
      return packet;
    },
    openRtcp: (datagram, nowMs) => {
      const packet = receiver?.unprotectRtcp(datagram) ?? null;
      if (packet !== null) stillHere(nowMs);
      return packet;
    },
    tick: (nowMs) => {
      if (nowMs < deadlineMs) return;
      if (state === 'checking') end('ice-timeout', `no authentic ICE check within ${connectMs} ms`);
      else if (state === 'handshaking') end('dtls-failed', `no DTLS handshake within ${connectMs} ms`);
      else end('consent-lost', `nothing heard for ${consentMs} ms`);
    },
    close: (reason) => end(reason, ''),
  };
};

const sameDestination = (one: Destination, other: Destination): boolean =>
  one.port === other.port && one.address === other.address;
