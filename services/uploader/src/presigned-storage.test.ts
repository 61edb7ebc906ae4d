import { openBucket } from '@weir/bucket';
import { encodeKey, type PresignItem } from '@weir/contracts';
import { type S3Server, type S3ServerOptions, startS3Server } from '@weir/testkit';
import { afterEach, expect, test } from 'vitest';
import { type GatewayRules, siteConfig, startGateway } from './gateway-fixture.ts';
import { startTestUploader, testSpool, until, untilStored } from './uploader-fixture.ts';

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const startCloud = async (rules: GatewayRules = {}, s3: Partial<S3ServerOptions> = {}) => {
  const keys = { accessKey: 'weir', secretKey: 'correct' };
  const server = stack.use(await startS3Server({ ...keys, buckets: ['recordings'], ...s3 }));
  const credentials = { access_key_id: 'weir', secret_access_key: 'correct', disable_config_load: true };
  const storage = { type: 's3', bucket: 'recordings', endpoint: server.endpoint, ...credentials } as const;
  const bucket = stack.use(await openBucket(storage, { now: Date.now, random: Math.random }));
  return { server, gateway: stack.use(await startGateway(bucket, rules)) };
};

const keysOf = (server: S3Server) => server.store.keys('recordings');

test('every object goes by a URL that is asked for with its hash, length, type and spool', async () => {
  using t = testSpool();
  const { server, gateway } = await startCloud();
  const id = t.start('cam-1');
  for (const number of [1, 2]) t.close(id, number);
  await using _uploader = await startTestUploader(siteConfig(t, gateway.url));
  await untilStored(t, id, [1, 2]);
  const { record_dir: recordDir } = t.ledger.manifestOf(id, 'all').recording;
  const key = encodeKey(recordDir, { kind: 'segment', track: 'video', number: 2 });
  const bytes = t.bytesOf(id, { kind: 'segment', track: 'video', number: 2 });
  expect(server.store.get('recordings', key)?.body).toEqual(bytes);
  expect(server.requests.filter(({ method }) => method === 'PUT').every(({ auth }) => auth === 'query')).toBe(true);
  expect(gateway.items.find(({ path }) => path === key)).toEqual({
    method: 'PUT',
    path: key,
    ttl_seconds: 60,
    sha256: t.ledger.segments(id)[1]?.tracks[0]?.sha256,
    length: bytes.length,
    type: 'video/mp4',
    create_only: true,
    spool: t.ledger.spoolId,
  });
});

test('what is there already is settled by a HEAD: an answer that was lost counts as stored', async () => {
  using t = testSpool();
  const { server, gateway } = await startCloud();
  server.faults.add({ fault: { kind: 'lost-reply' }, times: 2, match: ({ method }) => method === 'PUT' });
  const id = t.start('cam-1');
  t.close(id, 1);
  await using uploader = await startTestUploader(siteConfig(t, gateway.url));
  await untilStored(t, id, [1]);
  expect(await uploader.metrics()).toMatch(/puts_total\{result="exists-same",service="uploader"\} [12]/);
  expect(gateway.items.some(({ method }) => method === 'HEAD')).toBe(true);
});

test('a URL that has run out is replaced by a fresh one', async () => {
  using t = testSpool();
  const { server, gateway } = await startCloud();
  server.faults.add({
    fault: { kind: 'status', status: 403, code: 'RequestExpired' },
    times: 1,
    match: ({ method }) => method === 'PUT',
  });
  const id = t.start('cam-1');
  t.close(id, 1);
  await using _uploader = await startTestUploader(siteConfig(t, gateway.url));
  await untilStored(t, id, [1]);
});

test('a directory that the gateway has given to another spool is left to it: the recording moves', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  t.close(id, 1);
  const { record_dir: taken } = t.ledger.manifestOf(id, 'all').recording;
  const refuse = ({ path }: PresignItem) => (path.startsWith(taken) ? { code: 'record_taken', status: 409 } : null);
  const { server, gateway } = await startCloud({ refuse });
  await using _uploader = await startTestUploader(siteConfig(t, gateway.url));
  await untilStored(t, id, [1]);
  expect(keysOf(server).some((key) => key.startsWith(`${taken}/`))).toBe(false);
});

test('a gateway that is away or refuses the token holds up everything and loses nothing', async () => {
  using t = testSpool();
  let status = 503;
  const { server, gateway } = await startCloud({ status: () => status });
  const id = t.start('cam-1');
  t.close(id, 1);
  await using uploader = await startTestUploader(siteConfig(t, gateway.url));
  await until(uploader.metrics, (metrics) => /weir_uploader_circuit_open\{[^}]*\} 1/.test(metrics));
  expect(keysOf(server)).toEqual([]);
  status = 401;
  await until(uploader.metrics, (metrics) => /result="gateway_401"/.test(metrics));
  status = 200;
  await untilStored(t, id, [1]);
});

test('a scrub reads by presigned URLs: what is missing is put again, what is damaged is told and left', async () => {
  using t = testSpool();
  const { server, gateway } = await startCloud();
  const id = t.start('cam-1');
  for (const number of [1, 2, 3]) t.close(id, number);
  const config = siteConfig(t, gateway.url);
  {
    await using _ = await startTestUploader(config);
    await untilStored(t, id, [1, 2, 3]);
  }
  const { record_dir: recordDir } = t.ledger.manifestOf(id, 'all').recording;
  const keyOf = (number: number) => encodeKey(recordDir, { kind: 'segment', track: 'video', number });
  server.store.delete('recordings', keyOf(1));
  const whole = server.store.get('recordings', keyOf(2));
  if (whole === undefined) throw new Error('not stored');
  const damaged = Buffer.from(whole.body);
  damaged[50] = (damaged[50] ?? 0) ^ 1;
  // Its metadata still say the hash of before: only its bytes tell.
  server.store.put('recordings', keyOf(2), { ...whole, body: damaged });
  // The first waits are over at once: one pass, and what it marked put again.
  let waits = 12;
  const clock = {
    now: Date.now,
    sleep: (_: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        waits -= 1;
        if (waits > 0) setImmediate(resolve);
        else signal?.addEventListener('abort', () => reject(signal.reason));
      }),
  };
  await using uploader = await startTestUploader(config, { clock });
  await until(
    () => server.store.get('recordings', keyOf(1))?.body,
    (body) => body !== undefined,
  );
  const metrics = await until(
    () => uploader.metrics(),
    (text) => text.includes('what="damaged"'),
  );
  expect(metrics).toMatch(/scrub_faults_total\{what="missing",remedy="put_again",[^}]*\} 1/);
  expect(metrics).toMatch(/scrub_faults_total\{what="damaged",remedy="none",[^}]*\} 1/);
  expect(server.store.get('recordings', keyOf(2))?.body).toEqual(damaged);
  expect(gateway.items.some(({ method, spool }) => method === 'GET' && spool === t.ledger.spoolId)).toBe(true);
});
