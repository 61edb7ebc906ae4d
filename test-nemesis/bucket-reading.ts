/** What the bucket itself has, read without index, ledger or manifest. */
import type { ObjectStore } from '@weir/testkit';
import { readNumbers } from './numbered-frames.ts';

/** The numbers of all pictures of a stream, file by file, over all its recordings. */
export const framesInBucket = async (
  store: ObjectStore,
  bucket: string,
  root: string,
  stream: string,
): Promise<(number | null)[]> => {
  const keys = store.keys(bucket).filter((key) => key.startsWith(`${root}/${stream}/`));
  const numbers: (number | null)[] = [];
  for (const key of keys.filter((one) => /\/v_seg_\d+\.m4s$/.test(one))) {
    // All periods of a run have the same coding: any of a recording's init files tells how to read its segments.
    const directory = key.slice(0, key.lastIndexOf('/'));
    const init = keys.find((one) => one.startsWith(`${directory}/v_init`));
    const [head, body] = [init, key].map((one) => (one === undefined ? undefined : store.get(bucket, one)?.body));
    if (head === undefined || body === undefined) numbers.push(null);
    else numbers.push(...(await readNumbers(Buffer.concat([head, body]), stream)));
  }
  return numbers;
};
