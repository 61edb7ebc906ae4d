/**
 * What makes an answer to a PUT the bucket's own. A captive portal or a proxy on the way answers 200 to anything, so a
 * status alone confirms nothing: the answer must name the bytes, by the checksum the bucket has computed or by an ETag
 * that is their MD5 (what S3 and compatible services give, unless an object is encrypted with a key of its own).
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ObjectHead, ObjectMeta, ObjectSource } from './bucket.ts';
import { BucketError } from './bucket-error.ts';
import { base64OfHex } from './s3-presign.ts';
import { openSource } from './source-stream.ts';

/** The MD5 of exactly `bytes` bytes of a source that can be read again, in hex. */
export const md5Of = async (source: Exclude<ObjectSource, Readable>, bytes: number): Promise<string> => {
  const hash = createHash('md5');
  for await (const chunk of openSource(source, bytes) as AsyncIterable<Uint8Array>) hash.update(chunk);
  return hash.digest('hex');
};

/** What an answer to a PUT says of the bytes; `sha256` is in base64, as S3 gives it. */
export type PutAnswer = { readonly sha256?: string | null | undefined; readonly etag?: string | null | undefined };

/** True when the answer to a PUT names the bytes that were sent. A stream cannot be read again for its MD5. */
export const namesBytes = async (
  answer: PutAnswer,
  source: ObjectSource,
  { sha256, bytes }: Pick<ObjectMeta, 'sha256' | 'bytes'>,
): Promise<boolean> => {
  if (answer.sha256 === base64OfHex(sha256)) return true;
  const md5 = /^"?([0-9a-f]{32})"?$/i.exec(answer.etag ?? '')?.[1]?.toLowerCase();
  if (md5 === undefined || source instanceof Readable) return false;
  return md5 === (await md5Of(source, bytes));
};

/** A PUT that was answered with success by something that is not the bucket. */
export const unconfirmed = (doing: string): BucketError =>
  new BucketError(
    'network',
    `${doing}: answered with success, but what was sent is not there; does a proxy or a captive portal answer on the way?`,
  );

/** Throws `network` for an answer to HEAD that no bucket gives: without an ETag, or a page. */
export const refuseForeignHead = (found: ObjectHead | null, doing: string): void => {
  if (found === null || (found.etag !== undefined && !found.type.startsWith('text/html'))) return;
  throw new BucketError(
    'network',
    `${doing}: the answer is no bucket's; does a proxy or a captive portal answer on the way?`,
  );
};
