import { createReadStream, openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import type { LastingSource, ObjectSource } from './bucket.ts';
import { BucketError } from './bucket-error.ts';

/** Exactly `bytes` bytes of the source as a stream, read from disk as they are consumed. */
export const openSource = (source: ObjectSource, bytes: number): Readable => {
  if (source instanceof Readable) return source;
  if (source instanceof Uint8Array)
    return Readable.from(source.byteLength === 0 ? [] : [source], { objectMode: false });
  const start = source.offset ?? 0;
  // A read stream's `end` is inclusive, so nothing at all cannot be asked for.
  return bytes === 0 ? Readable.from([]) : createReadStream(source.path, { start, end: start + bytes - 1 });
};

/** Exactly `bytes` bytes of the source as a fetch body of known length; a shorter source is a `digest` error. */
export const sourceBlob = async (source: LastingSource, bytes: number): Promise<Blob> => {
  if (source instanceof Uint8Array) return new Blob([new Uint8Array(source)]);
  const start = source.offset ?? 0;
  const blob = (await openAsBlob(source.path)).slice(start, start + bytes);
  if (blob.size === bytes) return blob;
  throw new BucketError(
    'digest',
    `${source.path} has ${blob.size} bytes from ${start} on, expected ${bytes}; the file was cut`,
  );
};
