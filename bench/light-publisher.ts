import { createCipheriv } from 'node:crypto';
import { encodeSenderReport, parseRtcp, unixMsToNtp } from '@weir/media';
import { SrtcpSession } from 'werift';
import { type Certificate, openLightPeer } from './light-peer.ts';
import type { Packet } from './test-stream.ts';

/**
 * A WHIP publisher that costs a quarter of werift's: packets are encrypted and sent, asked for again sent as they were,
 * and a sender report goes out each second. So fifty streams leave a small machine to the servers that are measured.
 */
export type LightPublisher = {
  send(packet: Packet): void;
  /** Packets sent while nobody answered. */
  unsent(): number;
  keyFrameRequests(): number;
  close(): Promise<void>;
};

type Lane = { ssrc: number; highest: number; packets: number; octets: number; timestamp: number; sentMs: number };

const historyPackets = 1024;
const reportMs = 1000;
const headerBytes = 12;

/** Connects to a WHIP endpoint; rejects when media cannot flow within 10 s. */
export const openLightPublisher = async (
  target: { url: string; token?: string },
  certificate: Certificate,
): Promise<LightPublisher> => {
  const sent = new Map<number, Buffer[]>();
  const lanes = new Map<number, Lane>();
  let keyFrameRequests = 0;
  let unsent = 0;
  let receive: (datagram: Buffer) => void = () => {};
  const peer = await openLightPeer({
    ...target,
    direction: 'sendonly',
    certificate,
    onMedia: (datagram) => receive(datagram),
  });
  const rtcp = new SrtcpSession({ keys: peer.keys, profile: 7 });
  receive = (datagram) => {
    for (const packet of parseRtcp(rtcp.decrypt(datagram)) ?? []) {
      if (packet.kind === 'pli' || packet.kind === 'fir') keyFrameRequests++;
      if (packet.kind !== 'nack') continue;
      const history = sent.get(packet.mediaSsrc) ?? [];
      for (const sequence of packet.sequences) {
        const again = history[sequence % historyPackets];
        if (again?.readUInt16BE(2) === sequence) peer.send(again);
      }
    }
  };
  const seal = createSealer(peer.keys.localMasterKey, peer.keys.localMasterSalt);
  const timer = setInterval(() => {
    for (const lane of lanes.values()) peer.send(rtcp.encrypt(reportOf(lane)));
  }, reportMs);
  return {
    send: ({ rtp }) => {
      const ssrc = rtp.readUInt32BE(8);
      const sequence = rtp.readUInt16BE(2);
      const lane = lanes.get(ssrc) ?? { ssrc, highest: sequence, packets: 0, octets: 0, timestamp: 0, sentMs: 0 };
      lanes.set(ssrc, lane);
      lane.highest += (sequence - lane.highest) & 0xffff;
      const datagram = seal(rtp, Math.floor(lane.highest / 0x1_0000));
      const history = sent.get(ssrc) ?? [];
      sent.set(ssrc, history);
      history[sequence % historyPackets] = datagram;
      lane.packets++;
      lane.octets += rtp.length - headerBytes;
      lane.timestamp = rtp.readUInt32BE(4);
      lane.sentMs = Date.now();
      peer.send(datagram);
      if (!peer.isAnswered()) unsent++;
    },
    unsent: () => unsent,
    keyFrameRequests: () => keyFrameRequests,
    close: async () => {
      clearInterval(timer);
      const headers = target.token === undefined ? {} : { authorization: `Bearer ${target.token}` };
      await fetch(peer.session, { method: 'DELETE', headers });
      peer.close();
    },
  };
};

/** The moment of the newest packet, on the wall clock and in the track's (RFC 3550 §6.4.1). */
const reportOf = ({ ssrc, packets, octets, timestamp, sentMs }: Lane): Buffer =>
  Buffer.from(
    encodeSenderReport({
      ssrc,
      ...unixMsToNtp(sentMs),
      rtpTimestamp: timestamp,
      packetCount: packets,
      octetCount: octets,
      reports: [],
    }),
  );

/** SRTP with AEAD_AES_128_GCM (RFC 7714 §8), session keys by RFC 3711 §4.3. */
const createSealer = (masterKey: Buffer, masterSalt: Buffer) => {
  const derive = (label: number, bytes: number): Buffer => {
    const iv = Buffer.concat([masterSalt, Buffer.alloc(4)]);
    iv[7] = (iv[7] ?? 0) ^ label;
    return createCipheriv('aes-128-ctr', masterKey, iv).update(Buffer.alloc(bytes));
  };
  const key = derive(0, 16);
  const salt = derive(2, 12);
  return (rtp: Buffer, rollovers: number): Buffer => {
    const iv = Buffer.alloc(12);
    rtp.copy(iv, 2, 8, 12);
    iv.writeUInt32BE(rollovers, 6);
    rtp.copy(iv, 10, 2, 4);
    for (let at = 0; at < 12; at++) iv[at] = (iv[at] ?? 0) ^ (salt[at] ?? 0);
    const cipher = createCipheriv('aes-128-gcm', key, iv);
    const header = rtp.subarray(0, headerBytes);
    cipher.setAAD(header);
    return Buffer.concat([header, cipher.update(rtp.subarray(headerBytes)), cipher.final(), cipher.getAuthTag()]);
  };
};
