import type { LastingSource, ObjectHead, ObjectMeta, Presigned } from './bucket.ts';
import { BucketError, classifyAnswer } from './bucket-error.ts';
import { digestBody, type ObjectDigest } from './object-digest.ts';
import { namesBytes } from './put-confirmation.ts';
import { readRefusal, refusalError, refusalText } from './refusal.ts';
import { sourceBlob } from './source-stream.ts';

/** `fetch`, or what has its shape: the overlay's HTTP client. */
export type FetchLike = (url: string, init: RequestInit) => Promise<Response>;

export type PresignedDeps = { readonly fetch?: FetchLike | undefined; readonly now: () => number };

const codesOfGateway: Record<string, string> = { url_expired: 'RequestExpired', digest_mismatch: 'BadDigest' };

const failureOf = async (method: string, url: string, response: Response, nowMs: number): Promise<BucketError> => {
  const { code, message } = readRefusal(await refusalText(response.body ?? []));
  const { status, headers } = response;
  const errorClass = classifyAnswer(status, codesOfGateway[code] ?? code, message);
  const refusal = { status, code, message, retryAfter: headers.get('retry-after') };
  return refusalError(errorClass, refusal, `${method} ${url}`, nowMs);
};

const send = async (
  { url, headers }: Presigned,
  init: RequestInit,
  { fetch: fetchLike = fetch }: PresignedDeps,
  signal: AbortSignal | undefined,
): Promise<Response> => {
  try {
    // A redirect would leave the host that was signed.
    return await fetchLike(url, { ...init, headers, redirect: 'manual', ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new BucketError('network', `${init.method} ${url}: ${words}; check the URL's host and the network`, {
      cause,
    });
  }
};

/**
 * Puts an object with a URL and headers from `presign`, streamed from disk with its length known. `stored`: the answer
 * names the bytes by checksum or ETag. `unconfirmed`: it says success and names them not; `digestPresigned` settles it.
 * `exists`: something is there already (412); `headPresigned` with a URL signed for HEAD settles whether it is the same.
 * Throws `BucketError`. There is no time-out here: the signal is the caller's.
 */
export const putPresigned = async (
  presigned: Presigned,
  source: LastingSource,
  meta: Pick<ObjectMeta, 'bytes' | 'sha256'>,
  deps: PresignedDeps,
  signal?: AbortSignal,
): Promise<'stored' | 'unconfirmed' | 'exists'> => {
  const body = await sourceBlob(source, meta.bytes);
  const response = await send(presigned, { method: 'PUT', body }, deps, signal);
  if (response.status === 412) {
    await response.body?.cancel();
    return 'exists';
  }
  if (!response.ok) throw await failureOf('PUT', presigned.url, response, deps.now());
  await response.body?.cancel();
  const { headers } = response;
  const answer = { sha256: headers.get('x-amz-checksum-sha256'), etag: headers.get('etag') };
  return (await namesBytes(answer, source, meta)) ? 'stored' : 'unconfirmed';
};

/** What is there, by a URL signed for HEAD; `null` when nothing is. Throws `BucketError`. */
export const headPresigned = async (
  presigned: Presigned,
  deps: PresignedDeps,
  signal?: AbortSignal,
): Promise<ObjectHead | null> => {
  const response = await send(presigned, { method: 'HEAD' }, deps, signal);
  if (response.status === 404) return null;
  if (!response.ok) throw await failureOf('HEAD', presigned.url, response, deps.now());
  const sha256 = response.headers.get('x-amz-meta-sha256');
  const etag = response.headers.get('etag');
  return {
    bytes: Number(response.headers.get('content-length') ?? 0),
    type: response.headers.get('content-type') ?? 'application/octet-stream',
    ...(sha256 === null ? {} : { sha256 }),
    ...(etag === null ? {} : { etag }),
  };
};

/** Reads and hashes what is there, by a URL signed for GET; `null` when nothing is. Throws `BucketError`. */
export const digestPresigned = async (
  presigned: Presigned,
  deps: PresignedDeps,
  signal?: AbortSignal,
): Promise<ObjectDigest | null> => {
  const response = await send(presigned, { method: 'GET' }, deps, signal);
  if (response.status === 404) {
    await response.body?.cancel();
    return null;
  }
  if (!response.ok) throw await failureOf('GET', presigned.url, response, deps.now());
  try {
    return await digestBody(response.body ?? new Blob([]).stream());
  } catch (error) {
    signal?.throwIfAborted();
    throw new BucketError('network', `GET ${presigned.url}: the answer was cut off`, { cause: error });
  }
};
