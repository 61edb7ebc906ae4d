import { expect, test } from 'vitest';
import { checkKey, checkPrefix, mediaTypeOf, rootPrefix } from './object-key.ts';

test.each(['a', 'cam-1/1762842203/v_init.m4s', 'a b/ü/.hidden/...', 'x'.repeat(255)])('the key %j is taken', (key) => {
  expect(checkKey(key)).toBe(key);
});

test.each([
  ['', 'is empty'],
  ['/a', 'begins with a slash'],
  ['a//b', 'empty component'],
  ['a/../b', 'component ".."'],
  ['./a', 'component "."'],
  ['a\\b', 'backslash'],
  ['a\u007f', 'control character'],
  ['a\ud800', 'well-formed'],
  ['x'.repeat(256), '255 bytes'],
  ['x/'.repeat(600), '1024 bytes'],
  ['.incoming/a', "bucket's own"],
])('the key %j is refused with its fault', (key, fault) => {
  expect(() => checkKey(key)).toThrow(fault);
});

test('a prefix may be empty or end with a slash', () => {
  expect(['', 'a/', 'a/b'].map(checkPrefix)).toEqual(['', 'a/', 'a/b']);
  expect(() => checkPrefix('../')).toThrow('component');
});

test.each([
  ['/', ''],
  ['', ''],
  ['/recordings', 'recordings/'],
  ['a/b/', 'a/b/'],
])('the root %j is put before keys as %j', (root, prefix) => {
  expect(rootPrefix(root)).toBe(prefix);
});

test.each([
  ['cam-1/1/v_seg_0001.m4s', 'video/mp4'],
  ['cam-1/1/a_init.m4s', 'audio/mp4'],
  ['a_cam/1/v_init_2.m4s', 'video/mp4'],
  ['cam-1/1/manifest.mpd', 'application/dash+xml'],
  ['cam-1/1/record.json', 'application/json'],
  ['cam-1/1/else', 'application/octet-stream'],
])('%s is %s', (key, type) => {
  expect(mediaTypeOf(key)).toBe(type);
});
