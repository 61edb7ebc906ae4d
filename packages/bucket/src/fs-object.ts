import type { Readable } from 'node:stream';
import type { Bucket, ByteRange, ObjectBody, ObjectHead } from './bucket.ts';
import { BucketError } from './bucket-error.ts';
import { type FsGrant, type FsObjectRequest, verifyFsSignature } from './fs-signature.ts';
import { checkKey } from './object-key.ts';
import { base64OfHex } from './s3-presign.ts';

/** An HTTP answer; with `problem` the route makes a problem document of it, `code` being the stable code. */
export type FsObjectAnswer = {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body?: Readable;
  readonly problem?: { readonly code: string; readonly detail: string };
};

const refusal = (status: number, code: string, detail: string): FsObjectAnswer => ({
  status,
  headers: {},
  problem: { code, detail },
});

const refusals = {
  malformed: refusal(403, 'signature_refused', 'the URL has no signature; ask for one by POST /api/storage/presign'),
  bad_signature: refusal(403, 'signature_refused', 'URL, method or signed headers are not those that were signed'),
  expired: refusal(403, 'url_expired', "the URL's time is over; ask for a fresh one"),
} as const;

/** The range a header asks for; `undefined` for what RFC 9110 §14.2 lets a server ignore. */
const rangeOf = (header: string | string[] | undefined, bytes: number): ByteRange | undefined => {
  const match = /^bytes=(\d*)-(\d*)$/.exec(typeof header === 'string' ? header : '');
  if (match === null) return undefined;
  const [, first, last] = match;
  if (first === '' && last === '') return undefined;
  if (first === '') return { start: Math.max(0, bytes - Number(last)) };
  return { start: Number(first), ...(last === '' ? {} : { end: Number(last) }) };
};

const headersOf = (found: ObjectHead): Record<string, string> => ({
  'content-type': found.type,
  'accept-ranges': 'bytes',
  ...(found.etag === undefined ? {} : { etag: found.etag }),
  ...(found.lastModified === undefined ? {} : { 'last-modified': found.lastModified.toUTCString() }),
  ...(found.sha256 === undefined ? {} : { 'x-amz-meta-sha256': found.sha256 }),
});

const answerPut = async (
  bucket: Bucket,
  grant: FsGrant,
  body: Readable,
  signal?: AbortSignal,
): Promise<FsObjectAnswer> => {
  const { sha256, bytes, type } = grant;
  if (sha256 === undefined || bytes === undefined || type === undefined) {
    return refusal(400, 'hash_missing', 'a PUT needs a URL signed with sha256, length and type');
  }
  const result = await bucket.put(grant.key, body, { sha256, bytes, type, createOnly: grant.createOnly }, signal);
  if (result === 'stored') return { status: 200, headers: { 'x-amz-checksum-sha256': base64OfHex(sha256) } };
  return refusal(412, 'object_exists', `${grant.key} is there already and the URL was signed to create only`);
};

const answerGet = async (bucket: Bucket, request: FsObjectRequest, signal?: AbortSignal): Promise<FsObjectAnswer> => {
  const whole = await bucket.get(request.key, undefined, signal);
  if (whole === null) return refusal(404, 'object_not_found', `${request.key} is not there`);
  const range = rangeOf(request.headers.range, whole.bytes);
  if (range === undefined) return bodyAnswer(whole);
  whole.body.destroy();
  const part = await bucket.get(request.key, range, signal);
  return part === null ? refusal(404, 'object_not_found', `${request.key} is not there`) : bodyAnswer(part);
};

const bodyAnswer = (found: ObjectBody): FsObjectAnswer => {
  const { range, bytes, body } = found;
  const headers = headersOf(found);
  if (range === undefined) return { status: 200, headers: { ...headers, 'content-length': String(bytes) }, body };
  const length = { 'content-length': String(range.end - range.start + 1) };
  const place = { 'content-range': `bytes ${range.start}-${range.end}/${bytes}` };
  return { status: 206, headers: { ...headers, ...length, ...place }, body };
};

const answerHead = async (bucket: Bucket, key: string, signal?: AbortSignal): Promise<FsObjectAnswer> => {
  const found = await bucket.head(key, signal);
  if (found === null) return { status: 404, headers: {} };
  return { status: 200, headers: { ...headersOf(found), 'content-length': String(found.bytes) } };
};

const answerError = (error: unknown): FsObjectAnswer => {
  if (!(error instanceof BucketError)) throw error;
  if (error.class === 'digest') return refusal(400, 'digest_mismatch', error.message);
  if (error.class === 'invalid_path') return refusal(400, 'invalid_path', error.message);
  if (error.class === 'range') return refusal(416, 'range_not_satisfiable', error.message);
  return refusal(503, 'storage_unavailable', error.message);
};

/**
 * Answers a request to `/api/storage/object/<key>`, whose permission is in its URL (`presign` of a file-system
 * bucket). `request.key` is decoded already; `body` is that of a PUT. Errors of storage become answers.
 */
export const answerFsObject = async (
  request: FsObjectRequest & { readonly body: Readable },
  deps: { readonly bucket: Bucket; readonly secret: Buffer; readonly now: () => number },
  signal?: AbortSignal,
): Promise<FsObjectAnswer> => {
  const verdict = verifyFsSignature(request, deps.secret, deps.now());
  if (!verdict.ok) return refusals[verdict.reason];
  try {
    checkKey(request.key);
    if (request.method === 'PUT') return await answerPut(deps.bucket, verdict.grant, request.body, signal);
    if (request.method === 'GET') return await answerGet(deps.bucket, request, signal);
    if (request.method === 'HEAD') return await answerHead(deps.bucket, request.key, signal);
    return refusal(405, 'method_not_allowed', `${request.method} is not one of PUT, GET, HEAD`);
  } catch (error) {
    return answerError(error);
  }
};
