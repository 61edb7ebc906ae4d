/** Valid RTP, RTCP and codec bytes, made structure by structure. */
import fc from 'fast-check';
import { joinRtcp } from '../packages/media/src/rtcp.ts';
import { encodeBye, encodeFir, encodeNack, encodePli, encodeRemb } from '../packages/media/src/rtcp-feedback.ts';
import { encodeReceiverReport, encodeSenderReport } from '../packages/media/src/rtcp-report.ts';
import { encodeRtp } from '../packages/media/src/rtp.ts';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);

/** Bytes of a text of hex digits. */
export const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));

/** Pieces one after the other. */
export const concat = (...pieces: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(pieces));

const extension = fc
  .tuple(fc.constantFrom(0xbede, 0x1000), fc.uint8Array({ maxLength: 24 }))
  .map(([profile, elements]) => {
    const words = Math.ceil(elements.length / 4);
    const bytes = new Uint8Array(4 + words * 4);
    new DataView(bytes.buffer).setUint32(0, (profile << 16) | words);
    bytes.set(elements, 4);
    return bytes;
  });

/** An RTP packet with what its header may have: sources, an extension, padding. */
export const rtpPacket = (payload: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 60 })) =>
  fc
    .record({
      fields: fc.record({
        payloadType: fc.nat(127),
        marker: fc.boolean(),
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
        payload,
      }),
      sources: fc.array(u32, { maxLength: 15 }),
      extension: fc.option(extension),
      padding: fc.option(fc.integer({ min: 1, max: 20 })),
    })
    .map(({ fields, sources, extension: extended, padding }) => {
      const plain = encodeRtp(fields);
      const csrcs = new Uint8Array(sources.length * 4);
      sources.forEach((source, index) => {
        new DataView(csrcs.buffer).setUint32(index * 4, source);
      });
      const tail = new Uint8Array(padding ?? 0);
      if (padding !== null) tail[padding - 1] = padding;
      const packet = concat(plain.subarray(0, 12), csrcs, extended ?? hex(''), plain.subarray(12), tail);
      packet[0] = 0x80 | sources.length | (extended === null ? 0 : 0x10) | (padding === null ? 0 : 0x20);
      return packet;
    });

const reportBlock = fc.record({
  ssrc: u32,
  fractionLost: u8,
  cumulativeLost: fc.integer({ min: -0x80_0000, max: 0x7f_ffff }),
  highestSequence: u32,
  jitter: u32,
  lastSenderReport: u32,
  delaySinceLastSenderReport: u32,
});
const reports = fc.array(reportBlock, { maxLength: 31 });

/** Transport-wide congestion control feedback, which browsers send and we pass over. */
const transportWide = fc.uint8Array({ minLength: 8, maxLength: 48 }).map((tail) => {
  const words = Math.ceil(tail.length / 4);
  const bytes = new Uint8Array(12 + words * 4);
  bytes.set(hex('8fcd'), 0);
  bytes[3] = 2 + words;
  bytes.set(tail, 12);
  return bytes;
});

const rtcpPacket = fc.oneof(
  fc
    .record({
      ssrc: u32,
      ntpSeconds: u32,
      ntpFraction: u32,
      rtpTimestamp: u32,
      packetCount: u32,
      octetCount: u32,
      reports,
    })
    .map(encodeSenderReport),
  fc.record({ ssrc: u32, reports }).map(encodeReceiverReport),
  fc.record({ senderSsrc: u32, mediaSsrc: u32, sequences: fc.array(u16, { maxLength: 60 }) }).map(encodeNack),
  fc.record({ senderSsrc: u32, mediaSsrc: u32 }).map(encodePli),
  fc
    .record({ senderSsrc: u32, entries: fc.array(fc.record({ ssrc: u32, sequence: u8 }), { maxLength: 8 }) })
    .map(encodeFir),
  fc
    .record({ senderSsrc: u32, bitrateBps: fc.nat(100_000_000), ssrcs: fc.array(u32, { maxLength: 8 }) })
    .map(encodeRemb),
  fc.array(u32, { maxLength: 31 }).map(encodeBye),
  transportWide,
  fc.constant(hex('81ca0002 00000001 01016100')),
);

/** A compound of RTCP packets of all kinds that are known. */
export const rtcpCompound: fc.Arbitrary<Uint8Array> = fc
  .array(rtcpPacket, { minLength: 1, maxLength: 4 })
  .map((packets) => Uint8Array.from(joinRtcp(packets)));

/** A payload with the header that says how it travelled: sequence step, marker and timestamp step. */
export const travelling = (payload: fc.Arbitrary<{ payload: Uint8Array; marker: boolean }>): fc.Arbitrary<Uint8Array> =>
  payload.map(({ payload: bytes, marker }) => concat(Uint8Array.of(1, marker ? 1 : 0, marker ? 30 : 0), bytes));
