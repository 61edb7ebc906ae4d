import { expect, test } from 'vitest';
import { storageConfig } from './open-bucket.ts';

test('a directory has a default, S3 keeps what is given and nothing else', () => {
  expect(storageConfig({ type: 'fs', disable_config_load: false })).toEqual({ type: 'fs', root: './data/bucket' });
  expect(storageConfig({ type: 's3', bucket: 'b', root: '/x', region: 'eu-1' })).toEqual({
    type: 's3',
    bucket: 'b',
    root: '/x',
    region: 'eu-1',
  });
});

test.each([
  [{}, /recorder\.storage\.type is missing/],
  [{ type: 's3' }, /recorder\.storage\.bucket is missing/],
] as const)('%j names no storage', (table, words) => {
  expect(() => storageConfig(table)).toThrow(
    expect.objectContaining({ class: 'config', message: expect.stringMatching(words) }),
  );
});
