import { type Bucket, type StorageConfig as BucketConfig, openBucket } from '@weir/bucket';
import type { StorageConfig } from '@weir/contracts';
import { WeirError } from '@weir/runtime';
import { withBucket } from './storage-failure.ts';

const given = <T extends object>(table: T): Partial<T> =>
  Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined)) as Partial<T>;

/** `[recorder.storage]` as the bucket takes it; throws `config_invalid` when it does not name a bucket. */
export const bucketConfig = (storage: StorageConfig): BucketConfig => {
  const { type, root, bucket, ...rest } = storage;
  if (type === 'fs') return { type, root: root ?? './data/bucket' };
  if (type === undefined)
    throw new WeirError(
      'config_invalid',
      'recorder.storage.type is missing: the gateway reads recordings from it; set "s3" with a bucket, or "fs" with a root',
    );
  if (bucket === undefined)
    throw new WeirError('config_invalid', 'recorder.storage.bucket is missing: s3 needs its name');
  return { type, bucket, ...given({ root, ...rest }) };
};

/** Opens the bucket of the recordings and asks whether it is there; failures are named by a code of the table. */
export const openStorage = async (
  storage: StorageConfig,
  { bucketSigning, now }: { bucketSigning: Buffer; now: () => number },
): Promise<Bucket> => {
  // URLs of a directory are signed without a host: the gateway puts that one before them by which it was reached.
  const signing = { secret: bucketSigning, baseUrl: '' };
  const bucket = await withBucket(openBucket(bucketConfig(storage), { now, random: Math.random, signing }));
  await withBucket(bucket.check());
  return bucket;
};
