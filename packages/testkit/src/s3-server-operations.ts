import type { ObjectStore, StoredObject } from './s3-server-objects.ts';
import { checkPayload, type Payload } from './s3-server-payload.ts';
import { S3Refusal, xmlText } from './s3-server-refusal.ts';
import type { WireRequest } from './s3-server-signature.ts';

/** A request whose signature is good, with its bucket and key taken from path or host. */
export type Operation = WireRequest & { readonly bucket: string; readonly key: string; readonly body: Payload };

export type S3Answer = { readonly status: number; readonly headers: Record<string, string>; readonly body: Buffer };

const empty = Buffer.alloc(0);
const knownQuery = /^(x-id|X-Amz-.*|list-type|prefix|start-after|continuation-token|max-keys|encoding-type)$/;
const maxKeysPerPage = 1000;

const notImplemented = (what: string): S3Refusal =>
  new S3Refusal(
    501,
    'NotImplemented',
    `${what}: a header or query you provided implies functionality that is not implemented.`,
  );

const noSuchKey = (): S3Refusal => new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.');

const metadataOf = (headers: WireRequest['headers']): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-')));

const put = ({ bucket, key, headers, body }: Operation, store: ObjectStore, nowMs: number): S3Answer => {
  if (headers['x-amz-copy-source'] !== undefined) throw notImplemented('CopyObject');
  if (headers['if-match'] !== undefined) throw notImplemented('If-Match');
  if (Buffer.byteLength(key) > 1024) throw new S3Refusal(400, 'KeyTooLongError', 'Your key is too long');
  const payload = checkPayload(body, headers);
  const condition = headers['if-none-match'];
  if (condition !== undefined && condition !== '*') throw notImplemented('If-None-Match other than *');
  if (condition === '*' && store.get(bucket, key) !== undefined) {
    throw new S3Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  }
  const etag = `"${payload.md5.toString('hex')}"`;
  const sha256 = payload.sha256.toString('base64');
  const type = headers['content-type'] ?? 'binary/octet-stream';
  store.put(bucket, key, { body: payload.bytes, type, metadata: metadataOf(headers), etag, sha256, modifiedMs: nowMs });
  const checksum = headers['x-amz-checksum-sha256'] === undefined ? {} : { 'x-amz-checksum-sha256': sha256 };
  return { status: 200, headers: { etag, ...checksum }, body: empty };
};

const headersOf = (object: StoredObject, request: WireRequest): Record<string, string> => ({
  'accept-ranges': 'bytes',
  'content-type': object.type,
  etag: object.etag,
  'last-modified': new Date(object.modifiedMs).toUTCString(),
  ...object.metadata,
  ...(request.headers['x-amz-checksum-mode'] === 'ENABLED' ? { 'x-amz-checksum-sha256': object.sha256 } : {}),
});

/** First and last byte of a single range (RFC 9110 §14.1.2); `undefined` for a header that is none. */
const rangeOf = (header: string | undefined, bytes: number): { start: number; end: number } | undefined => {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (start <= end) return { start, end };
  throw new S3Refusal(416, 'InvalidRange', 'The requested range is not satisfiable');
};

const get = (operation: Operation, store: ObjectStore): S3Answer => {
  const object = store.get(operation.bucket, operation.key);
  if (object === undefined) throw noSuchKey();
  const headers = headersOf(object, operation);
  const range = rangeOf(operation.headers.range, object.body.length);
  if (range === undefined) return { status: 200, headers, body: object.body };
  const place = `bytes ${range.start}-${range.end}/${object.body.length}`;
  const body = object.body.subarray(range.start, range.end + 1);
  return { status: 206, headers: { ...headers, 'content-range': place }, body };
};

const list = ({ bucket, query }: Operation, store: ObjectStore): S3Answer => {
  if (query.get('list-type') !== '2') throw notImplemented('ListObjects version 1');
  const prefix = query.get('prefix') ?? '';
  const token = query.get('continuation-token');
  const after = Buffer.from(
    token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString(),
  );
  const maxKeys = Math.min(maxKeysPerPage, Number(query.get('max-keys') ?? maxKeysPerPage));
  const matching = store
    .keys(bucket)
    .filter((key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), after) > 0);
  const page = matching.slice(0, maxKeys);
  const more = page.length < matching.length;
  const contents = page.map((key) => {
    const object = store.get(bucket, key);
    return `<Contents><Key>${xmlText(key)}</Key><Size>${object?.body.length ?? 0}</Size><ETag>${xmlText(object?.etag ?? '')}</ETag></Contents>`;
  });
  const next = more
    ? `<NextContinuationToken>${Buffer.from(page.at(-1) ?? '').toString('base64url')}</NextContinuationToken>`
    : '';
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${bucket}</Name><Prefix>${xmlText(prefix)}</Prefix><KeyCount>${page.length}</KeyCount><MaxKeys>${maxKeys}</MaxKeys><IsTruncated>${more}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`;
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(xml) };
};

const ofBucket = (operation: Operation, store: ObjectStore): S3Answer => {
  if (operation.bucket === '') throw notImplemented('ListBuckets');
  if (operation.method === 'PUT') {
    store.createBucket(operation.bucket);
    return { status: 200, headers: {}, body: empty };
  }
  if (!store.hasBucket(operation.bucket)) {
    throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist');
  }
  if (operation.method === 'HEAD') return { status: 200, headers: {}, body: empty };
  if (operation.method === 'GET') return list(operation, store);
  throw notImplemented(`${operation.method} of a bucket`);
};

/** Does what an authenticated request asks for; throws `S3Refusal` with the code S3 gives. */
export const perform = (operation: Operation, store: ObjectStore, nowMs: number): S3Answer => {
  for (const name of operation.query.keys()) {
    if (!knownQuery.test(name)) throw notImplemented(`query ${name}`);
  }
  if (operation.key === '') return ofBucket(operation, store);
  if (!store.hasBucket(operation.bucket)) {
    throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist');
  }
  if (operation.method === 'PUT') return put(operation, store, nowMs);
  if (operation.method === 'GET' || operation.method === 'HEAD') return get(operation, store);
  if (operation.method !== 'DELETE')
    throw new S3Refusal(405, 'MethodNotAllowed', 'The specified method is not allowed');
  store.delete(operation.bucket, operation.key);
  return { status: 204, headers: {}, body: empty };
};
