import { BucketError, classifyAnswer, retryAfterMs } from './bucket-error.ts';
import { refusalError } from './refusal.ts';
import type { S3PutAnswer } from './s3-signed-put.ts';

/** Where a bucket is and who asks, for messages. */
export type S3Place = { readonly bucket: string; readonly where: string; readonly accessKeyId: string | undefined };

type SdkError = Error & {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Record<string, string> };
  readonly Code?: string;
  readonly code?: string;
};

const where = (doing: string, { bucket, where: at }: S3Place): string => `${doing} in bucket "${bucket}" at ${at}`;

const advice = (errorClass: string, { bucket, accessKeyId }: S3Place): string => {
  const who = accessKeyId === undefined ? 'the credentials' : `access key ${accessKeyId}`;
  if (errorClass === 'missing_bucket')
    return `; create bucket "${bucket}" there, or correct bucket, region or endpoint`;
  if (errorClass === 'forbidden') {
    return `; ${who} must be valid and may need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject on "${bucket}"`;
  }
  if (errorClass === 'network') return '; check the endpoint and the network';
  if (errorClass === 'config') return '; correct region or credentials';
  if (errorClass === 'skew') return "; set this machine's clock";
  return '';
};

const classOf = (error: SdkError): ReturnType<typeof classifyAnswer> | undefined => {
  const status = error.$metadata?.httpStatusCode;
  if (error.name === 'CredentialsProviderError') return 'config';
  // The SDK gives an answer without a status when it never came whole.
  if (status !== undefined) return classifyAnswer(status, error.Code ?? error.name, error.message);
  if (error.code !== undefined || error.name === 'TimeoutError') return 'network';
  return undefined;
};

/** What S3 said to a request, which is not success, as a `BucketError`. */
export const answerFailure = (
  { status, code, message, headers }: S3PutAnswer,
  doing: string,
  place: S3Place,
  nowMs: number,
): BucketError => {
  const errorClass = classifyAnswer(status, code, message);
  const refusal = { status, code, message, retryAfter: headers['retry-after'] };
  return refusalError(errorClass, refusal, where(doing, place), nowMs, advice(errorClass, place));
};

/** An error of the SDK as a `BucketError`; what is neither the service's nor the network's stays as it is. */
export const s3Failure = (thrown: unknown, doing: string, place: S3Place, nowMs: number): unknown => {
  if (!(thrown instanceof Error) || thrown instanceof BucketError) return thrown;
  const error = thrown as SdkError;
  const errorClass = error.name === 'AbortError' ? undefined : classOf(error);
  if (errorClass === undefined) return thrown;
  const status = error.$metadata?.httpStatusCode;
  const said = [status, error.Code ?? error.name, error.message].filter((part) => part !== undefined && part !== '');
  return new BucketError(
    errorClass,
    `${where(doing, place)}: ${[...new Set(said)].join(' ')}${advice(errorClass, place)}`,
    { status, retryAfterMs: retryAfterMs(error.$response?.headers?.['retry-after'], nowMs), cause: redacted(error) },
  );
};

/** The SDK's error carries request and response, headers included; only its words may reach a log. */
const redacted = (error: SdkError): Error => Object.assign(new Error(error.message), { name: error.name });
