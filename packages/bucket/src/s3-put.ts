import { Readable } from 'node:stream';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { type Bucket, isSameObject, type ObjectMeta, type ObjectSource, type PutResult } from './bucket.ts';
import { BucketError, type BucketErrorClass } from './bucket-error.ts';
import { namesBytes, refuseForeignHead, unconfirmed } from './put-confirmation.ts';
import { sendOptions } from './s3-client.ts';
import { base64OfHex } from './s3-presign.ts';
import { openSource } from './source-stream.ts';

/** Runs an action and throws its failure as a `BucketError` that says what was being done. */
export type Guard = <T>(doing: string, action: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

type Needs = {
  readonly writer: S3Client;
  readonly inputOf: (key: string) => { Bucket: string; Key: string };
  readonly guard: Guard;
  readonly head: Bucket['head'];
  readonly onUnsupported: ((header: string) => void) | undefined;
};

const isOfClass = (error: unknown, errorClass: BucketErrorClass): boolean =>
  error instanceof BucketError && error.class === errorClass;

/** The headers beyond plain S3 that a bucket is believed to take. */
type Abilities = { ifNoneMatch: boolean; checksum: boolean };

const putCommand = (
  input: { Bucket: string; Key: string },
  body: Readable | Uint8Array,
  meta: ObjectMeta,
  { ifNoneMatch, checksum }: Abilities,
): PutObjectCommand => {
  const command = new PutObjectCommand({
    ...input,
    Body: body,
    ContentLength: meta.bytes,
    ContentType: meta.type,
    Metadata: { sha256: meta.sha256 },
    ...(checksum ? { ChecksumSHA256: base64OfHex(meta.sha256) } : {}),
    ...(meta.createOnly && ifNoneMatch ? { IfNoneMatch: '*' } : {}),
  });
  // The payload's hash is part of the signature, so even a service that knows no checksum headers checks the bytes.
  command.middlewareStack.add(
    (next) => async (args) => {
      (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = meta.sha256;
      return next(args);
    },
    { step: 'build', name: 'signedPayload' },
  );
  return command;
};

/**
 * `put` of a bucket of S3. Services that answer 501 to `If-None-Match` or to a checksum header are met without it from
 * then on: the first is replaced by a HEAD, of the second the signed payload hash remains.
 */
export const s3Put = ({ writer, inputOf, guard, head, onUnsupported }: Needs): Bucket['put'] => {
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

  const putOnce = async (
    key: string,
    source: ObjectSource,
    meta: ObjectMeta,
    signal?: AbortSignal,
  ): Promise<PutResult> => {
    const before = meta.createOnly && !abilities.ifNoneMatch ? await compare(key, meta, signal) : null;
    if (before !== null) return before;
    const body = source instanceof Uint8Array ? source : openSource(source, meta.bytes);
    const command = putCommand(inputOf(key), body, meta, abilities);
    try {
      const answer = await guard(`PUT ${key}`, () => writer.send(command, sendOptions(signal)), signal);
      if (await namesBytes({ sha256: answer.ChecksumSHA256, etag: answer.ETag }, source, meta)) return 'stored';
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
