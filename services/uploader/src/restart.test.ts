import { writeFileSync } from 'node:fs';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { startChild, startS3Server } from '@weir/testkit';
import { expect, test } from 'vitest';
import { testSpool, until, untilStored, uploaderFlags } from './uploader-fixture.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

test('an uploader that is killed in the middle goes on at once: everything is there, nothing twice', async () => {
  using t = testSpool();
  const keys = { accessKey: 'weir', secretKey: 'correct' };
  await using server = await startS3Server({ ...keys, buckets: ['recordings'] });
  const id = t.start('cam-1');
  const numbers = Array.from({ length: 60 }, (_, index) => index + 1);
  for (const number of numbers) t.close(id, number, 200_000);
  const config = t.beside('weir.toml');
  writeFileSync(config, '');
  const flags = uploaderFlags(t, {
    config,
    'recorder.storage.type': 's3',
    'recorder.storage.root': '/',
    'recorder.storage.bucket': 'recordings',
    'recorder.storage.endpoint': server.endpoint,
    'recorder.storage.access_key_id': 'weir',
    'recorder.storage.secret_access_key': 'correct',
  });
  const args = [main, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
  // The manifest alone may be put again.
  const stored = () =>
    server.requests.filter(({ method, status, key }) => method === 'PUT' && status === 200 && key.endsWith('.m4s'));
  for (const enough of [15, 40]) {
    await using child = await startChild(execPath, args, { ready: /"uploading"/ });
    await until(stored, (puts) => puts.length >= enough);
    process.kill(child.pid, 'SIGKILL');
  }
  expect(stored().length).toBeLessThan(2 + 2 * numbers.length);
  await using _child = await startChild(execPath, args, { ready: /"uploading"/ });
  await untilStored(t, id, numbers);
  const put = stored().map(({ key }) => key);
  expect(new Set(put).size).toBe(put.length);
  expect(put).toHaveLength(2 + 2 * numbers.length);
  for (const number of [1, 30, 60]) {
    const name = { kind: 'segment', track: 'video', number } as const;
    const key = put.find((candidate) => candidate.endsWith(`v_seg_${String(number).padStart(4, '0')}.m4s`)) ?? '';
    expect(server.store.get('recordings', key)?.body).toEqual(t.bytesOf(id, name));
  }
});
