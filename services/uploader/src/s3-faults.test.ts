import { encodeKey } from '@weir/contracts';
import { type S3Server, type S3ServerOptions, startS3Server } from '@weir/testkit';
import { afterEach, expect, test } from 'vitest';
import {
  type Settings,
  startTestUploader,
  type TestSpool,
  testSpool,
  until,
  untilStored,
  uploaderConfig,
  uploaderFlags,
} from './uploader-fixture.ts';

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const startServer = async (more: Partial<S3ServerOptions> = {}): Promise<S3Server> =>
  stack.use(await startS3Server({ accessKey: 'weir', secretKey: 'correct', buckets: ['recordings'], ...more }));

const s3Flags = (t: TestSpool, server: S3Server, more: Settings = {}): Settings =>
  uploaderFlags(t, {
    'recorder.storage.type': 's3',
    'recorder.storage.bucket': 'recordings',
    'recorder.storage.root': '/sites/a',
    'recorder.storage.endpoint': server.endpoint,
    'recorder.storage.access_key_id': 'weir',
    'recorder.storage.secret_access_key': 'correct',
    'recorder.storage.disable_config_load': 'true',
    ...more,
  });

const isPut = ({ method }: { method: string }) => method === 'PUT';
const isSegmentPut = ({ method, key }: { method: string; key: string }) =>
  method === 'PUT' && key.endsWith('.m4s') && key.includes('_seg_');
const segmentKey = (t: TestSpool, id: string, number: number, track: 'video' | 'audio' = 'video') =>
  `sites/a/${encodeKey(t.ledger.manifestOf(id, 'all').recording.record_dir, { kind: 'segment', track, number })}`;

test('objects carry their type and hash, and are put only where nothing is', async () => {
  using t = testSpool();
  const server = await startServer();
  const id = t.start('cam-1');
  t.close(id, 1);
  await using _uploader = await startTestUploader(uploaderConfig(s3Flags(t, server)));
  await untilStored(t, id, [1]);
  const put = server.requests.find(({ method, key }) => method === 'PUT' && key === segmentKey(t, id, 1, 'audio'));
  const [, audio] = t.ledger.segments(id)[0]?.tracks ?? [];
  expect(put).toMatchObject({ status: 200 });
  expect(put?.headers).toMatchObject({
    'content-type': 'audio/mp4',
    'if-none-match': '*',
    'x-amz-meta-sha256': audio?.sha256,
    'x-amz-checksum-sha256': Buffer.from(audio?.sha256 ?? '', 'hex').toString('base64'),
  });
});

test('500, 503 with Retry-After, a cut connection and a skewed clock cost nothing but time', async () => {
  using t = testSpool();
  const server = await startServer({
    faults: [
      { fault: { kind: 'status', status: 500, code: 'InternalError' }, times: 3, match: isPut },
      { fault: { kind: 'status', status: 503, code: 'SlowDown', retryAfterS: 1 }, match: isPut },
      { fault: { kind: 'drop' }, times: 2, match: isPut },
      { fault: { kind: 'status', status: 403, code: 'RequestTimeTooSkewed' }, match: isPut },
    ],
  });
  const id = t.start('cam-1');
  for (const number of [1, 2]) t.close(id, number);
  await using uploader = await startTestUploader(uploaderConfig(s3Flags(t, server)));
  await untilStored(t, id, [1, 2]);
  const metrics = await uploader.metrics();
  expect(metrics).toMatch(/puts_total\{result="server",service="uploader"\} 3/);
  expect(metrics).toMatch(/puts_total\{result="throttled",service="uploader"\} 1/);
  expect(metrics).toMatch(/puts_total\{result="skew",service="uploader"\} 1/);
  for (const number of [1, 2])
    expect(server.store.get('recordings', segmentKey(t, id, number))?.body).toEqual(
      t.bytesOf(id, { kind: 'segment', track: 'video', number }),
    );
});

test('an answer that is lost is made good by what is there: same size and hash is stored', async () => {
  using t = testSpool();
  const server = await startServer({ faults: [{ fault: { kind: 'lost-reply' }, times: 3, match: isPut }] });
  const id = t.start('cam-1');
  t.close(id, 1);
  await using uploader = await startTestUploader(uploaderConfig(s3Flags(t, server)));
  await untilStored(t, id, [1]);
  expect(await uploader.metrics()).toMatch(/puts_total\{result="exists-same",service="uploader"\} [1-3]/);
});

test('a put that hangs is given up and repeated', async () => {
  using t = testSpool();
  const server = await startServer({ faults: [{ fault: { kind: 'hang' }, match: isPut }] });
  const id = t.start('cam-1');
  t.close(id, 1);
  await using uploader = await startTestUploader(uploaderConfig(s3Flags(t, server)), { putTimeoutMs: () => 300 });
  await untilStored(t, id, [1]);
  expect(await uploader.metrics()).toMatch(/puts_total\{result="timeout",service="uploader"\} 1/);
});

