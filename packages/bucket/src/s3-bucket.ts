import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Bucket, ByteRange, ListOptions, ObjectBody, ObjectHead } from './bucket.ts';
import { BucketError } from './bucket-error.ts';
import { checkKey, checkPrefix, rootPrefix } from './object-key.ts';
import { clientConfig, type S3Config, sendOptions } from './s3-client.ts';
import { answerFailure, s3Failure } from './s3-failure.ts';
import { presignS3 } from './s3-presign.ts';
import { type Guard, s3Put } from './s3-put.ts';
import { type S3PutAnswer, signedPut } from './s3-signed-put.ts';

export type S3BucketDeps = {
  readonly now: () => number;
  /** A connection on which nothing moves for so long is given up as `network`; default 60,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Told once when the bucket turns out not to take `If-None-Match` or checksum headers; puts go on without. */
  readonly onUnsupported?: ((header: string) => void) | undefined;
};

const hexOfBase64 = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');

const headOf = (output: HeadObjectCommandOutput | GetObjectCommandOutput): ObjectHead => {
  const sha256 = output.Metadata?.sha256 ?? (output.ChecksumSHA256 && hexOfBase64(output.ChecksumSHA256));
  const total = output.ContentRange?.split('/')[1];
  return {
    bytes: total === undefined ? (output.ContentLength ?? 0) : Number(total),
    type: output.ContentType ?? 'application/octet-stream',
    ...(sha256 === undefined || sha256 === '' ? {} : { sha256 }),
    ...(output.ETag === undefined ? {} : { etag: output.ETag }),
    ...(output.LastModified === undefined ? {} : { lastModified: output.LastModified }),
  };
};

const rangeOf = (contentRange: string | undefined): { range?: { start: number; end: number } } => {
  const match = /^bytes (\d+)-(\d+)\//.exec(contentRange ?? '');
  return match === null ? {} : { range: { start: Number(match[1]), end: Number(match[2]) } };
};

/** An answer to HEAD has no body, so a missing bucket has no code there. */
const nameMissing = (error: { $metadata?: { httpStatusCode?: number } }): never => {
  throw Object.assign(error, error.$metadata?.httpStatusCode === 404 ? { Code: 'NoSuchBucket' } : {});
};

/** A bucket of S3 or a compatible service. Nothing is asked of it before the first call. */
export const openS3Bucket = (
  config: S3Config,
  { now, idleTimeoutMs = 60_000, onUnsupported }: S3BucketDeps,
): Bucket => {
  const prefix = rootPrefix(config.root ?? '/');
  const shared = clientConfig(config, idleTimeoutMs);
  const reader = new S3Client({ ...shared, maxAttempts: 3 });
  // Puts are repeated by the uploader alone, which then also sees every failure and keeps its own pace.
  const writer = new S3Client({ ...shared, maxAttempts: 1 });
  const place = {
    bucket: config.bucket,
    where: config.endpoint ?? `AWS region ${config.region ?? 'of the environment'}`,
    accessKeyId: config.access_key_id,
  };
  const fullKey = (key: string): string => prefix + checkKey(key);
  const inputOf = (key: string) => ({ Bucket: config.bucket, Key: fullKey(key) });
  const guard: Guard = async (doing, action, signal) => {
    try {
      return await action();
    } catch (error) {
      signal?.throwIfAborted();
      throw s3Failure(error, doing, place, now());
    }
  };
  const unlessMissing = async <T>(doing: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T | null> => {
    try {
      return await guard(doing, action, signal);
    } catch (error) {
      if (error instanceof BucketError && error.status === 404 && error.class !== 'missing_bucket') return null;
      throw error;
    }
  };

  const head = (key: string, signal?: AbortSignal): Promise<ObjectHead | null> => {
    const command = new HeadObjectCommand({ ...inputOf(key), ChecksumMode: 'ENABLED' });
    return unlessMissing(`HEAD ${key}`, async () => headOf(await reader.send(command, sendOptions(signal))), signal);
  };

  const failed = (answer: S3PutAnswer, doing: string) => answerFailure(answer, doing, place, now());
  const put = s3Put({ send: signedPut(writer, config.bucket), fullKey, failed, guard, head, onUnsupported });

  const get = (key: string, range?: ByteRange, signal?: AbortSignal): Promise<ObjectBody | null> => {
    const wanted = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end ?? ''}` };
    const command = new GetObjectCommand({ ...inputOf(key), ...wanted });
    const answer = async (): Promise<ObjectBody> => {
      const output = await reader.send(command, sendOptions(signal));
      return { ...headOf(output), ...rangeOf(output.ContentRange), body: output.Body as Readable };
    };
    return unlessMissing(`GET ${key}`, answer, signal);
  };

  const list = async function* (wanted: string, { startAfter, signal }: ListOptions = {}) {
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: config.bucket,
        Prefix: prefix + checkPrefix(wanted),
        ...(token === undefined ? {} : { ContinuationToken: token }),
        ...(startAfter === undefined || token !== undefined ? {} : { StartAfter: prefix + startAfter }),
      });
      const page = await guard(`list ${wanted}`, () => reader.send(command, sendOptions(signal)), signal);
      for (const { Key, Size } of page.Contents ?? []) {
        if (Key !== undefined) yield { key: Key.slice(prefix.length), bytes: Size ?? 0 };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  };

  return {
    put,
    get,
    head,
    list,
    delete: async (key) => {
      const command = new DeleteObjectCommand(inputOf(key));
      await guard(`DELETE ${key}`, () => reader.send(command));
    },
    presign: (request) => guard('presign', () => presignS3(reader, request, inputOf(request.key), now())),
    check: async () => {
      await guard('start check', () =>
        reader.send(new HeadBucketCommand({ Bucket: config.bucket })).catch(nameMissing),
      );
    },
    [Symbol.asyncDispose]: async () => {
      reader.destroy();
      writer.destroy();
    },
  };
};
