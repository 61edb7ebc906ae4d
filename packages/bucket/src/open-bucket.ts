import type { Bucket } from './bucket.ts';
import { type FsBucketDeps, openFsBucket } from './fs-bucket.ts';
import type { S3BucketDeps } from './s3-bucket.ts';
import type { S3Config } from './s3-client.ts';

/** `[recorder.storage]`, keys as in the file; of type `fs`, `root` is a directory. */
export type StorageConfig = S3Config | { readonly type: 'fs'; readonly root: string };

/** `signing` is needed to presign URLs of a directory; S3 signs with its own credentials. */
export type BucketDeps = FsBucketDeps & S3BucketDeps;

/** Opens the storage that the configuration names; throws `BucketError` when that cannot work. Ask `check` at start. */
export const openBucket = async (config: StorageConfig, deps: BucketDeps): Promise<Bucket> => {
  if (config.type === 'fs') return openFsBucket(config.root, deps);
  // The SDK is large; who stores in a directory does not wait for it.
  const { openS3Bucket } = await import('./s3-bucket.ts');
  return openS3Bucket(config, deps);
};
