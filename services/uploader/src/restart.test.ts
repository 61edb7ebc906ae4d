import { writeFileSync } from 'node:fs';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { type S3Server, startChild, startS3Server } from '@weir/testkit';
import { expect, test } from 'vitest';
import { type TestSpool, testSpool, until, untilStored, uploaderFlags } from './uploader-fixture.ts';

const bucket = { accessKey: 'weir', secretKey: 'correct', buckets: ['recordings'] };
const main = fileURLToPath(new URL('./main.ts', import.meta.url));

/** What starts an uploader that puts into `server`, and the segments that arrived there. */
const uploaderOn = (t: TestSpool, server: S3Server): string[] => {
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
  return [main, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
};

// The manifest alone may be put again.
const isSegmentPut = ({ method, key }: { method: string; key: string }) => method === 'PUT' && key.endsWith('.m4s');
const storedBy = (server: S3Server) => () =>
  server.requests.filter((request) => isSegmentPut(request) && request.status === 200);

test('two uploaders share a spool; when one is killed in the middle of its puts the other takes them over', async () => {
  using t = testSpool();
  await using server = await startS3Server(bucket);
  const id = t.start('cam-1');
  const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
  for (const number of numbers) t.close(id, number, 200_000);
  const args = uploaderOn(t, server);
  const stored = storedBy(server);
  await using first = await startChild(execPath, args, { ready: /"uploading"/ });
  await until(stored, (puts) => puts.length >= 15);
  // Both of its places hang, under leases that nobody gives up.
  server.faults.add({ fault: { kind: 'hang' }, times: 2, match: isSegmentPut });
  await until(
    () => server.requests.filter((request) => isSegmentPut(request) && request.status === 0),
    (hanging) => hanging.length === 2,
  );
  await using _second = await startChild(execPath, args, { ready: /"uploading"/ });
  await until(
    () => t.ledger.backlog().segments,
    (segments) => segments === 2,
  );
  process.kill(first.pid, 'SIGKILL');
  await until(
    () => t.ledger.backlog().segments,
    (segments) => segments === 0,
    25_000,
  );
  await untilStored(t, id, numbers);
  const put = stored().map(({ key }) => key);
  expect(new Set(put).size).toBe(put.length);
  expect(put).toHaveLength(2 + 2 * numbers.length);
}, 60_000);

test('an uploader that is killed in the middle goes on at once: everything is there, nothing twice', async () => {
  using t = testSpool();
  await using server = await startS3Server(bucket);
  const id = t.start('cam-1');
  const numbers = Array.from({ length: 60 }, (_, index) => index + 1);
  for (const number of numbers) t.close(id, number, 200_000);
  const args = uploaderOn(t, server);
  const stored = storedBy(server);
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
