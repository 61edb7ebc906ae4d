import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';

/**
 * AES-128-GCM with one key, on packets as SRTP and SRTCP lay them out: bytes in front and behind that stay readable but
 * are authenticated, between them what is encrypted, with its tag.
 */
export type Aead = Disposable & {
  /**
   * Opens `packet`, whose first `clear` and last `behind` bytes are readable; returns the clear bytes and the decrypted
   * ones, null when it is not authentic. What is returned may be overwritten by the next call of any key.
   */
  open(packet: Buffer, clear: number, behind: number, iv: Buffer): Buffer | null;
  /** Writes the clear bytes, the plain ones encrypted and the tag to `output`; returns their length. `behind` is authenticated only. */
  seal(clear: Uint8Array, plain: Uint8Array, behind: Uint8Array, iv: Buffer, output: Buffer, offset: number): number;
};

/** Makes the cipher of a key of 16 bytes. */
export type AeadFactory = (key: KeyObject) => Aead;

/** What sealing adds, in bytes. */
export const tagBytes = 16;
const algorithm = 'aes-128-gcm';

/** The portable cipher, by `node:crypto`. */
export const createNodeAead: AeadFactory = (key) => ({
  open: (packet, clear, behind, iv) => {
    const tagAt = packet.length - behind - tagBytes;
    const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagBytes });
    decipher.setAAD(associated(packet.subarray(0, clear), packet.subarray(packet.length - behind)));
    decipher.setAuthTag(packet.subarray(tagAt, tagAt + tagBytes));
    const plain = decipher.update(packet.subarray(clear, tagAt));
    try {
      decipher.final();
    } catch {
      return null;
    }
    const opened = Buffer.allocUnsafe(tagAt);
    packet.copy(opened, 0, 0, clear);
    opened.set(plain, clear);
    return opened;
  },
  seal: (clear, plain, behind, iv, output, offset) => {
    const cipher = createCipheriv(algorithm, key, iv);
    cipher.setAAD(associated(clear, behind));
    const encrypted = cipher.update(plain);
    cipher.final();
    output.set(clear, offset);
    output.set(encrypted, offset + clear.length);
    output.set(cipher.getAuthTag(), offset + clear.length + encrypted.length);
    return clear.length + encrypted.length + tagBytes;
  },
  [Symbol.dispose]: () => {},
});

const associated = (clear: Uint8Array, behind: Uint8Array): Uint8Array =>
  behind.length === 0 ? clear : Buffer.concat([clear, behind]);
