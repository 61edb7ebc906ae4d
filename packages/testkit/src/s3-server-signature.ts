import { timingSafeEqual } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { S3Refusal } from './s3-server-refusal.ts';

/** Who may sign, and for which region. */
export type S3Identity = {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly sessionToken?: string | undefined;
};

/** A request as it came over the wire: the path still escaped, header names in lower case. */
export type WireRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
};

type Claim = {
  readonly kind: 'header' | 'query';
  readonly credential: string;
  readonly signedHeaders: string[];
  readonly signature: string;
  readonly date: string;
  readonly expiresS?: number;
};

/** How far clocks may differ, and the longest life of a presigned URL, by AWS's rules for Signature Version 4. */
const maxSkewMs = 15 * 60 * 1000;
const maxExpiresS = 7 * 24 * 3600;

const denied = (message: string): S3Refusal => new S3Refusal(403, 'AccessDenied', message);

const dateMs = (date: string): number => {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(date);
  if (match === null) throw denied('AWS authentication requires a valid Date or x-amz-date header');
  const [, year, month, day, hour, minute, second] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
};

const claimOfQuery = (query: URLSearchParams): Claim => {
  const one = (name: string): string => {
    const values = query.getAll(name);
    if (values.length === 1 && values[0] !== undefined && values[0] !== '') return values[0];
    throw new S3Refusal(400, 'AuthorizationQueryParametersError', `Query-string authentication requires one ${name}`);
  };
  if (one('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') {
    throw new S3Refusal(400, 'AuthorizationQueryParametersError', 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"');
  }
  const expiresS = Number(one('X-Amz-Expires'));
  if (!Number.isInteger(expiresS) || expiresS < 1 || expiresS > maxExpiresS) {
    throw new S3Refusal(400, 'AuthorizationQueryParametersError', 'X-Amz-Expires must be between 1 and 604800 seconds');
  }
  return {
    kind: 'query',
    credential: one('X-Amz-Credential'),
    signedHeaders: one('X-Amz-SignedHeaders').split(';'),
    signature: one('X-Amz-Signature'),
    date: one('X-Amz-Date'),
    expiresS,
  };
};

const claimOfHeaders = (headers: WireRequest['headers']): Claim => {
  const match = /^AWS4-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
    headers.authorization ?? '',
  );
  const [, credential, signedHeaders, signature] = match ?? [];
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw new S3Refusal(400, 'AuthorizationHeaderMalformed', 'The authorization header is malformed');
  }
  if (headers['x-amz-content-sha256'] === undefined) {
    throw new S3Refusal(400, 'InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  const date = headers['x-amz-date'] ?? '';
  return { kind: 'header', credential, signedHeaders: signedHeaders.split(';'), signature, date };
};

const checkScope = (claim: Claim, identity: S3Identity): void => {
  const [accessKey, day, region, service, end] = claim.credential.split('/');
  if (accessKey !== identity.accessKey) {
    throw new S3Refusal(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.');
  }
  const code = claim.kind === 'query' ? 'AuthorizationQueryParametersError' : 'AuthorizationHeaderMalformed';
  if (region !== identity.region) {
    throw new S3Refusal(400, code, `the region '${region}' is wrong; expecting '${identity.region}'`);
  }
  if (day !== claim.date.slice(0, 8) || service !== 's3' || end !== 'aws4_request') {
    throw new S3Refusal(400, code, `the credential scope ${claim.credential} is wrong`);
  }
};

const checkTime = (claim: Claim, nowMs: number): void => {
  const signedMs = dateMs(claim.date);
  if (claim.expiresS === undefined) {
    if (Math.abs(nowMs - signedMs) <= maxSkewMs) return;
    throw new S3Refusal(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
    );
  }
  if (signedMs - nowMs > maxSkewMs) throw denied('Request is not valid yet');
  if (nowMs > signedMs + claim.expiresS * 1000) throw denied('Request has expired');
};

const checkSignedHeaders = (claim: Claim, headers: WireRequest['headers']): void => {
  if (!claim.signedHeaders.includes('host')) throw denied('The host header is not signed');
  const unsigned = Object.keys(headers).filter(
    (name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name),
  );
  if (unsigned.length > 0) {
    throw denied(`There were headers present in the request which were not signed: ${unsigned.join(', ')}`);
  }
};

const queryOf = (query: URLSearchParams): Record<string, string | string[]> => {
  const derived = ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature', 'Security-Token'];
  const kept: Record<string, string | string[]> = {};
  for (const name of new Set(query.keys())) {
    if (derived.includes(name.replace(/^X-Amz-/, ''))) continue;
    const values = query.getAll(name);
    kept[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  return kept;
};

/** Signs what was received, with only the headers that the claim names, as its sender must have done. */
const signAgain = async (request: WireRequest, claim: Claim, identity: S3Identity): Promise<string> => {
  const { accessKey: accessKeyId, secretKey: secretAccessKey, sessionToken, region } = identity;
  const signer = new SignatureV4({
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    region,
    service: 's3',
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
  const headers: Record<string, string> = {};
  for (const name of claim.signedHeaders) headers[name] = request.headers[name] ?? '';
  const names = new Set(claim.signedHeaders);
  const bare = { method: request.method, protocol: 'http:', hostname: headers.host ?? '', path: request.path };
  const query = queryOf(request.query);
  if (claim.kind === 'header') {
    const signed = await signer.sign(
      { ...bare, query, headers },
      { signingDate: new Date(dateMs(claim.date)), signableHeaders: names },
    );
    return /Signature=([0-9a-f]+)/.exec(signed.headers.authorization ?? '')?.[1] ?? '';
  }
  // What the sender's signer moved from the headers into the query is moved once more, so the hash of the payload counts.
  const hoisted = 'X-Amz-Content-Sha256';
  const payload = query[hoisted];
  delete query[hoisted];
  if (typeof payload === 'string') headers[hoisted] = payload;
  const signed = await signer.presign(
    // A body that the signer cannot hash stands for UNSIGNED-PAYLOAD.
    { ...bare, query, headers, body: {} },
    {
      signingDate: new Date(dateMs(claim.date)),
      expiresIn: claim.expiresS ?? 0,
      signableHeaders: names,
      unhoistableHeaders: names,
    },
  );
  return String(signed.query?.['X-Amz-Signature'] ?? '');
};

/**
 * Checks Signature Version 4 of a request, in its `Authorization` header or its query, by signing it again with AWS's
 * own signer. Returns which of the two it was; throws `S3Refusal` with the code S3 gives.
 */
export const verifySignature = async (
  request: WireRequest,
  identity: S3Identity,
  nowMs: number,
): Promise<'header' | 'query'> => {
  const inQuery = request.query.has('X-Amz-Signature') || request.query.has('X-Amz-Algorithm');
  if (!inQuery && request.headers.authorization === undefined) throw denied('Access Denied');
  if (inQuery && request.headers.authorization !== undefined) {
    throw new S3Refusal(400, 'InvalidArgument', 'Only one auth mechanism allowed');
  }
  const claim = inQuery ? claimOfQuery(request.query) : claimOfHeaders(request.headers);
  checkScope(claim, identity);
  checkTime(claim, nowMs);
  checkSignedHeaders(claim, request.headers);
  const token = inQuery ? request.query.get('X-Amz-Security-Token') : request.headers['x-amz-security-token'];
  if ((token ?? undefined) !== identity.sessionToken) {
    throw new S3Refusal(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
  const expected = Buffer.from(await signAgain(request, claim, identity));
  const got = Buffer.from(claim.signature);
  if (expected.length === got.length && timingSafeEqual(expected, got)) return claim.kind;
  throw new S3Refusal(
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided.',
  );
};
