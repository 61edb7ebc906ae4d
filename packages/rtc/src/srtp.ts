import { createCipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { type AeadFactory, createNodeAead, tagBytes } from './aead.ts';
import { createReplayWindow, type ReplayWindow } from './replay-window.ts';

/**
 * SRTP and SRTCP with AEAD_AES_128_GCM (RFC 7714), keys derived as RFC 3711 §4.3 says with a key derivation rate of 0.
 * A sender's packet index is its caller's business (it must never be used twice with other bytes); a receiver guesses
 * the rollover counter (RFC 3711 §3.3.1) and drops replays. Readers return null for what is not authentic.
 */

/** A master key (16 bytes) and master salt (12 bytes) of one direction. */
export type SrtpMaster = { key: Buffer; salt: Buffer };

/** The session key and salt of one direction, for RTP or for RTCP. */
export type SrtpSessionKey = { key: KeyObject; salt: Buffer };

/** Protects RTP and RTCP packets of one direction, until it is disposed of. */
export type SrtpSender = Disposable & {
  /** Writes the SRTP packet of a 12-byte RTP header and its payload into `output`; returns its length. `index` is the extended sequence number. */
  protectRtp(header: Buffer, payload: Uint8Array, index: number, output: Buffer, offset: number): number;
  /** The SRTCP packet of one compound. */
  protectRtcp(compound: Uint8Array): Buffer;
};

/**
 * Opens RTP and RTCP packets of one direction, until it is disposed of; null for packets that are cut, forged or seen
 * before. What is returned may be overwritten by the next call.
 */
export type SrtpReceiver = Disposable & {
  unprotectRtp(datagram: Buffer): Buffer | null;
  unprotectRtcp(datagram: Buffer): Buffer | null;
  /** Packets dropped so far, by cause. */
  readonly dropped: Readonly<{ malformed: number; forged: number; replayed: number }>;
};

/** What SRTP adds to an RTP packet, in bytes. */
export const srtpTagBytes = tagBytes;
const ivBytes = 12;
const mostSources = 16;
const nothing = new Uint8Array(0);
const label = { rtpKey: 0, rtpSalt: 2, rtcpKey: 3, rtcpSalt: 5 } as const;

/** Derives the session keys of one direction (RFC 3711 §4.3, RFC 7714 §11). */
export const deriveSessionKeys = (master: SrtpMaster): { rtp: SrtpSessionKey; rtcp: SrtpSessionKey } => ({
  rtp: {
    key: createSecretKey(deriveKey(master, label.rtpKey, 16)),
    salt: deriveKey(master, label.rtpSalt, ivBytes),
  },
  rtcp: {
    key: createSecretKey(deriveKey(master, label.rtcpKey, 16)),
    salt: deriveKey(master, label.rtcpSalt, ivBytes),
  },
});

/** A sender for one direction's session keys. */
export const createSrtpSender = (
  keys: { rtp: SrtpSessionKey; rtcp: SrtpSessionKey },
  createAead: AeadFactory = createNodeAead,
): SrtpSender => {
  const iv = Buffer.alloc(ivBytes);
  const rtp = createAead(keys.rtp.key);
  const rtcp = createAead(keys.rtcp.key);
  let rtcpIndex = 0;
  return {
    protectRtp: (header, payload, index, output, offset) => {
      writeRtpIv(iv, keys.rtp.salt, header, 8, index);
      return rtp.seal(header, payload, nothing, iv, output, offset);
    },
    protectRtcp: (compound) => {
      const packet = Buffer.allocUnsafe(compound.length + srtpTagBytes + 4);
      packet.set(compound.subarray(0, 8), 0);
      const trailerAt = packet.length - 4;
      packet.writeUInt32BE((0x8000_0000 | rtcpIndex) >>> 0, trailerAt);
      writeRtcpIv(iv, keys.rtcp.salt, packet, rtcpIndex);
      rtcpIndex = (rtcpIndex + 1) & 0x7fff_ffff;
      rtcp.seal(compound.subarray(0, 8), compound.subarray(8), packet.subarray(trailerAt), iv, packet, 0);
      return packet;
    },
    [Symbol.dispose]: () => {
      rtp[Symbol.dispose]();
      rtcp[Symbol.dispose]();
    },
  };
};

/** A receiver for one direction's session keys, for at most 16 sources. */
export const createSrtpReceiver = (
  keys: { rtp: SrtpSessionKey; rtcp: SrtpSessionKey },
  createAead: AeadFactory = createNodeAead,
): SrtpReceiver => {
  const dropped = { malformed: 0, forged: 0, replayed: 0 };
  const rtpSources = new Map<number, ReplayWindow>();
  const rtcpSources = new Map<number, ReplayWindow>();
  const iv = Buffer.alloc(ivBytes);
  const rtp = createAead(keys.rtp.key);
  const rtcp = createAead(keys.rtcp.key);
  return {
    dropped,
    unprotectRtp: (datagram) => {
      const headerLength = rtpHeaderLength(datagram);
      if (headerLength === 0 || datagram.length < headerLength + srtpTagBytes) return drop(dropped, 'malformed');
      const ssrc = datagram.readUInt32BE(8);
      const window = rtpSources.get(ssrc) ?? createReplayWindow();
      const index = guessIndex(window.highest, datagram.readUInt16BE(2));
      if (!window.accepts(index)) return drop(dropped, 'replayed');
      writeRtpIv(iv, keys.rtp.salt, datagram, 8, index);
      const packet = rtp.open(datagram, headerLength, 0, iv);
      if (packet === null || !keep(rtpSources, ssrc, window)) return drop(dropped, 'forged');
      window.record(index);
      return packet;
    },
    unprotectRtcp: (datagram) => {
      const trailerAt = datagram.length - 4;
      if (trailerAt < 8 + srtpTagBytes || datagram.readUInt8(trailerAt) < 0x80) return drop(dropped, 'malformed');
      const ssrc = datagram.readUInt32BE(4);
      const index = datagram.readUInt32BE(trailerAt) & 0x7fff_ffff;
      const window = rtcpSources.get(ssrc) ?? createReplayWindow(128);
      if (!window.accepts(index)) return drop(dropped, 'replayed');
      writeRtcpIv(iv, keys.rtcp.salt, datagram, index);
      const compound = rtcp.open(datagram, 8, 4, iv);
      if (compound === null || !keep(rtcpSources, ssrc, window)) return drop(dropped, 'forged');
      window.record(index);
      return compound;
    },
    [Symbol.dispose]: () => {
      rtp[Symbol.dispose]();
      rtcp[Symbol.dispose]();
    },
  };
};

const deriveKey = (master: SrtpMaster, keyLabel: number, length: number): Buffer => {
  const iv = Buffer.alloc(16);
  master.salt.copy(iv);
  iv.writeUInt8(iv.readUInt8(7) ^ keyLabel, 7);
  return createCipheriv('aes-128-ctr', master.key, iv).update(Buffer.alloc(length));
};

// RFC 7714 §8.1: 00 00, SSRC, rollover counter, sequence number; all XOR the salt.
const writeRtpIv = (iv: Buffer, salt: Buffer, packet: Buffer, ssrcAt: number, index: number): void => {
  salt.copy(iv);
  for (let at = 0; at < 4; at++) iv[2 + at] = (iv[2 + at] as number) ^ (packet[ssrcAt + at] as number);
  const rollover = Math.floor(index / 0x1_0000);
  iv[6] = (iv[6] as number) ^ (rollover >>> 24);
  iv[7] = (iv[7] as number) ^ ((rollover >>> 16) & 0xff);
  iv[8] = (iv[8] as number) ^ ((rollover >>> 8) & 0xff);
  iv[9] = (iv[9] as number) ^ (rollover & 0xff);
  iv[10] = (iv[10] as number) ^ ((index >>> 8) & 0xff);
  iv[11] = (iv[11] as number) ^ (index & 0xff);
};

// RFC 7714 §9.1: 00 00, SSRC, 00 00, SRTCP index; all XOR the salt.
const writeRtcpIv = (iv: Buffer, salt: Buffer, packet: Buffer, index: number): void => {
  salt.copy(iv);
  for (let at = 0; at < 4; at++) iv[2 + at] = (iv[2 + at] as number) ^ (packet[4 + at] as number);
  iv.writeUInt32BE((iv.readUInt32BE(8) ^ index) >>> 0, 8);
};

const rtpHeaderLength = (datagram: Buffer): number => {
  if (datagram.length < 12) return 0;
  const first = datagram.readUInt8(0);
  const length = 12 + (first & 0x0f) * 4;
  if ((first & 0x10) === 0) return length;
  return datagram.length < length + 4 ? 0 : length + 4 + datagram.readUInt16BE(length + 2) * 4;
};

const guessIndex = (highest: number, sequence: number): number => {
  if (highest < 0) return sequence;
  const index = highest + (((sequence - highest + 0x8000) & 0xffff) - 0x8000);
  return index < 0 ? index + 0x1_0000 : index;
};

const keep = (sources: Map<number, ReplayWindow>, ssrc: number, window: ReplayWindow): boolean => {
  if (!sources.has(ssrc) && sources.size >= mostSources) return false;
  sources.set(ssrc, window);
  return true;
};

const drop = (dropped: { malformed: number; forged: number; replayed: number }, cause: keyof typeof dropped): null => {
  dropped[cause]++;
  return null;
};
