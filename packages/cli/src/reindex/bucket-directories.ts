import type { Bucket } from '@weir/bucket';
import { decodeKey, type ObjectName } from '@weir/contracts';

/** The objects of one directory of the bucket that bear names of ours, in no order that means anything. */
export type BucketDirectory = { recordDir: string; objects: { key: string; name: ObjectName; bytes: number }[] };

/** The most objects of one directory: ten million are more than a year of two-second segments. */
const MAX_OBJECTS = 10_000_000;

/** All directories of the bucket with an init file or a segment, one after the other; only one is kept in memory. */
export async function* bucketDirectories(bucket: Pick<Bucket, 'list'>): AsyncGenerator<BucketDirectory> {
  let current: BucketDirectory = { recordDir: '', objects: [] };
  const isRecording = ({ objects }: BucketDirectory) =>
    objects.some(({ name }) => name.kind === 'init' || name.kind === 'segment');
  for await (const { key, bytes } of bucket.list('')) {
    const decoded = decodeKey(key);
    if (decoded === null) continue;
    if (decoded.recordDir !== current.recordDir) {
      if (isRecording(current)) yield current;
      current = { recordDir: decoded.recordDir, objects: [] };
    }
    if (current.objects.length < MAX_OBJECTS) current.objects.push({ key, name: decoded.name, bytes });
  }
  if (isRecording(current)) yield current;
}
