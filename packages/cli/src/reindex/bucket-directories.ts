import type { Bucket } from '@weir/bucket';
import { decodeKey, type ObjectName } from '@weir/contracts';

/** The objects of one directory of the bucket that bear names of ours, in no order that means anything. */
export type BucketDirectory = { recordDir: string; objects: { key: string; name: ObjectName; bytes: number }[] };

/** The most objects of one directory: ten million are more than a year of two-second segments. */
const MAX_OBJECTS = 10_000_000;

const isRecording = ({ objects }: BucketDirectory): boolean =>
  objects.some(({ name }) => name.kind === 'init' || name.kind === 'segment');

/**
 * All directories of the bucket with an init file or a segment, one after the other. Keys come in order, so a directory
 * is whole when one comes that does not begin with it: in memory is one, and those around it.
 */
export async function* bucketDirectories(bucket: Pick<Bucket, 'list'>): AsyncGenerator<BucketDirectory> {
  const open: BucketDirectory[] = [];
  for await (const { key, bytes } of bucket.list('')) {
    const decoded = decodeKey(key);
    if (decoded === null) continue;
    const { recordDir, name } = decoded;
    for (let last = open.at(-1); last !== undefined && !key.startsWith(`${last.recordDir}/`); last = open.at(-1)) {
      open.pop();
      if (isRecording(last)) yield last;
    }
    let own = open.at(-1);
    if (own?.recordDir !== recordDir) {
      own = { recordDir, objects: [] };
      open.push(own);
    }
    if (own.objects.length < MAX_OBJECTS) own.objects.push({ key, name, bytes });
  }
  for (const directory of open.reverse()) if (isRecording(directory)) yield directory;
}
