import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { oneLine, WeirError } from './errors.ts';
import { loadOrCreateFile } from './secret-file.ts';

/** An Ed25519 key pair; `publicText` is what a join line carries, `fingerprint` the index id. */
export type KeyPair = { privateKey: KeyObject; publicKey: KeyObject; publicText: string; fingerprint: string };

/** The 32 bytes of an Ed25519 public key in base64url. */
export const encodePublicKey = (key: KeyObject): string => {
  const { x } = key.export({ format: 'jwk' });
  if (x === undefined) throw new WeirError('key_unreadable', 'the key is no Ed25519 public key');
  return x;
};

/** Reads what `encodePublicKey` wrote, or the PEM form. */
export const decodePublicKey = (text: string): KeyObject => {
  try {
    const key = text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: text.trim() }, format: 'jwk' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (error) {
    throw new WeirError('key_unreadable', `not an Ed25519 public key: ${oneLine(error)}`, { cause: error });
  }
  throw new WeirError('key_unreadable', 'not an Ed25519 public key: copy it from the join line');
};

/** Name of a public key: the first 128 bits of its SHA-256, in hex. It is the index id, which survives a lost database. */
export const fingerprint = (key: KeyObject): string =>
  createHash('sha256')
    .update(Buffer.from(encodePublicKey(key), 'base64url'))
    .digest('hex')
    .slice(0, 32);

const makePem = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

/** Reads an Ed25519 private key (PKCS #8 PEM, mode 0600), or makes it once. */
export const loadOrCreateKeyPair = async (path: string): Promise<KeyPair> => {
  const pem = await loadOrCreateFile(path, makePem);
  try {
    const privateKey = createPrivateKey(pem);
    const publicKey = createPublicKey(privateKey);
    return { privateKey, publicKey, publicText: encodePublicKey(publicKey), fingerprint: fingerprint(publicKey) };
  } catch (error) {
    const message = `${path} holds no Ed25519 private key: restore it; a new one would be a new index to every site`;
    throw new WeirError('key_unreadable', message, { cause: error });
  }
};
