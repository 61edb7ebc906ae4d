import { type Bucket, openBucket, storageConfig } from '@weir/bucket';
import type { StorageConfig } from '@weir/contracts';
import { withBucket } from './storage-failure.ts';

/** Opens the bucket of the recordings and asks whether it is there; failures are named by a code of the table. */
export const openStorage = async (
  storage: StorageConfig,
  { bucketSigning, now }: { bucketSigning: Buffer; now: () => number },
): Promise<Bucket> => {
  // URLs of a directory are signed without a host: the gateway puts that one before them by which it was reached.
  const signing = { secret: bucketSigning, baseUrl: '' };
  const open = async () => openBucket(storageConfig(storage), { now, random: Math.random, signing });
  const bucket = await withBucket(open());
  await withBucket(bucket.check());
  return bucket;
};
