import { BucketError } from '@weir/bucket';
import { expect, test } from 'vitest';
import { GatewayRefusal } from './gateway-refusal.ts';
import { putVerdict } from './put-verdict.ts';

const cases: [string, unknown, string][] = [
  ['no answer', new BucketError('network', 'reset'), 'outage'],
  ['500', new BucketError('server', 'oops', { status: 500 }), 'outage'],
  ['credentials refused', new BucketError('forbidden', 'no', { status: 403 }), 'outage'],
  ["the bucket's 409", new BucketError('conflict', 'busy', { status: 409 }), 'later'],
  ['a URL that ran out', new BucketError('expired', 'late', { status: 403 }), 'later'],
  ['400 of the bucket', new BucketError('refused', 'InvalidArgument', { status: 400 }), 'never'],
  ['413 of the bucket', new BucketError('refused', 'EntityTooLarge', { status: 413 }), 'never'],
  ['302 of a captive portal', new BucketError('refused', 'Found', { status: 302 }), 'outage'],
  ['404 of a proxy', new BucketError('refused', 'Not Found', { status: 404 }), 'outage'],
  ['a time-out', new DOMException('late', 'TimeoutError'), 'outage'],
  ['record_taken', new GatewayRefusal('record_taken', 409, 'taken', true), 'taken'],
  ['a token without the right', new GatewayRefusal('forbidden', 403, 'no', true), 'later'],
  ['a path that is none', new GatewayRefusal('invalid_path', 400, 'path', true), 'never'],
  ['a token that is none', new GatewayRefusal('unauthorized', 401, 'no', false), 'outage'],
  ['a gateway without storage', new GatewayRefusal('storage_unavailable', 503, 'no', true), 'outage'],
  ['a disk that cannot be read', Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }), 'later'],
  ['a mistake of ours', new TypeError('undefined is not a function'), 'later'],
];

test.each(cases)('%s', (_name, error, kind) => {
  expect(putVerdict(error).kind).toBe(kind);
});

test('Retry-After is kept, up to five minutes', () => {
  expect(putVerdict(new BucketError('throttled', 'slow', { retryAfterMs: 86_400_000 })).retryAfterMs).toBe(300_000);
  expect(putVerdict(new BucketError('throttled', 'slow', { retryAfterMs: 7_000 })).retryAfterMs).toBe(7_000);
});
