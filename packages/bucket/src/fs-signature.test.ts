import { expect, test } from 'vitest';
import type { PresignRequest } from './bucket.ts';
import { type FsGrant, presignFs, verifyFsSignature } from './fs-signature.ts';

const signing = { secret: Buffer.alloc(32, 7), baseUrl: 'https://weir.example/' };
const nowMs = 1_762_842_203_000;
const sha256 = 'ab'.repeat(32);

const received = (request: PresignRequest) => {
  const { url, headers } = presignFs(request, signing, nowMs);
  const { pathname, searchParams } = new URL(url);
  const key = decodeURIComponent(pathname.replace('/api/storage/object/', ''));
  return { method: request.method as string, key, query: searchParams, headers: headers as Record<string, string> };
};

const cases: [PresignRequest, FsGrant][] = [
  [
    { method: 'PUT', key: 'cam-1/1/v_init.m4s', ttlSeconds: 9, sha256, length: 5, type: 'video/mp4', createOnly: true },
    { method: 'PUT', key: 'cam-1/1/v_init.m4s', sha256, bytes: 5, type: 'video/mp4', createOnly: true },
  ],
  [
    { method: 'PUT', key: 'cam-1/1/manifest.mpd', ttlSeconds: 9, sha256, length: 0, type: 'application/dash+xml' },
    { method: 'PUT', key: 'cam-1/1/manifest.mpd', sha256, bytes: 0, type: 'application/dash+xml', createOnly: false },
  ],
  [
    { method: 'GET', key: 'ü/?&=+%2F #', ttlSeconds: 9 },
    { method: 'GET', key: 'ü/?&=+%2F #', createOnly: false },
  ],
  [
    { method: 'HEAD', key: 'a', ttlSeconds: 9 },
    { method: 'HEAD', key: 'a', createOnly: false },
  ],
];

test.each(cases)('what is signed is granted: %j', (request, grant) => {
  expect(verifyFsSignature(received(request), signing.secret, nowMs)).toEqual({ ok: true, grant });
});

test('a URL is good until its last second and no longer', () => {
  const request = received({ method: 'GET', key: 'a', ttlSeconds: 9 });
  expect(verifyFsSignature(request, signing.secret, nowMs + 8_999).ok).toBe(true);
  expect(verifyFsSignature(request, signing.secret, nowMs + 9_000)).toEqual({ ok: false, reason: 'expired' });
});

const put = { method: 'PUT', key: 'a', ttlSeconds: 9, sha256, length: 5, type: 'video/mp4', createOnly: true } as const;
const query = (name: string, value: string) => {
  const changed = new URLSearchParams(received(put).query);
  changed.set(name, value);
  return { query: changed };
};

test.each([
  ['another method', { method: 'GET' }, 'bad_signature'],
  ['another key', { key: 'b' }, 'bad_signature'],
  ['a later expiry', query('expires', '1999999999'), 'bad_signature'],
  ['fewer signed headers', query('signed', 'content-length'), 'bad_signature'],
  ['signed headers in another order', query('signed', 'x-amz-meta-sha256 content-length'), 'bad_signature'],
  ['a header that is never signed', query('signed', 'cookie'), 'malformed'],
  ['no expiry', query('expires', ''), 'malformed'],
  ['an expiry that is no number', query('expires', '1e99'), 'malformed'],
  ['a signature cut short', query('signature', 'AAAA'), 'malformed'],
  ['another signature', query('signature', Buffer.alloc(32).toString('base64url')), 'bad_signature'],
  ['no headers', { headers: {} }, 'bad_signature'],
  [
    'a header sent twice',
    { headers: { ...received(put).headers, 'content-type': ['video/mp4', 'x'] } },
    'bad_signature',
  ],
])('a request with %s is refused', (_name, change, reason) => {
  expect(verifyFsSignature({ ...received(put), ...change }, signing.secret, nowMs)).toEqual({ ok: false, reason });
});

test('another secret is refused', () => {
  expect(verifyFsSignature(received(put), Buffer.alloc(32, 8), nowMs).ok).toBe(false);
});
