import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@weir/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { readWhipToken } from './whip-token.ts';

const directory = temporaryDirectory('whip-token');
afterAll(() => directory[Symbol.dispose]());
const dataDir = directory.path;
mkdirSync(join(dataDir, 'secrets'));
writeFileSync(join(dataDir, 'secrets/api-token'), 'of-this-machine\n');
const tokenFile = join(dataDir, 'mine');
writeFileSync(tokenFile, 'given\n');
writeFileSync(join(dataDir, 'two-lines'), 'a\nb\n');

const here = 'http://127.0.0.1:8888/whip/test';
const elsewhere = 'https://weir.test/whip/test';

describe('the token to publish with', () => {
  test.each([
    ['that of the file', { url: here, tokenFile, dataDir }, 'given'],
    ['that of the file, elsewhere too', { url: elsewhere, tokenFile, dataDir }, 'given'],
    ['without a file that of this machine', { url: here, tokenFile: null, dataDir }, 'of-this-machine'],
    ['which no other machine gets', { url: elsewhere, tokenFile: null, dataDir }, undefined],
    ['none where there is no installation', { url: here, tokenFile: null, dataDir: '/nowhere' }, undefined],
  ])('%s', async (_, request, token) => {
    expect(await readWhipToken(request)).toBe(token);
  });

  test.each([
    ['a file that is not there', join(dataDir, 'gone'), /gone cannot be read \(ENOENT\)/],
    ['a directory', dataDir, /cannot be read \(EISDIR\)/],
    ['a file with more than a token', join(dataDir, 'two-lines'), /two-lines holds no token/],
  ])('%s is refused', async (_, path, message) => {
    await expect(readWhipToken({ url: here, tokenFile: path, dataDir })).rejects.toThrow(message);
  });
});
