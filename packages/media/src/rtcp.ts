import { parseBye, parseFeedback } from './rtcp-feedback.ts';
import { parseReceiverReport, parseSenderReport, type ReportBlock, type SenderReport } from './rtcp-report.ts';

/** One RTCP packet of a compound. SSRCs and RTP timestamps are wire values; `bitrateBps` is bits per second. */
export type RtcpPacket =
  | ({ kind: 'sender-report' } & SenderReport)
  | { kind: 'receiver-report'; ssrc: number; reports: ReportBlock[] }
  | { kind: 'nack'; senderSsrc: number; mediaSsrc: number; sequences: number[] }
  | { kind: 'pli'; senderSsrc: number; mediaSsrc: number }
  | { kind: 'fir'; senderSsrc: number; entries: { ssrc: number; sequence: number }[] }
  | { kind: 'remb'; senderSsrc: number; bitrateBps: number; ssrcs: number[] }
  | { kind: 'bye'; ssrcs: number[] }
  | { kind: 'other'; packetType: number; count: number; bytes: Uint8Array };

/** Packet types of RTCP (RFC 3550 §12.1, RFC 4585 §6.1). */
export const rtcpType = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  bye: 203,
  transportFeedback: 205,
  payloadFeedback: 206,
} as const;

/** Whether a packet of a muxed flow is RTCP, by its second byte (RFC 5761 §4). */
export const isRtcp = (bytes: Uint8Array): boolean => {
  const type = bytes[1];
  return bytes.length >= 4 && type !== undefined && type >= 192 && type <= 223;
};

/** Reads a compound or reduced-size RTCP packet (RFC 3550 §6.1, RFC 5506); null when any part of it is not valid. */
export const parseRtcp = (bytes: Uint8Array): RtcpPacket[] | null => {
  const packets: RtcpPacket[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes.length - offset < 4) return null;
    const first = bytes[offset] as number;
    const length = 4 + (((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number)) * 4;
    if (first >> 6 !== 2 || offset + length > bytes.length) return null;
    const end = offset + length - paddingOf(bytes, offset, length);
    if (end < offset + 4) return null;
    const packet = parseOne(bytes.subarray(offset, end));
    if (packet === null) return null;
    packets.push(packet);
    offset += length;
  }
  return packets.length === 0 ? null : packets;
};

/** Joins RTCP packets to one compound datagram (RFC 3550 §6.1). */
export const joinRtcp = (packets: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(packets.reduce((sum, packet) => sum + packet.length, 0));
  let offset = 0;
  for (const packet of packets) {
    bytes.set(packet, offset);
    offset += packet.length;
  }
  return bytes;
};

const paddingOf = (bytes: Uint8Array, offset: number, length: number): number =>
  ((bytes[offset] as number) & 0x20) === 0 ? 0 : (bytes[offset + length - 1] as number);

const parseOne = (bytes: Uint8Array): RtcpPacket | null => {
  const count = (bytes[0] as number) & 0x1f;
  const packetType = bytes[1] as number;
  switch (packetType) {
    case rtcpType.senderReport:
      return parseSenderReport(bytes, count);
    case rtcpType.receiverReport:
      return parseReceiverReport(bytes, count);
    case rtcpType.bye:
      return parseBye(bytes, count);
    case rtcpType.transportFeedback:
    case rtcpType.payloadFeedback:
      return parseFeedback(bytes, packetType, count);
    default:
      return { kind: 'other', packetType, count, bytes };
  }
};
