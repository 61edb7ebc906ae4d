/** Datagrams of WebRTC peers: STUN, DTLS records, SRTP and SRTCP. */
import fc from 'fast-check';
import { encodeDtlsRecord } from '../packages/rtc/src/dtls-record.ts';
import { createSrtpSender, deriveSessionKeys, srtpTagBytes } from '../packages/rtc/src/srtp.ts';
import { encodeBindingError, encodeBindingRequest, encodeBindingSuccess } from '../packages/rtc/src/stun.ts';
import { rtcpCompound } from './media-inputs.ts';

const bytes = (length: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((value) => Buffer.from(value));
const transactionId = bytes(12);
const name = fc.string({ maxLength: 40 });
const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('::ffff:192.0.2.1'));

/** Binding messages of all kinds. */
export const stunMessage: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    fc
      .record({
        transactionId,
        username: name,
        password: name,
        priority: fc.nat(0xffff_ffff),
        role: fc.constantFrom('controlling' as const, 'controlled' as const),
        tieBreaker: bytes(8),
        useCandidate: fc.boolean(),
      })
      .map(encodeBindingRequest),
    fc
      .record({ transactionId, mappedAddress: fc.record({ address, port: fc.nat(65_535) }), password: name })
      .map(encodeBindingSuccess),
    fc.record({ transactionId, code: fc.integer({ min: 300, max: 699 }), reason: name }).map(encodeBindingError),
  )
  .map((message) => Uint8Array.from(message));

/** Datagrams of DTLS records. */
export const dtlsDatagram: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc
      .record({
        type: fc.constantFrom(20, 21, 22, 23),
        epoch: fc.nat(2),
        sequence: fc.nat(2 ** 40),
        fragment: fc.uint8Array({ maxLength: 80 }).map((fragment) => Buffer.from(fragment)),
      })
      .map(encodeDtlsRecord),
    { minLength: 1, maxLength: 6 },
  )
  .map((records) => Uint8Array.from(Buffer.concat(records)));

/** The keys under which the packets below are authentic. */
export const srtpKeys = deriveSessionKeys({ key: Buffer.alloc(16, 7), salt: Buffer.alloc(12, 9) });

/** SRTP packets of one sender. */
export const srtpPacket: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.uint8Array({ maxLength: 60 }), fc.nat(70_000))
  .map(([payload, index]) => {
    const header = Buffer.from('80600000000000000000002a', 'hex');
    header.writeUInt16BE(index & 0xffff, 2);
    const output = Buffer.alloc(header.length + payload.length + srtpTagBytes);
    createSrtpSender(srtpKeys).protectRtp(header, payload, index, output, 0);
    return Uint8Array.from(output);
  });

/** SRTCP packets of one sender. */
export const srtcpPacket: fc.Arbitrary<Uint8Array> = rtcpCompound.map((compound) =>
  Uint8Array.from(createSrtpSender(srtpKeys).protectRtcp(compound)),
);
