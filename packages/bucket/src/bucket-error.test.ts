import { expect, test } from 'vitest';
import { BucketError, classifyAnswer, redactQueries, retryAfterMs } from './bucket-error.ts';

test.each([
  [500, 'InternalError', '', 'server'],
  [502, '', '', 'server'],
  [503, 'SlowDown', '', 'throttled'],
  [429, '', '', 'throttled'],
  [400, 'RequestTimeout', '', 'network'],
  [400, 'IncompleteBody', '', 'network'],
  [400, 'XMinioAdminBucketQuotaExceeded', '', 'forbidden'],
  [400, 'InvalidToken', '', 'forbidden'],
  [400, 'KMS.DisabledException', '', 'config'],
  [409, 'ConditionalRequestConflict', '', 'conflict'],
  [403, 'AccessDenied', 'Request has expired', 'expired'],
  [403, 'RequestTimeTooSkewed', '', 'skew'],
  [403, 'AccessDenied', 'Access Denied', 'forbidden'],
  [403, 'SignatureDoesNotMatch', '', 'forbidden'],
  [400, 'BadDigest', '', 'digest'],
  [404, 'NoSuchBucket', '', 'missing_bucket'],
  [412, 'PreconditionFailed', '', 'precondition'],
  [416, 'InvalidRange', '', 'range'],
  [501, 'NotImplemented', '', 'unsupported'],
  [301, 'PermanentRedirect', '', 'config'],
  [418, '', '', 'refused'],
] as const)('%i %s %s is of class %s', (status, code, message, expected) => {
  expect(classifyAnswer(status, code, message)).toBe(expected);
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
