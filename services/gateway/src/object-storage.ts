import { type Bucket, openBucket, storageConfig } from '@weir/bucket';
import type { StorageConfig } from '@weir/contracts';
import { isWeirError, type Log, oneLine, WeirError, within } from '@weir/runtime';
import { withBucket } from './storage-failure.ts';

/** What opening needs; `timeoutMs` bounds the question whether the bucket is there. */
type StorageDeps = { bucketSigning: Buffer; now: () => number; log: Log; timeoutMs?: number };

/**
 * Opens the bucket of the recordings and asks whether it is there. What only an operator can mend stops the start, named
 * by a code of the table; a bucket that does not answer does not: nodes, streams and the index work without it.
 */
export const openStorage = async (
  storage: StorageConfig,
  { bucketSigning, now, log, timeoutMs = 5_000 }: StorageDeps,
): Promise<Bucket> => {
  // URLs of a directory are signed without a host: the gateway puts that one before them by which it was reached.
  const signing = { secret: bucketSigning, baseUrl: '' };
  const open = async () => openBucket(storageConfig(storage), { now, random: Math.random, signing });
  const bucket = await withBucket(open());
  const late = () => new WeirError('storage_unavailable', `the bucket does not answer within ${timeoutMs} ms`);
  try {
    await within(withBucket(bucket.check()), timeoutMs, late);
  } catch (error) {
    if (!isWeirError(error, 'storage_unavailable')) throw error;
    log.warn({ reason: oneLine(error) }, 'the bucket does not answer yet');
  }
  return bucket;
};
