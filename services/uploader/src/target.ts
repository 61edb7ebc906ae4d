import type { LastingSource, ObjectMeta, PutResult } from '@weir/bucket';

/** One object to be put: its key, its bytes, what is promised of them, and the spool that it comes from. */
export type UploadObject = {
  key: string;
  source: LastingSource;
  meta: ObjectMeta;
  spool: string;
};

/**
 * Where objects go: own storage, or a bucket behind the gateway's presigned URLs. A put throws a `BucketError`, a
 * `GatewayRefusal`, or the reason of the signal, which alone ends it.
 */
export type Target = {
  put(object: UploadObject, signal: AbortSignal): Promise<PutResult>;
  /** Reads an object whole: size and hash of its bytes, null when there is none. Throws as a put does. */
  digest(
    object: Pick<UploadObject, 'key' | 'spool'>,
    signal: AbortSignal,
  ): Promise<{ bytes: number; sha256: string } | null>;
  /** Deletes an object; absent where the uploader may not. */
  remove?(key: string): Promise<void>;
};
