import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RtpHeader, SrtcpSession, SrtpSession } from 'werift';
import { type AeadFactory, createNodeAead } from './aead.ts';
import { loadNative } from './native.ts';
import { createNativeAead } from './native-aead.ts';
import { createReplayWindow } from './replay-window.ts';
import { createSrtpReceiver, createSrtpSender, deriveSessionKeys } from './srtp.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');

/** Key and salt of the examples of RFC 7714 §16 and §17. */
const sessionKey = {
  key: createSecretKey(hex('000102030405060708090a0b0c0d0e0f')),
  salt: hex('517569642070726f2071756f'),
};
const exampleKeys = { rtp: sessionKey, rtcp: sessionKey };

/** RFC 7714 §16.1.1. */
const plainRtp = hex(
  '8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573',
);
const protectedRtp =
  hex(`8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
  899d7f27beb16a9152cf765ee4390cce`);

/** RFC 7714 §17.1: SRTCP index 0x5d4. */
const plainRtcp = hex(
  '81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef',
);
const protectedRtcp =
  hex(`81c8000d4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded
  0bb9275bc84aa45896cf4d2fc5abf87245d9eade 800005d4`);

const protect = (sender: ReturnType<typeof createSrtpSender>, packet: Buffer, index: number): Buffer => {
  const output = Buffer.alloc(2000);
  return output.subarray(7, 7 + sender.protectRtp(packet.subarray(0, 12), packet.subarray(12), index, output, 7));
};

const rtp = (sequence: number, ssrc = 0x1234): Buffer => {
  const packet = Buffer.alloc(40, sequence & 0xff);
  packet.writeUInt16BE(0x8060, 0);
  packet.writeUInt16BE(sequence & 0xffff, 2);
  packet.writeUInt32BE(sequence, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
};

const native = loadNative();
const ciphers: [string, AeadFactory][] = [['node:crypto', createNodeAead]];
if (native !== null) ciphers.push(["OpenSSL's own context", createNativeAead(native)]);

describe.each(ciphers)('by %s', (_, createAead) => {
  describe('the examples of RFC 7714', () => {
    test('SRTP, both ways', () => {
      expect(protect(createSrtpSender(exampleKeys, createAead), plainRtp, 0xf17b).toString('hex')).toBe(
        protectedRtp.toString('hex'),
      );
      expect(createSrtpReceiver(exampleKeys, createAead).unprotectRtp(protectedRtp)).toEqual(plainRtp);
    });

    test('SRTCP, reading', () => {
      expect(createSrtpReceiver(exampleKeys, createAead).unprotectRtcp(protectedRtcp)?.toString('hex')).toBe(
        plainRtcp.toString('hex'),
      );
    });
  });

  describe('an independent implementation agrees from the master key on', () => {
    const master = { key: randomBytes(16), salt: randomBytes(12) };
    const other = { key: randomBytes(16), salt: randomBytes(12) };
    const config = {
      keys: {
        localMasterKey: master.key,
        localMasterSalt: master.salt,
        remoteMasterKey: other.key,
        remoteMasterSalt: other.salt,
      },
      profile: 7 as const,
    };

    test('SRTP', () => {
      const packet = rtp(5);
      const theirs = new SrtpSession(config).encrypt(packet.subarray(12), RtpHeader.deSerialize(packet));
      expect(createSrtpReceiver(deriveSessionKeys(master), createAead).unprotectRtp(theirs)).toEqual(packet);
      expect(protect(createSrtpSender(deriveSessionKeys(master), createAead), packet, 5)).toEqual(theirs);
    });

    test('SRTCP', () => {
      const theirs = new SrtcpSession(config).encrypt(plainRtcp);
      expect(createSrtpReceiver(deriveSessionKeys(master), createAead).unprotectRtcp(theirs)).toEqual(plainRtcp);
      const ours = createSrtpSender(deriveSessionKeys(other), createAead).protectRtcp(plainRtcp);
      expect(new SrtcpSession(config).decrypt(ours)).toEqual(plainRtcp);
    });
  });

  describe('rollover and replay', () => {
    const keys = deriveSessionKeys({ key: randomBytes(16), salt: randomBytes(12) });

    test('sequence numbers wrap, with packets out of order around each wrap', () => {
      const sender = createSrtpSender(keys, createAead);
      const receiver = createSrtpReceiver(keys, createAead);
      for (let wrap = 1; wrap <= 2; wrap++) {
        const base = wrap * 0x1_0000;
        for (const index of [base - 20_000, base - 3, base + 1, base - 2, base, base - 1, base + 20_000]) {
          expect(receiver.unprotectRtp(protect(sender, rtp(index), index))).toEqual(rtp(index));
        }
      }
      expect(receiver.dropped).toEqual({ malformed: 0, forged: 0, replayed: 0 });
    });

    test('a packet is taken once, and not after the window', () => {
      const sender = createSrtpSender(keys, createAead);
      const receiver = createSrtpReceiver(keys, createAead);
      const packets = [0, 1, 2000].map((index) => protect(sender, rtp(index), index));
      for (const packet of [packets[1]!, packets[2]!]) expect(receiver.unprotectRtp(packet)).not.toBeNull();
      for (const packet of packets) expect(receiver.unprotectRtp(packet)).toBeNull();
      expect(receiver.dropped.replayed).toBe(3);
    });

    test('a forged packet does not move the window', () => {
      const sender = createSrtpSender(keys, createAead);
      const receiver = createSrtpReceiver(keys, createAead);
      const forged = Buffer.from(protect(sender, rtp(30_000), 30_000));
      forged[20] = (forged[20] ?? 0) ^ 1;
      expect(receiver.unprotectRtp(protect(sender, rtp(10), 10))).not.toBeNull();
      expect(receiver.unprotectRtp(forged)).toBeNull();
      expect(receiver.unprotectRtp(protect(sender, rtp(11), 11))).not.toBeNull();
      expect(receiver.dropped).toEqual({ malformed: 0, forged: 1, replayed: 0 });
    });

    test('the number of sources is bounded', () => {
      const sender = createSrtpSender(keys, createAead);
      const receiver = createSrtpReceiver(keys, createAead);
      const taken = Array.from({ length: 20 }, (_, ssrc) => receiver.unprotectRtp(protect(sender, rtp(1, ssrc), 1)));
      expect(taken.filter((packet) => packet !== null)).toHaveLength(16);
    });

    test('the window agrees with a set of everything seen', () => {
      fc.assert(
        fc.property(fc.array(fc.nat(400), { maxLength: 300 }), (indices) => {
          const window = createReplayWindow(64);
          const seen = new Set<number>();
          for (const index of indices) {
            const expected = !seen.has(index) && index > Math.max(-1, ...seen) - 64;
            expect(window.accepts(index)).toBe(expected);
            if (expected) {
              window.record(index);
              seen.add(index);
            }
          }
        }),
      );
    });
  });

  test('any bytes at all are refused without an exception', () => {
    const receiver = createSrtpReceiver(exampleKeys, createAead);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(receiver.unprotectRtp(Buffer.from(bytes))).toBeNull();
        expect(receiver.unprotectRtcp(Buffer.from(bytes))).toBeNull();
      }),
    );
  });
});
