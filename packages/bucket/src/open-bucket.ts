import type { Bucket } from './bucket.ts';
import { BucketError } from './bucket-error.ts';
import { type FsBucketDeps, openFsBucket } from './fs-bucket.ts';
import type { S3BucketDeps } from './s3-bucket.ts';
import type { S3Config } from './s3-client.ts';

/** `[recorder.storage]`, keys as in the file; of type `fs`, `root` is a directory. */
export type StorageConfig = S3Config | { readonly type: 'fs'; readonly root: string };

/** `[recorder.storage]` before anything of it is required. */
export type StorageTable = Omit<S3Config, 'type' | 'bucket'> & {
  readonly type?: 's3' | 'fs' | undefined;
  readonly bucket?: string | undefined;
};

/** What `[recorder.storage]` names, with the seed's defaults; throws `BucketError` `config` when it names nothing. */
export const storageConfig = ({ type, root, bucket, ...rest }: StorageTable): StorageConfig => {
  if (type === 'fs') return { type, root: root ?? './data/bucket' };
  if (type === undefined)
    throw new BucketError(
      'config',
      'recorder.storage.type is missing: recordings are kept there; set "s3" with a bucket, or "fs" with a root (a site may put by way of a gateway instead: recorder.upload.enabled = true)',
    );
  if (bucket === undefined) throw new BucketError('config', 'recorder.storage.bucket is missing: s3 needs its name');
  return { type, bucket, root, ...rest };
};

/** `signing` is needed to presign URLs of a directory; S3 signs with its own credentials. */
export type BucketDeps = FsBucketDeps & S3BucketDeps;

/** Opens the storage that the configuration names; throws `BucketError` when that cannot work. Ask `check` at start. */
export const openBucket = async (config: StorageConfig, deps: BucketDeps): Promise<Bucket> => {
  if (config.type === 'fs') return openFsBucket(config.root, deps);
  // The SDK is large; who stores in a directory does not wait for it.
  const { openS3Bucket } = await import('./s3-bucket.ts');
  return openS3Bucket(config, deps);
};
