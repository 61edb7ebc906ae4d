import { expect, test } from 'vitest';
import { BucketError, classifyAnswer, isRetryable, redactQueries, retryAfterMs } from './bucket-error.ts';

test.each([
  [500, 'InternalError', '', 'server', true],
  [502, '', '', 'server', true],
  [503, 'SlowDown', '', 'throttled', true],
  [429, '', '', 'throttled', true],
  [400, 'RequestTimeout', '', 'network', true],
  [409, 'ConditionalRequestConflict', '', 'conflict', true],
  [403, 'AccessDenied', 'Request has expired', 'expired', true],
  [403, 'RequestTimeTooSkewed', '', 'skew', true],
  [403, 'AccessDenied', 'Access Denied', 'forbidden', false],
  [403, 'SignatureDoesNotMatch', '', 'forbidden', false],
  [400, 'BadDigest', '', 'digest', false],
  [404, 'NoSuchBucket', '', 'missing_bucket', false],
  [412, 'PreconditionFailed', '', 'precondition', false],
  [416, 'InvalidRange', '', 'range', false],
  [501, 'NotImplemented', '', 'unsupported', false],
  [301, 'PermanentRedirect', '', 'config', false],
  [418, '', '', 'refused', false],
] as const)('%i %s %s is of class %s', (status, code, message, expected, retryable) => {
  expect(classifyAnswer(status, code, message)).toBe(expected);
  expect(isRetryable(new BucketError(expected, 'x'))).toBe(retryable);
});

test('what a presigned URL permits never reaches a message', () => {
  const url = 'https://bucket.example/a/b?X-Amz-Signature=abc&X-Amz-Credential=def';
  expect(redactQueries(`PUT ${url}: 403, then "${url}"`)).toBe(
    'PUT https://bucket.example/a/b?…: 403, then "https://bucket.example/a/b?…"',
  );
  expect(new BucketError('refused', url).message).toBe('https://bucket.example/a/b?…');
});

test.each([
  ['7', 7_000],
  ['Sun, 01 Mar 2026 12:00:10 GMT', 10_000],
  ['Sun, 01 Mar 2026 11:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined],
  [null, undefined],
])('Retry-After %j is %j ms', (header, expected) => {
  expect(retryAfterMs(header, Date.UTC(2026, 2, 1, 12))).toBe(expected);
});
