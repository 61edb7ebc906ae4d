import { Readable } from 'node:stream';
import { type Bucket, isSameObject, type ObjectMeta, type ObjectSource, type PutResult } from './bucket.ts';
import { BucketError, type BucketErrorClass } from './bucket-error.ts';
import { namesBytes, refuseForeignHead, unconfirmed } from './put-confirmation.ts';
import { base64OfHex } from './s3-presign.ts';
import type { S3PutAnswer, SignedPut } from './s3-signed-put.ts';
import { openSource } from './source-stream.ts';

/** Runs an action and throws its failure as a `BucketError` that says what was being done. */
export type Guard = <T>(doing: string, action: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

type Needs = {
  readonly send: SignedPut;
  /** The whole key of one below the root; throws of one that no bucket takes. */
  readonly fullKey: (key: string) => string;
  readonly failed: (answer: S3PutAnswer, doing: string) => BucketError;
  readonly guard: Guard;
  readonly head: Bucket['head'];
  readonly onUnsupported: ((header: string) => void) | undefined;
};

const isOfClass = (error: unknown, errorClass: BucketErrorClass): boolean =>
  error instanceof BucketError && error.class === errorClass;

/** The headers beyond plain S3 that a bucket is believed to take. */
type Abilities = { ifNoneMatch: boolean; checksum: boolean };

/** The payload's hash is part of the signature, so even a service that knows no checksum headers checks the bytes. */
const headersOf = (meta: ObjectMeta, { ifNoneMatch, checksum }: Abilities): Record<string, string> => ({
  'content-length': String(meta.bytes),
  'content-type': meta.type,
  'x-amz-content-sha256': meta.sha256,
  'x-amz-meta-sha256': meta.sha256,
  ...(checksum ? { 'x-amz-checksum-sha256': base64OfHex(meta.sha256) } : {}),
  ...(meta.createOnly && ifNoneMatch ? { 'if-none-match': '*' } : {}),
});

/**
 * `put` of a bucket of S3. Services that answer 501 to `If-None-Match` or to a checksum header are met without it from
 * then on: the first is replaced by a HEAD, of the second the signed payload hash remains.
 */
export const s3Put = ({ send, fullKey, failed, guard, head, onUnsupported }: Needs): Bucket['put'] => {
  const abilities: Abilities = { ifNoneMatch: true, checksum: true };

  const compare = async (key: string, meta: ObjectMeta, signal?: AbortSignal): Promise<PutResult | null> => {
    const found = await head(key, signal);
    if (found === null) return null;
    refuseForeignHead(found, `HEAD ${key}`);
    return isSameObject(found, meta) ? 'exists-same' : 'exists-different';
  };

  /** What became of a put whose answer names no bytes. Their hash was signed: what has our metadata has our bytes. */
  const settle = async (key: string, meta: ObjectMeta, signal?: AbortSignal): Promise<PutResult> => {
    const found = await compare(key, meta, signal);
    if (found === 'exists-same') return 'stored';
    // Swift answers so to the slower of two puts at once, and keeps the other's object.
    if (found !== null && meta.createOnly) return found;
    throw unconfirmed(`PUT ${key}`);
  };

  const ask: SignedPut = async (key, headers, body, signal) => {
    const doing = `PUT ${key}`;
    const answer = await guard(doing, () => send(fullKey(key), headers, body, signal), signal);
    if (answer.status >= 300) throw failed(answer, doing);
    return answer;
  };

  const putOnce = async (
    key: string,
    source: ObjectSource,
    meta: ObjectMeta,
    signal?: AbortSignal,
  ): Promise<PutResult> => {
    const before = meta.createOnly && !abilities.ifNoneMatch ? await compare(key, meta, signal) : null;
    if (before !== null) return before;
    const body = source instanceof Uint8Array ? source : openSource(source, meta.bytes);
    try {
      const answer = await ask(key, headersOf(meta, abilities), body, signal);
      const { 'x-amz-checksum-sha256': sha256, etag } = answer.headers;
      if (await namesBytes({ sha256, etag }, source, meta)) return 'stored';
      return await settle(key, meta, signal);
    } catch (error) {
      const found = isOfClass(error, 'precondition') ? await compare(key, meta, signal) : null;
      if (found !== null) return found;
      throw error;
    } finally {
      if (!(body instanceof Uint8Array)) body.destroy();
    }
  };

  /** Gives up one header a bucket may not know, the likeliest first; `false` when there is none left. */
  const giveUpHeader = (meta: ObjectMeta): boolean => {
    const header = meta.createOnly && abilities.ifNoneMatch ? 'ifNoneMatch' : 'checksum';
    if (!abilities[header]) return false;
    abilities[header] = false;
    onUnsupported?.(header === 'checksum' ? 'x-amz-checksum-sha256' : 'If-None-Match');
    return true;
  };

  return async (key, source, meta, signal) => {
    signal?.throwIfAborted();
    for (;;) {
      const tried = { ...abilities };
      try {
        return await putOnce(key, source, meta, signal);
      } catch (error) {
        if (!isOfClass(error, 'unsupported')) throw error;
        // Another put that was under way at the same time may have found it out already.
        const isKnown = tried.ifNoneMatch !== abilities.ifNoneMatch || tried.checksum !== abilities.checksum;
        if (!isKnown && !giveUpHeader(meta)) throw error;
        // A stream cannot be read twice; the next put knows better.
        if (source instanceof Readable) throw error;
      }
    }
  };
};
