import { createHash, timingSafeEqual } from 'node:crypto';

/** SHA-256 of a secret: what is kept in memory in its place. */
export const hashSecret = (secret: string | Buffer): Buffer => createHash('sha256').update(secret).digest();

/** True if `secret` has that hash, in a time that does not depend on where they differ. */
export const hasHash = (secret: string | Buffer, hash: Buffer): boolean => timingSafeEqual(hashSecret(secret), hash);
