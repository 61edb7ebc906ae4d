import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Presigned, PresignRequest } from './bucket.ts';

/** S3's checksum headers want base64. */
export const base64OfHex = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

const headersOf = (request: PresignRequest): Record<string, string> => ({
  ...(request.length === undefined ? {} : { 'content-length': String(request.length) }),
  ...(request.type === undefined ? {} : { 'content-type': request.type }),
  ...(request.md5 === undefined ? {} : { 'content-md5': base64OfHex(request.md5) }),
  ...(request.createOnly === true ? { 'if-none-match': '*' } : {}),
  // Where a bucket is given an MD5 it is one that takes no other checksum.
  ...(request.sha256 === undefined || request.md5 !== undefined
    ? {}
    : { 'x-amz-checksum-sha256': base64OfHex(request.sha256) }),
  ...(request.sha256 === undefined ? {} : { 'x-amz-meta-sha256': request.sha256 }),
});

type ObjectName = { readonly Bucket: string; readonly Key: string };

const putCommand = (input: ObjectName, headers: Record<string, string>): PutObjectCommand => {
  const command = new PutObjectCommand(input);
  command.middlewareStack.add(
    (next) => async (args) => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, headers);
      return next(args);
    },
    { step: 'build', name: 'signedHeaders', priority: 'low' },
  );
  return command;
};

const commandOf = (method: PresignRequest['method'], input: ObjectName, headers: Record<string, string>) => {
  if (method === 'GET') return new GetObjectCommand(input);
  return method === 'HEAD' ? new HeadObjectCommand(input) : putCommand(input, headers);
};

/**
 * A presigned URL (Signature Version 4 in the query) whose promises about the object are signed headers. The SDK by
 * itself would move `x-amz-*` headers into the query, where S3 ignores checksums and metadata, and leave
 * `content-type` unsigned.
 */
export const presignS3 = async (
  client: S3Client,
  request: PresignRequest,
  input: ObjectName,
  nowMs: number,
): Promise<Presigned> => {
  const headers = request.method === 'PUT' ? headersOf(request) : {};
  const command = commandOf(request.method, input, headers);
  const names = Object.keys(headers);
  const url = await getSignedUrl(client, command, {
    expiresIn: request.ttlSeconds,
    signingDate: new Date(nowMs + client.config.systemClockOffset),
    unhoistableHeaders: new Set(names),
    signableHeaders: new Set(['host', ...names]),
  });
  return { url, headers };
};
