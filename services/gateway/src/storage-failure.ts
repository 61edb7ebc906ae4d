import { BucketError, type BucketErrorClass } from '@weir/bucket';
import { type ErrorCode, WeirError } from '@weir/runtime';

const codes: Record<BucketErrorClass, ErrorCode> = {
  network: 'storage_unavailable',
  server: 'storage_unavailable',
  throttled: 'storage_unavailable',
  conflict: 'storage_unavailable',
  expired: 'storage_unavailable',
  skew: 'storage_unavailable',
  refused: 'storage_unavailable',
  unsupported: 'storage_unavailable',
  config: 'config_invalid',
  forbidden: 'bucket_forbidden',
  missing_bucket: 'bucket_missing',
  digest: 'invalid_body',
  precondition: 'precondition_failed',
  invalid_path: 'invalid_path',
  range: 'range_not_satisfiable',
};

/** Names a failure of the bucket by a code of the table; anything else is handed back as it is. */
export const storageFailure = (error: unknown): unknown => {
  if (!(error instanceof BucketError)) return error;
  const seconds = Math.ceil((error.retryAfterMs ?? 2_000) / 1000);
  const code = codes[error.class];
  const headers = code === 'storage_unavailable' ? { 'retry-after': String(seconds) } : {};
  return new WeirError(code, error.message, { cause: error, headers });
};

/** Does something with the bucket; its failures have codes of the table. */
export const withBucket = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    throw storageFailure(error);
  }
};
