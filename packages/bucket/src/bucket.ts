import type { Readable } from 'node:stream';

/** Bytes that can be read again: a file on disk from `offset` on, or bytes in memory. */
export type LastingSource = { readonly path: string; readonly offset?: number | undefined } | Uint8Array;

/** Where the bytes of an object come from; a stream is read to its end, or destroyed. */
export type ObjectSource = LastingSource | Readable;

/** What is promised of an object before it is put; `sha256` is 64 hex digits of exactly `bytes` bytes. */
export type ObjectMeta = {
  readonly sha256: string;
  readonly bytes: number;
  /** Media type, as `video/mp4`. */
  readonly type: string;
  /** Never replace: an object that is there already stays as it is. */
  readonly createOnly: boolean;
};

/**
 * How a put ended: `stored`, confirmed by the bucket with size and hash; `exists-same`, there before with equal size
 * and hash, which is success too; `exists-different`, there before with other bytes and left alone.
 */
export type PutResult = 'stored' | 'exists-same' | 'exists-different';

/** First and last byte wanted, both inclusive, as in an HTTP range; without `end` up to the last byte. */
export type ByteRange = { readonly start: number; readonly end?: number | undefined };

export type ObjectHead = {
  readonly bytes: number;
  readonly type: string;
  /** Absent when the bucket knows no hash of the object. */
  readonly sha256?: string;
  readonly etag?: string;
  readonly lastModified?: Date;
};

export type ObjectBody = ObjectHead & {
  readonly body: Readable;
  /** The bytes that `body` carries, both inclusive; absent when it carries the whole object. */
  readonly range?: { readonly start: number; readonly end: number };
};

/** True when what is there has the size and the hash of what was to be put. */
export const isSameObject = (found: ObjectHead | null, wanted: { bytes: number; sha256: string }): boolean =>
  found?.bytes === wanted.bytes && found.sha256 === wanted.sha256;

export type PresignRequest = {
  readonly method: 'PUT' | 'GET' | 'HEAD';
  readonly key: string;
  readonly ttlSeconds: number;
  /** Hex; of a PUT: the bucket refuses other bytes. */
  readonly sha256?: string | undefined;
  /** Hex; of a PUT to a bucket that takes no sha256 checksums. */
  readonly md5?: string | undefined;
  readonly length?: number | undefined;
  readonly type?: string | undefined;
  readonly createOnly?: boolean | undefined;
};

/** A URL that carries its own permission, and the headers that were signed with it and must be sent as they are. */
export type Presigned = { readonly url: string; readonly headers: Record<string, string> };

export type ListOptions = { readonly startAfter?: string | undefined; readonly signal?: AbortSignal | undefined };

/**
 * Object storage below one root. Keys are relative to it, without a leading slash; a key that is not is refused with
 * `invalid_path`. Every method throws a `BucketError`, or the signal's reason when it was aborted.
 */
export type Bucket = {
  put(key: string, source: ObjectSource, meta: ObjectMeta, signal?: AbortSignal): Promise<PutResult>;
  /** `null` when there is no such object. `bytes` is the size of the whole object, whatever the range. */
  get(key: string, range?: ByteRange, signal?: AbortSignal): Promise<ObjectBody | null>;
  /** `null` when there is no such object. */
  head(key: string, signal?: AbortSignal): Promise<ObjectHead | null>;
  /** All objects whose key begins with `prefix`, in the order of their keys' UTF-8 bytes. */
  list(prefix: string, options?: ListOptions): AsyncIterable<{ key: string; bytes: number }>;
  /** Succeeds also when there is no such object. */
  delete(key: string): Promise<void>;
  presign(request: PresignRequest): Promise<Presigned>;
  /** The check at start: throws an error that says what is missing, where, and what to do. */
  check(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};
