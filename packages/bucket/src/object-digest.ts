import { createHash } from 'node:crypto';
import type { Bucket } from './bucket.ts';

/** What reading an object from end to end found: its size, the SHA-256 of its bytes in hex, and its first bytes. */
export type ObjectDigest = { bytes: number; sha256: string; head: Buffer };

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
  if (object === null) return null;
  const hash = createHash('sha256');
  const head: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of object.body as AsyncIterable<Buffer>) {
    if (bytes < headBytes) head.push(chunk.subarray(0, headBytes - bytes));
    bytes += chunk.length;
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest('hex'), head: Buffer.concat(head) };
};
