export {
  type Bucket,
  type ByteRange,
  isSameObject,
  type LastingSource,
  type ListOptions,
  type ObjectBody,
  type ObjectHead,
  type ObjectMeta,
  type ObjectSource,
  type Presigned,
  type PresignRequest,
  type PutResult,
} from './bucket.ts';
export { BucketError, type BucketErrorClass, retryAfterMs } from './bucket-error.ts';
export { answerFsObject, type FsObjectAnswer } from './fs-object.ts';
export type { FsObjectRequest } from './fs-signature.ts';
export { digestObject, type ObjectDigest } from './object-digest.ts';
export {
  type BucketDeps,
  openBucket,
  type StorageConfig,
  type StorageTable,
  storageConfig,
} from './open-bucket.ts';
export { digestPresigned, type FetchLike, headPresigned, type PresignedDeps, putPresigned } from './presigned.ts';
export { md5Of, refuseForeignHead, unconfirmed } from './put-confirmation.ts';
