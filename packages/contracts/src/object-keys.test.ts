import { expect, test } from 'vitest';
import {
  decodeKey,
  decodeObjectName,
  encodeKey,
  mediaType,
  mpdPathOf,
  type ObjectName,
  recordIdOf,
} from './object-keys.ts';

const cases: [ObjectName, string, string][] = [
  [{ kind: 'manifest' }, 'cam-1/1762842203/manifest.mpd', 'application/dash+xml'],
  [{ kind: 'record' }, 'cam-1/1762842203/record.json', 'application/json'],
  [{ kind: 'init', track: 'video', period: 1 }, 'cam-1/1762842203/v_init.m4s', 'video/mp4'],
  [{ kind: 'init', track: 'audio', period: 2 }, 'cam-1/1762842203/a_init_2.m4s', 'audio/mp4'],
  [{ kind: 'segment', track: 'video', number: 1 }, 'cam-1/1762842203/v_seg_0001.m4s', 'video/mp4'],
  [{ kind: 'segment', track: 'audio', number: 10_000 }, 'cam-1/1762842203/a_seg_10000.m4s', 'audio/mp4'],
];

test.each(cases)('%j', (name, key, type) => {
  expect(encodeKey('cam-1/1762842203', name)).toBe(key);
  expect(decodeKey(key)).toEqual({ recordDir: 'cam-1/1762842203', name });
  expect(mediaType(name)).toBe(type);
});

test.each([
  'manifest',
  'v_init_1.m4s',
  'v_init_0.m4s',
  'v_seg_1.m4s',
  'v_seg_00001.m4s',
  'x_seg_0001.m4s',
  'v_seg_0001.m4s.tmp',
])('%s is no object of a recording', (text) => {
  expect(decodeObjectName(text)).toBeNull();
});

test('a key without a directory is none', () => {
  expect(decodeKey('manifest.mpd')).toBeNull();
  expect(decodeKey('/manifest.mpd')).toBeNull();
});

test.each([
  ['cam-1/1762842203', '1762842203'],
  ['1762842203', '1762842203'],
  ['shows/monday', ''],
  ['cam/11762842203', ''],
  ['cam/x1762842203', '1762842203'],
])('record_id of %s is %j', (dir, id) => {
  expect(recordIdOf(dir)).toBe(id);
});

test('the manifest lies in the directory', () => {
  expect(mpdPathOf('cam-1/1762842203')).toBe('cam-1/1762842203/manifest.mpd');
});
