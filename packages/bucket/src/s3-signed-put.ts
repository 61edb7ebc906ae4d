import type { Readable } from 'node:stream';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { SignatureV4 } from '@smithy/signature-v4';
import { readRefusal, refusalText } from './refusal.ts';

/** What a bucket answered to a PUT: status, headers in lower case, and of a refusal S3's code and words. */
export type S3PutAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly code: string;
  readonly message: string;
};

/** Puts an object: `key` with the root before it, and headers that are all signed. Throws what the network throws. */
export type SignedPut = (
  key: string,
  headers: Record<string, string>,
  body: Readable | Uint8Array,
  signal: AbortSignal | undefined,
) => Promise<S3PutAnswer>;

type Request = Parameters<SignatureV4['sign']>[0];
type Base = Pick<Request, 'protocol' | 'hostname' | 'port'> & { readonly path: string; readonly host: string };

const mostSkewMs = 4 * 60_000;
const someKey = 'k';

/** A key as the path of a URI, as S3 signs it: every byte escaped but the unreserved ones (RFC 3986 §2.3) and `/`. */
const escapeKey = (key: string): string =>
  key
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');

/**
 * PUT signed by AWS's signer (Signature Version 4, the payload's hash in a header) on the connections of an SDK client,
 * with its endpoint, region, credentials and clock; without the middleware of a command, which took most of the time of
 * a small put, and without `Expect: 100-continue`, for which the SDK opens a connection for each object.
 */
export const signedPut = (client: S3Client, bucket: string): SignedPut => {
  const { config } = client;
  const signer = new SignatureV4({
    service: 's3',
    region: config.region,
    credentials: config.credentials,
    sha256: config.sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });

  /** Where the SDK would put an object: its rules of endpoints know every region and style. */
  const findBase = async (): Promise<Base> => {
    const command = new PutObjectCommand({ Bucket: bucket, Key: someKey });
    const url = new URL(await getSignedUrl(client, command, { expiresIn: 60 }));
    const { protocol, hostname, port, host, pathname } = url;
    const path = pathname.slice(0, -someKey.length);
    return { protocol, hostname, host, path, ...(port === '' ? {} : { port: Number(port) }) };
  };
  let base: Promise<Base> | null = null;

  const noteClock = (headers: Readonly<Record<string, string>>): void => {
    const offsetMs = Date.parse(headers.date ?? '') - Date.now();
    // An answer that a cache kept tells of another time.
    if (headers.age !== undefined || Number.isNaN(offsetMs)) return;
    if (Math.abs(offsetMs - config.systemClockOffset) >= mostSkewMs) config.systemClockOffset = offsetMs;
  };

  return async (key, headers, body, signal) => {
    base ??= findBase();
    const { host, path, ...place } = await base.catch((error: unknown) => {
      base = null;
      throw error;
    });
    const request: Request = {
      ...place,
      method: 'PUT',
      path: path + escapeKey(key),
      query: {},
      headers: { ...headers, host },
      body,
    };
    const signingDate = new Date(Date.now() + config.systemClockOffset);
    const signed = await signer.sign(request, { signingDate });
    const { response } = await config.requestHandler.handle(
      signed as never,
      signal === undefined ? {} : { abortSignal: signal },
    );
    const answer = { status: response.statusCode, headers: response.headers, code: '', message: '' };
    noteClock(answer.headers);
    const said = response.body as Readable;
    if (answer.status < 300) {
      said.resume();
      return answer;
    }
    return { ...answer, ...readRefusal(await refusalText(said)) };
  };
};
