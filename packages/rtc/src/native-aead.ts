import { type AeadFactory, createNodeAead, tagBytes } from './aead.ts';
import type { Native } from './native.ts';

/** A packet that is longer goes by `node:crypto`; no network carries one. */
const mostBytes = 2048;
const ivAt = 0;
const tagAt = 16;
const packetAt = 32;
/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG of openssl/evp.h. */
const getTag = 0x10;
const setTag = 0x11;

/** Memory that one packet is worked on in, with the address of each of its bytes, so that none is computed for a packet. */
const createBench = (native: Native) => {
  const memory = native.allocate(packetAt + mostBytes);
  const addresses = Array.from({ length: packetAt + mostBytes + 1 }, (_, at) => memory.address + BigInt(at));
  return { memory, bytes: memory.bytes, at: (offset: number): bigint => addresses[offset] as bigint };
};

type Bench = ReturnType<typeof createBench>;

/**
 * The cipher of Node's own OpenSSL, with one context for each key and direction; nothing is allocated for a packet. All
 * keys share one piece of memory for opening and one for sealing: what was opened is often sealed for others next.
 */
export const createNativeAead = (native: Native): AeadFactory => {
  const { EVP_Cipher, EVP_CipherInit_ex, EVP_CIPHER_CTX_ctrl } = native;
  const cipher = native.EVP_aes_128_gcm();
  const opened = createBench(native);
  const sealed = createBench(native);
  const newContext = (key: Buffer, bench: Bench, encrypts: 0 | 1): bigint => {
    const context = native.EVP_CIPHER_CTX_new();
    bench.bytes.set(key, packetAt);
    const isReady = EVP_CipherInit_ex(context, cipher, 0n, bench.at(packetAt), 0n, encrypts) === 1;
    bench.bytes.fill(0, packetAt, packetAt + key.length);
    if (!isReady) throw new Error('OpenSSL refuses AES-128-GCM');
    return context;
  };
  /** Authenticates what stays readable and works through `length` bytes behind `clear`; false when OpenSSL refuses. */
  const work = (context: bigint, { at }: Bench, clear: number, length: number, behindAt: number, behind: number) => {
    if (EVP_Cipher(context, 0n, at(packetAt), clear) < 0) return false;
    if (behind > 0 && EVP_Cipher(context, 0n, at(behindAt), behind) < 0) return false;
    const body = at(packetAt + clear);
    if (length > 0 && EVP_Cipher(context, body, body, length) < 0) return false;
    return EVP_Cipher(context, 0n, 0n, 0) >= 0;
  };
  return (key) => {
    const secret = key.export();
    const opening = newContext(secret, opened, 0);
    const sealing = newContext(secret, sealed, 1);
    secret.fill(0);
    const portable = createNodeAead(key);
    let isOver = false;
    return {
      open: (packet, clear, behind, iv) => {
        if (packet.length > mostBytes) return portable.open(packet, clear, behind, iv);
        const length = packet.length - clear - behind - tagBytes;
        if (isOver || length < 0) return null;
        opened.bytes.set(packet, packetAt);
        opened.bytes.set(iv, ivAt);
        const end = packetAt + clear + length;
        const isReady =
          EVP_CipherInit_ex(opening, 0n, 0n, 0n, opened.at(ivAt), 0) === 1 &&
          EVP_CIPHER_CTX_ctrl(opening, setTag, tagBytes, opened.at(end)) === 1;
        if (!isReady || !work(opening, opened, clear, length, end + tagBytes, behind)) return null;
        return opened.bytes.subarray(packetAt, end);
      },
      seal: (clear, plain, behind, iv, output, offset) => {
        const length = clear.length + plain.length;
        if (length + behind.length > mostBytes) return portable.seal(clear, plain, behind, iv, output, offset);
        if (isOver) throw new Error('sealed with a key that was let go');
        const end = packetAt + length;
        sealed.bytes.set(clear, packetAt);
        sealed.bytes.set(plain, packetAt + clear.length);
        sealed.bytes.set(behind, end);
        sealed.bytes.set(iv, ivAt);
        const isSealed =
          EVP_CipherInit_ex(sealing, 0n, 0n, 0n, sealed.at(ivAt), 1) === 1 &&
          work(sealing, sealed, clear.length, plain.length, end, behind.length) &&
          EVP_CIPHER_CTX_ctrl(sealing, getTag, tagBytes, sealed.at(tagAt)) === 1;
        if (!isSealed) throw new Error('OpenSSL refuses to seal a packet');
        sealed.bytes.copy(output, offset, packetAt, end);
        sealed.bytes.copy(output, offset + length, tagAt, tagAt + tagBytes);
        return length + tagBytes;
      },
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        native.EVP_CIPHER_CTX_free(opening);
        native.EVP_CIPHER_CTX_free(sealing);
      },
    };
  };
};
