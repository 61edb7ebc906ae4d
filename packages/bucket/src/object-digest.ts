import { createHash } from 'node:crypto';
import type { Bucket } from './bucket.ts';

/** What reading an object from end to end found: its size, the SHA-256 of its bytes in hex, and its first bytes. */
export type ObjectDigest = { bytes: number; sha256: string; head: Buffer };

/** Reads a body to its end and hashes it; keeps the first `headBytes` and no more in memory. */
export const digestBody = async (body: AsyncIterable<Uint8Array>, headBytes = 0): Promise<ObjectDigest> => {
  const hash = createHash('sha256');
  const head: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    if (bytes < headBytes) head.push(chunk.subarray(0, headBytes - bytes));
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest('hex'), head: Buffer.concat(head) };
};

/**
 * Reads an object whole and hashes the bytes themselves, whatever the bucket says of them. Keeps the first `headBytes`
 * and no more in memory; null when there is no such object.
 */
export const digestObject = async (
  bucket: Pick<Bucket, 'get'>,
  key: string,
  headBytes: number,
  signal?: AbortSignal,
): Promise<ObjectDigest | null> => {
  const object = await bucket.get(key, undefined, signal);
  return object === null ? null : digestBody(object.body, headBytes);
};
