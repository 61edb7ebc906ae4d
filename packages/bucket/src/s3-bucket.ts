import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import {
  type Bucket,
  type ByteRange,
  isSameObject,
  type ListOptions,
  type ObjectBody,
  type ObjectHead,
  type ObjectMeta,
  type ObjectSource,
  type PutResult,
} from './bucket.ts';
import { BucketError } from './bucket-error.ts';
import { checkKey, checkPrefix, rootPrefix } from './object-key.ts';
import { s3Failure } from './s3-failure.ts';
import { base64OfHex, presignS3 } from './s3-presign.ts';
import { openSource } from './source-stream.ts';

/** `[recorder.storage]` of type `s3`, keys as in the file. */
export type S3Config = {
  readonly type: 's3';
  readonly bucket: string;
  readonly root?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly access_key_id?: string | undefined;
  readonly secret_access_key?: string | undefined;
  readonly session_token?: string | undefined;
  readonly disable_config_load?: boolean | undefined;
  readonly enable_virtual_host_style?: boolean | undefined;
};

export type S3BucketDeps = {
  readonly now: () => number;
  /** A connection on which nothing moves for so long is given up as `network`; default 60,000. */
  readonly idleTimeoutMs?: number | undefined;
};

const connectTimeoutMs = 10_000;

const credentialsOf = (config: S3Config): S3ClientConfig['credentials'] => {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = config;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  }
  if (accessKeyId !== undefined || secretAccessKey !== undefined || config.disable_config_load === true) {
    throw new BucketError(
      'config',
      `storage of type s3, bucket "${config.bucket}": access_key_id and secret_access_key are needed together${
        config.disable_config_load === true ? ', since disable_config_load is true' : ''
      }; give both, or neither to take them from the environment, ~/.aws or the instance role`,
    );
  }
  return undefined;
};

const clientConfig = (config: S3Config, idleTimeoutMs: number): S3ClientConfig => {
  const credentials = credentialsOf(config);
  // A region is part of every signature; S3-compatible services mostly take any, AWS's own come from the environment.
  const fallback = config.endpoint !== undefined || config.disable_config_load === true ? 'us-east-1' : undefined;
  const region = config.region ?? fallback;
  return {
    ...(credentials === undefined ? {} : { credentials }),
    ...(region === undefined ? {} : { region }),
    ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
    forcePathStyle: config.enable_virtual_host_style !== true,
    // We give the checksum ourselves. The SDK's own (CRC-32 in an aws-chunked trailer) is refused by many services.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      httpAgent: { keepAlive: true, maxSockets: 64 },
      httpsAgent: { keepAlive: true, maxSockets: 64 },
    },
  };
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

const putCommand = (
  input: { Bucket: string; Key: string },
  body: Readable | Uint8Array,
  meta: ObjectMeta,
): PutObjectCommand => {
  const command = new PutObjectCommand({
    ...input,
    Body: body,
    ContentLength: meta.bytes,
    ContentType: meta.type,
    ChecksumSHA256: base64OfHex(meta.sha256),
    Metadata: { sha256: meta.sha256 },
    ...(meta.createOnly ? { IfNoneMatch: '*' } : {}),
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

/** A bucket of S3 or a compatible service. Nothing is asked of it before the first call. */
export const openS3Bucket = (config: S3Config, { now, idleTimeoutMs = 60_000 }: S3BucketDeps): Bucket => {
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
  const inputOf = (key: string) => ({ Bucket: config.bucket, Key: prefix + checkKey(key) });
  const guard = async <T>(doing: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      signal?.throwIfAborted();
      throw s3Failure(error, doing, place, now());
    }
  };
  const options = (signal?: AbortSignal) => (signal === undefined ? {} : { abortSignal: signal });
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
    return unlessMissing(`HEAD ${key}`, async () => headOf(await reader.send(command, options(signal))), signal);
  };

  const put = async (key: string, source: ObjectSource, meta: ObjectMeta, signal?: AbortSignal): Promise<PutResult> => {
    const input = inputOf(key);
    signal?.throwIfAborted();
    const body = source instanceof Uint8Array ? source : openSource(source, meta.bytes);
    try {
      await guard(`PUT ${key}`, () => writer.send(putCommand(input, body, meta), options(signal)), signal);
      return 'stored';
    } catch (error) {
      if (!(error instanceof BucketError) || error.class !== 'precondition') throw error;
    } finally {
      if (!(body instanceof Uint8Array)) body.destroy();
    }
    const found = await head(key, signal);
    return isSameObject(found, meta) ? 'exists-same' : 'exists-different';
  };

  const get = (key: string, range?: ByteRange, signal?: AbortSignal): Promise<ObjectBody | null> => {
    const wanted = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end ?? ''}` };
    const command = new GetObjectCommand({ ...inputOf(key), ...wanted });
    const answer = async (): Promise<ObjectBody> => {
      const output = await reader.send(command, options(signal));
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
      const page = await guard(`list ${wanted}`, () => reader.send(command, options(signal)), signal);
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
      await guard('start check', () => reader.send(new HeadBucketCommand({ Bucket: config.bucket })));
    },
    [Symbol.asyncDispose]: async () => {
      reader.destroy();
      writer.destroy();
    },
  };
};
