import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isRtcp, joinRtcp, parseRtcp, type RtcpPacket } from './rtcp.ts';
import { encodeBye, encodeFir, encodeNack, encodePli, encodeRemb } from './rtcp-feedback.ts';
import { encodeReceiverReport, encodeSenderReport, ntpToUnixMs, unixMsToNtp } from './rtcp-report.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

const block = {
  ssrc: 2,
  fractionLost: 255,
  cumulativeLost: -1,
  highestSequence: 0x0001_ffff,
  jitter: 7,
  lastSenderReport: 0xdead_beef,
  delaySinceLastSenderReport: 65536,
};
const sender = {
  ssrc: 1,
  ntpSeconds: 0xe000_0000,
  ntpFraction: 0x8000_0000,
  rtpTimestamp: 0xffff_fffe,
  packetCount: 10,
  octetCount: 1000,
};

const table: [string, RtcpPacket, Uint8Array, string][] = [
  [
    'sender report',
    { kind: 'sender-report', ...sender, reports: [] },
    encodeSenderReport({ ...sender, reports: [] }),
    '80c80006 00000001 e0000000 80000000 fffffffe 0000000a 000003e8',
  ],
  [
    'receiver report',
    { kind: 'receiver-report', ssrc: 1, reports: [block] },
    encodeReceiverReport({ ssrc: 1, reports: [block] }),
    '81c90007 00000001 00000002 ffffffff 0001ffff 00000007 deadbeef 00010000',
  ],
  [
    'generic NACK over the wrap',
    { kind: 'nack', senderSsrc: 1, mediaSsrc: 2, sequences: [65535, 0, 15, 16] },
    encodeNack({ senderSsrc: 1, mediaSsrc: 2, sequences: [65535, 0, 15, 16] }),
    '81cd0004 00000001 00000002 ffff8001 00100000',
  ],
  [
    'PLI',
    { kind: 'pli', senderSsrc: 1, mediaSsrc: 2 },
    encodePli({ senderSsrc: 1, mediaSsrc: 2 }),
    '81ce0002 00000001 00000002',
  ],
  [
    'FIR',
    { kind: 'fir', senderSsrc: 1, entries: [{ ssrc: 2, sequence: 255 }] },
    encodeFir({ senderSsrc: 1, entries: [{ ssrc: 2, sequence: 255 }] }),
    '84ce0004 00000001 00000000 00000002 ff000000',
  ],
  [
    'REMB',
    { kind: 'remb', senderSsrc: 1, bitrateBps: 0x3_ffff * 4, ssrcs: [2] },
    encodeRemb({ senderSsrc: 1, bitrateBps: 0x3_ffff * 4 + 3, ssrcs: [2] }),
    '8fce0005 00000001 00000000 52454d42 010bffff 00000002',
  ],
  ['BYE', { kind: 'bye', ssrcs: [1, 2] }, encodeBye([1, 2]), '82cb0002 00000001 00000002'],
];

test.each(table)('%s is written and read', (_, packet, encoded, hex) => {
  expect(encoded).toEqual(bytes(hex));
  expect(parseRtcp(encoded)).toEqual([packet]);
});

test('a compound is read packet by packet, an unknown one as it is', () => {
  const description = bytes('81ca0002 00000001 01016100');
  const compound = joinRtcp([
    encodeReceiverReport({ ssrc: 1, reports: [] }),
    description,
    encodePli({ senderSsrc: 1, mediaSsrc: 2 }),
  ]);
  expect(parseRtcp(compound)?.map((packet) => packet.kind)).toEqual(['receiver-report', 'other', 'pli']);
});

test('padding of the last packet is no part of it', () => {
  expect(parseRtcp(bytes('a1ce0003 00000001 00000002 00000004'))).toEqual([
    { kind: 'pli', senderSsrc: 1, mediaSsrc: 2 },
  ]);
});

test.each([
  ['nothing', ''],
  ['a length beyond the end', '80c80006 00000001'],
  ['more blocks than bytes', '82c90001 00000001'],
  ['version 1', '41ce0002 00000001 00000002'],
  ['padding beyond the packet', 'a1ce0002 00000001 000000ff'],
])('%s is refused', (_, hex) => {
  expect(parseRtcp(bytes(hex))).toBeNull();
});

test('RTCP is told from RTP of any payload type that may be muxed with it', () => {
  expect(isRtcp(encodePli({ senderSsrc: 1, mediaSsrc: 2 }))).toBe(true);
  expect(isRtcp(bytes('80e6 0001 00000000 00000000'))).toBe(false);
  expect(isRtcp(bytes('8060 0001 00000000 00000000'))).toBe(false);
});

test('NTP time and Unix time are the same instant', () => {
  const ms = 1_762_842_203_500;
  const ntp = unixMsToNtp(ms);
  expect(ntp.ntpFraction).toBe(0x8000_0000);
  expect(ntpToUnixMs(ntp.ntpSeconds, ntp.ntpFraction)).toBe(ms);
});

test('any bytes are read without throwing and stay as they were', () => {
  const types = fc.constantFrom(200, 201, 202, 203, 205, 206);
  fc.assert(
    fc.property(types, fc.uint8Array({ maxLength: 80 }), (type, tail) => {
      const input = Uint8Array.from([0x80 | ((tail[0] ?? 0) & 0x3f), type, 0, (tail[1] ?? 0) % 20, ...tail]);
      const before = input.slice();
      parseRtcp(input);
      expect(input).toEqual(before);
    }),
  );
});
