import { expect, test } from 'vitest';
import { matchesTag, parseRange, resolveRange } from './byte-range.ts';

test.each([
  ['no header', undefined, { kind: 'whole' }],
  ['another unit', 'items=0-1', { kind: 'whole' }],
  ['several ranges', 'bytes=0-1,4-5', { kind: 'whole' }],
  ['first and last byte', 'bytes=0-99', { kind: 'from', start: 0, end: 99 }],
  ['from a byte on', 'bytes=100-', { kind: 'from', start: 100 }],
  ['the last bytes', 'bytes=-50', { kind: 'last', bytes: 50 }],
  ['backwards', 'bytes=5-2', { kind: 'invalid' }],
  ['nothing', 'bytes=-', { kind: 'invalid' }],
  ['the last none', 'bytes=-0', { kind: 'invalid' }],
  ['letters', 'bytes=a-b', { kind: 'invalid' }],
])('a range header with %s', (_, header, wish) => {
  expect(parseRange(header)).toEqual(wish);
});

test.each([
  ['inside', { kind: 'from', start: 10, end: 19 }, 100, { start: 10, end: 19 }],
  ['beyond the end is cut', { kind: 'from', start: 90, end: 500 }, 100, { start: 90, end: 99 }],
  ['starting at the end has nothing', { kind: 'from', start: 100 }, 100, null],
  ['a suffix longer than the object is all of it', { kind: 'last', bytes: 500 }, 100, { start: 0, end: 99 }],
  ['an empty object has no bytes', { kind: 'last', bytes: 1 }, 0, null],
] as const)('a range %s', (_, wish, size, bytes) => {
  expect(resolveRange(wish, size)).toEqual(bytes);
});

test('an entity tag matches in a list, weak or not, and by a star', () => {
  expect(matchesTag('"a", W/"b"', '"b"')).toBe(true);
  expect(matchesTag('*', '"b"')).toBe(true);
  expect(matchesTag('"a"', '"b"')).toBe(false);
  expect(matchesTag(undefined, '"b"')).toBe(false);
});