test('puts that hang in every place are given up, and what waits behind them goes', async () => {
  using t = testSpool();
  const server = await startServer({ faults: [{ fault: { kind: 'hang' }, times: 2, match: isSegmentPut }] });
  const id = t.start('cam-1');
  for (const number of [1, 2, 3, 4]) t.close(id, number);
  const flags = s3Flags(t, server, { 'recorder.upload.concurrency': '2' });
  await using _uploader = await startTestUploader(uploaderConfig(flags), { putTimeoutMs: () => 300 });
  await untilStored(t, id, [1, 2, 3, 4]);
});

test('an outage costs one probe at a time, is told by /readyz, and ends by itself', async () => {
  using t = testSpool();
  const server = await startServer();
  const id = t.start('cam-1');
  for (let number = 1; number <= 30; number += 1) t.close(id, number, 1000);
  let isOut = true;
  server.faults.add({
    fault: { kind: 'status', status: 500, code: 'InternalError' },
    times: 10_000,
    match: (request) => isOut && isPut(request),
  });
  await using uploader = await startTestUploader(
    uploaderConfig(s3Flags(t, server, { 'recorder.upload.concurrency': '8' })),
  );
  const ready = async () => (await fetch(`http://127.0.0.1:${uploader.port}/readyz`)).status;
  await until(ready, (status) => status === 503);
  const puts = () => server.requests.filter(isPut).length;
  // At most the eight that were under way when it began, then single probes.
  await until(puts, (count) => count >= 4);
  expect(puts()).toBeLessThan(16);
  expect(t.ledger.backlog().segments).toBe(30);
  isOut = false;
  await untilStored(t, id, [1, 15, 30]);
  await until(ready, (status) => status === 200);
});

test('an object that the bucket never takes is marked with the reason and does not hold up the others', async () => {
  using t = testSpool();
  const server = await startServer();
  const id = t.start('cam-1');
  for (const number of [1, 2, 3]) t.close(id, number);
  const poisoned = segmentKey(t, id, 2);
  server.faults.add({
    fault: { kind: 'status', status: 400, code: 'InvalidArgument' },
    times: 10,
    match: ({ key, method }) => key === poisoned && method === 'PUT',
  });
  await using _uploader = await startTestUploader(uploaderConfig(s3Flags(t, server)));
  await untilStored(t, id, [1, 3]);
  const second = () => t.ledger.segments(id).find(({ number }) => number === 2);
  await until(second, (row) => row?.remote === 'refused');
  expect(second()?.refused_reason).toContain('InvalidArgument');
  expect(server.requests.filter(({ key }) => key === poisoned)).toHaveLength(3);
});

test('a bucket that is not there, or refuses the keys, is one line at the start', async () => {
  using t = testSpool();
  const server = await startServer();
  const missing = startTestUploader(uploaderConfig(s3Flags(t, server, { 'recorder.storage.bucket': 'elsewhere' })));
  await expect(missing).rejects.toMatchObject({ code: 'bucket_missing', message: expect.stringMatching(/elsewhere/) });
  const refused = startTestUploader(
    uploaderConfig(s3Flags(t, server, { 'recorder.storage.secret_access_key': 'wrong' })),
  );
  await expect(refused).rejects.toMatchObject({ code: 'bucket_forbidden' });
});

test("a recording's init file that is refused: its segments are refused with it, told, and put again by an operator's word", async () => {
  using t = testSpool();
  const server = await startServer();
  const [bad, good] = [t.start('cam-1'), t.start('cam-2')];
  for (const id of [bad, good]) for (const number of [1, 2, 3]) t.close(id, number);
  for (const id of [bad, good]) t.end(id);
  let refuses = true;
  server.faults.add({
    fault: { kind: 'status', status: 400, code: 'InvalidArgument' },
    times: 1000,
    match: ({ key, method }) => refuses && method === 'PUT' && /cam-1\/.*\/a_init/.test(key),
  });
  await using uploader = await startTestUploader(uploaderConfig(s3Flags(t, server)));
  await untilStored(t, good, [1, 2, 3]);
  const remotes = () => t.ledger.segments(bad).map(({ remote }) => remote);
  await until(remotes, (all) => all.every((remote) => remote === 'refused'));
  expect(t.ledger.segments(bad)[2]?.refused_reason).toMatch(
    /audio init file of period 1 is refused: .*InvalidArgument/,
  );
  expect(await uploader.metrics()).toMatch(/^weir_uploader_refused_segments(\{.*\})? 3$/m);
  expect(await uploader.metrics()).toMatch(/^weir_uploader_refused_inits(\{.*\})? 1$/m);
  const ofBad = () => server.requests.filter(({ key, method }) => method === 'PUT' && key.includes('/cam-1/'));
  expect(ofBad().filter(({ key }) => key.includes('_seg_'))).toEqual([]);
  refuses = false;
  t.ledger.retryRefused(null, 100);
  await untilStored(t, bad, [1, 2, 3]);
  await until(
    () => ofBad().map(({ key }) => key.split('/').at(-1)),
    (names) => names.includes('record.json') && names.includes('manifest.mpd'),
  );
});
