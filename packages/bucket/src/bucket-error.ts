/**
 * Why object storage said no; the class decides what the caller does.
 *
 * | class | what it is | what to do |
 * | --- | --- | --- |
 * | `network` | no answer: unreachable, reset, timed out | retry with backoff |
 * | `server` | 5xx | retry with backoff |
 * | `throttled` | 429, 503 SlowDown | retry after `retryAfterMs` |
 * | `conflict` | the bucket's 409: another write of the key was under way | retry |
 * | `expired` | the presigned URL's time is over | retry with a fresh URL |
 * | `skew` | the clock of whoever signed is off by minutes | retry with a fresh URL; correct the clock |
 * | `digest` | the bytes are not those that were announced | hash the file again |
 * | `precondition` | 412 | HEAD settles it |
 * | `forbidden` | credentials or signature refused | correct the configuration |
 * | `missing_bucket` | no such bucket or root directory | correct the configuration |
 * | `config` | configuration that cannot work | correct the configuration |
 * | `invalid_path` | a key that could leave the root, or that no bucket takes | the caller's mistake |
 * | `range` | a range beyond the object's end | the caller's mistake |
 * | `unsupported` | 501: the bucket does not take a header, `If-None-Match` or a checksum | put without it, HEAD first |
 * | `refused` | any other 3xx or 4xx | not retried |
 */
export type BucketErrorClass =
  | 'network'
  | 'server'
  | 'throttled'
  | 'conflict'
  | 'expired'
  | 'skew'
  | 'digest'
  | 'precondition'
  | 'forbidden'
  | 'missing_bucket'
  | 'config'
  | 'invalid_path'
  | 'range'
  | 'unsupported'
  | 'refused';

type Details = { status?: number | undefined; retryAfterMs?: number | undefined; cause?: unknown };

/** A failure of object storage; its message never holds a URL's query, for a presigned one is a permission. */
export class BucketError extends Error {
  override readonly name = 'BucketError';
  readonly class: BucketErrorClass;
  readonly status?: number;
  readonly retryAfterMs?: number;

  constructor(errorClass: BucketErrorClass, message: string, details: Details = {}) {
    super(redactQueries(message), details.cause === undefined ? {} : { cause: details.cause });
    this.class = errorClass;
    if (details.status !== undefined) this.status = details.status;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
  }
}

/** The text with the query of every URL in it replaced by `…`. */
export const redactQueries = (text: string): string =>
  text.replace(/(https?:\/\/[^\s?"'<>]*)\?(?:[^\s"'<>]*[^\s"'<>:,.;)])?/g, '$1?…');

const classesByCode: Record<string, BucketErrorClass> = {
  SlowDown: 'throttled',
  Throttling: 'throttled',
  ThrottlingException: 'throttled',
  TooManyRequests: 'throttled',
  RequestTimeTooSkewed: 'skew',
  RequestExpired: 'expired',
  ExpiredToken: 'forbidden',
  NoSuchBucket: 'missing_bucket',
  BadDigest: 'digest',
  XAmzContentSHA256Mismatch: 'digest',
  XAmzContentChecksumMismatch: 'digest',
  // Wrong region, in what S3 calls it: the redirect, or the signature's scope.
  PermanentRedirect: 'config',
  AuthorizationHeaderMalformed: 'config',
  AuthorizationQueryParametersError: 'config',
  InvalidRange: 'range',
  PreconditionFailed: 'precondition',
  RequestTimeout: 'network',
  IncompleteBody: 'network',
  // Some services answer these with 400: they are of the account or the bucket, not of the object.
  InvalidToken: 'forbidden',
  TokenRefreshRequired: 'forbidden',
  QuotaExceeded: 'forbidden',
  XMinioAdminBucketQuotaExceeded: 'forbidden',
  XMinioStorageFull: 'server',
  'KMS.DisabledException': 'config',
  'KMS.NotFoundException': 'config',
  'KMS.InvalidStateException': 'config',
};

/**
 * The class of a storage service's answer, by its error code where it has one, else by its status.
 * S3 tells an expired URL only by the message of an `AccessDenied`.
 */
export const classifyAnswer = (status: number, code = '', message = ''): BucketErrorClass => {
  const byCode = classesByCode[code];
  if (byCode !== undefined) return byCode;
  if (status === 403) return /expired/i.test(message) ? 'expired' : 'forbidden';
  if (status === 401) return 'forbidden';
  if (status === 409) return 'conflict';
  if (status === 412) return 'precondition';
  if (status === 416) return 'range';
  if (status === 408) return 'network';
  if (status === 429) return 'throttled';
  if (status === 501) return 'unsupported';
  return status >= 500 ? 'server' : 'refused';
};

/** Milliseconds to wait by a `Retry-After` header, in seconds or as an HTTP date (RFC 9110 §10.2.3). */
export const retryAfterMs = (header: string | null | undefined, nowMs: number): number | undefined => {
  if (header === null || header === undefined || header === '') return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
};
