import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Presigned, PresignRequest } from './bucket.ts';
import { BucketError } from './bucket-error.ts';

/**
 * Presigned URLs of a file-system bucket, in the shape of S3's: the permission stands in the query
 * (`expires` in Unix seconds, `signed` with the names of the signed headers, `signature`), the headers that were
 * signed must be sent as they are. The signature is HMAC-SHA256 over method, key, expiry and those headers.
 */
const route = '/api/storage/object/';

/** What the holder of a valid URL may do; of a PUT all of `sha256`, `bytes` and `type` are there when they were signed. */
export type FsGrant = {
  readonly method: string;
  readonly key: string;
  readonly sha256?: string;
  readonly bytes?: number;
  readonly type?: string;
  readonly createOnly: boolean;
};

export type FsVerdict =
  | { readonly ok: true; readonly grant: FsGrant }
  | { readonly ok: false; readonly reason: 'malformed' | 'expired' | 'bad_signature' };

/** A request to the route of presigned objects: the key is already decoded, header names are in lower case. */
export type FsObjectRequest = {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
};

const signableHeaders = ['content-length', 'content-type', 'if-none-match', 'x-amz-meta-sha256'];

const signatureOf = (
  secret: Buffer,
  method: string,
  key: string,
  expires: string,
  headers: ReadonlyArray<readonly [string, string]>,
): Buffer =>
  createHmac('sha256', secret)
    .update(JSON.stringify(['weir-object-1', method, key, expires, headers]))
    .digest();

const headersOf = (request: PresignRequest): Record<string, string> => ({
  ...(request.length === undefined ? {} : { 'content-length': String(request.length) }),
  ...(request.type === undefined ? {} : { 'content-type': request.type }),
  ...(request.createOnly === true ? { 'if-none-match': '*' } : {}),
  ...(request.sha256 === undefined ? {} : { 'x-amz-meta-sha256': request.sha256 }),
});

/** A URL below `baseUrl` that permits one method on one key until `nowMs` plus the request's time to live. */
export const presignFs = (
  request: PresignRequest,
  signing: { readonly secret: Buffer; readonly baseUrl: string },
  nowMs: number,
): Presigned => {
  if (!(request.ttlSeconds > 0))
    throw new BucketError('refused', `ttl is ${request.ttlSeconds} s, expected more than 0`);
  const headers = headersOf(request);
  const expires = String(Math.floor(nowMs / 1000 + request.ttlSeconds));
  const signature = signatureOf(signing.secret, request.method, request.key, expires, Object.entries(headers));
  const path = request.key.split('/').map(encodeURIComponent).join('/');
  const query = new URLSearchParams({
    expires,
    ...(Object.keys(headers).length === 0 ? {} : { signed: Object.keys(headers).join(' ') }),
    signature: signature.toString('base64url'),
  });
  return { url: `${signing.baseUrl.replace(/\/$/, '')}${route}${path}?${query}`, headers };
};

const grantOf = (request: FsObjectRequest, headers: ReadonlyMap<string, string>): FsGrant => {
  const [sha256, bytes, type] = ['x-amz-meta-sha256', 'content-length', 'content-type'].map((name) =>
    headers.get(name),
  );
  return {
    method: request.method,
    key: request.key,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(bytes === undefined ? {} : { bytes: Number(bytes) }),
    ...(type === undefined ? {} : { type }),
    createOnly: headers.get('if-none-match') === '*',
  };
};

/** Whether the request carries a permission made by `presignFs` with the same secret, and for what. */
export const verifyFsSignature = (request: FsObjectRequest, secret: Buffer, nowMs: number): FsVerdict => {
  const expires = request.query.get('expires') ?? '';
  const signature = Buffer.from(request.query.get('signature') ?? '', 'base64url');
  const names = (request.query.get('signed') ?? '').split(' ').filter((name) => name !== '');
  if (!/^\d{1,12}$/.test(expires) || signature.length !== 32) return { ok: false, reason: 'malformed' };
  if (names.some((name) => !signableHeaders.includes(name))) return { ok: false, reason: 'malformed' };

  const headers = new Map<string, string>();
  for (const name of names) {
    const value = request.headers[name];
    // A signed header that was left out cannot match what was signed.
    if (typeof value !== 'string') return { ok: false, reason: 'bad_signature' };
    headers.set(name, value);
  }
  const expected = signatureOf(secret, request.method, request.key, expires, [...headers]);
  if (!timingSafeEqual(signature, expected)) return { ok: false, reason: 'bad_signature' };
  if (nowMs >= Number(expires) * 1000) return { ok: false, reason: 'expired' };
  return { ok: true, grant: grantOf(request, headers) };
};
