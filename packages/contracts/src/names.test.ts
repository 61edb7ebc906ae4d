import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  baseDirFault,
  decodeCascadeName,
  encodeCascadeName,
  isStreamName,
  matchesPattern,
  pathFault,
} from './names.ts';

describe('stream names', () => {
  test.each(['cam-1', 'a', '0', 'A.b_c-d', 'x'.repeat(128)])('%s is one', (name) => {
    expect(isStreamName(name)).toBe(true);
  });
  test.each(['', '.hidden', '-dash', 'a/b', 'a b', 'ä', 'cam@node', '..', 'x'.repeat(129), 'a\n'])(
    '%j is none',
    (name) => {
      expect(isStreamName(name)).toBe(false);
    },
  );
});

test('a cascade name is split into halves that are each sound', () => {
  expect(encodeCascadeName('cam-1', 'site.7')).toBe('cam-1@site.7');
  expect(decodeCascadeName('cam-1@site.7')).toEqual({ stream: 'cam-1', alias: 'site.7' });
  for (const bad of ['cam-1', '@site', 'cam@', 'a@b@c', '../x@y']) expect(decodeCascadeName(bad)).toBeNull();
});

test.each([
  ['cam-1/1762842203', true],
  ['cam-1/1762842203/v_seg_0001.m4s', true],
  ['', false],
  ['/cam', false],
  ['cam/', false],
  ['cam//x', false],
  ['cam/../x', false],
  ['./cam', false],
  ['cam\\x', false],
  ['cam x', false],
  ['cam/\u0000', false],
  [`${'a/'.repeat(16)}b`, false],
  ['x'.repeat(513), false],
  [`shows/${'x'.repeat(255)}`, true],
  [`shows/${'x'.repeat(256)}`, false],
])('path %j is sound: %s', (path, sound) => {
  expect(pathFault(path) === null).toBe(sound);
});

test.each([
  [['*'], 'anything', true],
  [['room1', 'web-*'], 'web-7', true],
  [['room1', 'web-*'], 'room12', false],
  [['cam-?'], 'cam-1', true],
  [['cam-?'], 'cam-10', false],
  [['a.b'], 'axb', false],
  [[], 'cam-1', false],
])('patterns %j match %s: %s', (patterns, name, expected) => {
  expect(matchesPattern(patterns, name)).toBe(expected);
});

test('patterns match as the regular expression would that tries every way, but in bounded time', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
  fc.assert(
    fc.property(pattern, letters, (text, name) => {
      const every = new RegExp(`^${text.replaceAll('*', '.*').replaceAll('?', '.')}$`);
      expect(matchesPattern([text], name)).toBe(every.test(name));
    }),
    { numRuns: 2000 },
  );
  expect(matchesPattern([`${'*-'.repeat(20)}x`], '-'.repeat(8000))).toBe(false);
});

test('a base_dir leaves room for what a rotation appends and for the names of files', () => {
  expect(baseDirFault('shows/monday')).toBeNull();
  const long = `${'a'.repeat(240)}/${'b'.repeat(239)}`;
  expect(baseDirFault(long)).toBeNull();
  expect(baseDirFault(`${long}b`)).toMatch(/480 characters/);
  expect(baseDirFault(Array(14).fill('a').join('/'))).toBeNull();
  expect(baseDirFault(Array(15).fill('a').join('/'))).toMatch(/14 components/);
  expect(baseDirFault('a/../b')).toMatch(/dot/);
});

test.each(['shows/50%', 'shows/a%2fb', 'what?', 'shows/#1'])(
  'base_dir %s would be another path in a URL',
  (baseDir) => {
    expect(baseDirFault(baseDir)).toMatch(/URL/);
    expect(new URL(`http://node/${baseDir}/manifest.mpd`).pathname).not.toBe(`/${baseDir}`);
  },
);
