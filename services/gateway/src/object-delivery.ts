import type { Readable } from 'node:stream';
import type { Bucket, ObjectHead } from '@weir/bucket';
import { decodeObjectName, mediaType, type ObjectName } from '@weir/contracts';
import { WeirError } from '@weir/runtime';
import { matchesTag, parseRange, resolveRange } from './byte-range.ts';
import { withBucket } from './storage-failure.ts';

/** A request for an object of a recording; `key` is checked already. */
export type ObjectRequest = {
  method: 'GET' | 'HEAD';
  key: string;
  range?: string | undefined;
  ifRange?: string | undefined;
  ifNoneMatch?: string | undefined;
};

/** An answer as it goes over the wire. */
export type ObjectAnswer = { status: number; headers: Record<string, string>; body: Readable | null };

const absent = (key: string) => new WeirError('object_not_found', `no object ${key}: it may not be uploaded yet`);

// What has a number never changes; a manifest grows, and record.json may be put again.
const cacheControlOf = ({ kind }: ObjectName): string =>
  kind === 'segment' || kind === 'init' ? 'private, max-age=31536000, immutable' : 'private, no-cache';

const headersOf = (name: ObjectName, head: ObjectHead): Record<string, string> => {
  const etag = head.etag ?? (head.sha256 === undefined ? undefined : `"${head.sha256}"`);
  return {
    'content-type': mediaType(name),
    'accept-ranges': 'bytes',
    'cache-control': cacheControlOf(name),
    ...(etag === undefined ? {} : { etag }),
    ...(head.lastModified === undefined ? {} : { 'last-modified': head.lastModified.toUTCString() }),
  };
};

/** The answer that needs no bytes of the object: it is absent, unchanged, only its head is asked for, or its range is wrong. */
const answerByHead = (request: ObjectRequest, name: ObjectName, head: ObjectHead): ObjectAnswer | null => {
  const headers = headersOf(name, head);
  if (headers.etag !== undefined && matchesTag(request.ifNoneMatch, headers.etag))
    return { status: 304, headers, body: null };
  if (request.method === 'HEAD')
    return { status: 200, headers: { ...headers, 'content-length': String(head.bytes) }, body: null };
  return null;
};

const unsatisfiable = (request: ObjectRequest, bytes: number) =>
  new WeirError('range_not_satisfiable', `range ${request.range} of ${request.key}, which has ${bytes} bytes`, {
    headers: { 'content-range': `bytes */${bytes}` },
  });

const answerRange = async (
  bucket: Bucket,
  request: ObjectRequest,
  name: ObjectName,
  head: ObjectHead,
  signal: AbortSignal,
) => {
  const { etag } = headersOf(name, head);
  const wish = parseRange(request.range);
  // If-Range wants a strong match (RFC 9110 §13.1.5): otherwise the whole object is sent.
  if (wish.kind === 'whole' || (request.ifRange !== undefined && request.ifRange !== etag)) return null;
  const range = wish.kind === 'invalid' ? null : resolveRange(wish, head.bytes);
  if (range === null) throw unsatisfiable(request, head.bytes);
  const found = await withBucket(bucket.get(request.key, range, signal));
  if (found === null) throw absent(request.key);
  const headers = {
    ...headersOf(name, found),
    'content-length': String(range.end - range.start + 1),
    'content-range': `bytes ${range.start}-${range.end}/${found.bytes}`,
  };
  return { status: 206, headers, body: found.body };
};

/** Answers a request for an object from the bucket: whole, one range, head or not modified (RFC 9110 §13 and §14). */
export const deliverObject = async (
  bucket: Bucket,
  request: ObjectRequest,
  signal: AbortSignal,
): Promise<ObjectAnswer> => {
  const name = decodeObjectName(request.key.slice(request.key.lastIndexOf('/') + 1));
  if (name === null) throw absent(request.key);
  // The common request, a whole object, costs the bucket one call.
  if (request.method === 'HEAD' || request.range !== undefined || request.ifNoneMatch !== undefined) {
    const head = await withBucket(bucket.head(request.key, signal));
    if (head === null) throw absent(request.key);
    const answer = answerByHead(request, name, head) ?? (await answerRange(bucket, request, name, head, signal));
    if (answer !== null) return answer;
  }
  const found = await withBucket(bucket.get(request.key, undefined, signal));
  if (found === null) throw absent(request.key);
  return {
    status: 200,
    headers: { ...headersOf(name, found), 'content-length': String(found.bytes) },
    body: found.body,
  };
};
