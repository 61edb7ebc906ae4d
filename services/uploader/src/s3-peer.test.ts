import { createHash } from 'node:crypto';
import { type Bucket, digestObject, openBucket } from '@weir/bucket';
import { encodeKey, type ObjectName, type WeirConfig } from '@weir/contracts';
import { type S3Server, startCaptivePortal, startS3Server, startSwift, swiftMissing } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { siteConfig, startGateway } from './gateway-fixture.ts';
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

/**
 * The uploader before a strict S3 server of our own, and before OpenStack Swift (`npm run test:s3`), which answers 501
 * to `If-None-Match` and overlooks checksum headers.
 */
const isReal = process.env.S3_PEER === 'swift';
const missing = isReal ? swiftMissing() : undefined;
if (missing !== undefined) console.warn(`skipped: ${missing}`);

type Server = Pick<S3Server, 'endpoint'> & { accessKey: string; secretKey: string };
const stack = new AsyncDisposableStack();
let server: Server;
let bucket: Bucket;

const startPeer = async (): Promise<Server> => {
  if (isReal) return stack.use(await startSwift(['recordings']));
  const keys = { accessKey: 'weir', secretKey: 'correct' };
  const { endpoint } = stack.use(await startS3Server({ ...keys, buckets: ['recordings'] }));
  return { endpoint, ...keys };
};
const openAt = async (endpoint: string): Promise<Bucket> => {
  const given = { access_key_id: server.accessKey, secret_access_key: server.secretKey, disable_config_load: true };
  const storage = { type: 's3', bucket: 'recordings', root: '/all', endpoint, ...given } as const;
  return stack.use(await openBucket(storage, { now: Date.now, random: Math.random }));
};

const ownConfig = (t: TestSpool, endpoint: string, more: Settings = {}): WeirConfig =>
  uploaderConfig(
    uploaderFlags(t, {
      'recorder.storage.type': 's3',
      'recorder.storage.bucket': 'recordings',
      'recorder.storage.root': '/all',
      'recorder.storage.endpoint': endpoint,
      'recorder.storage.access_key_id': server.accessKey,
      'recorder.storage.secret_access_key': server.secretKey,
      'recorder.storage.disable_config_load': 'true',
      ...more,
    }),
  );

const modes: [string, (t: TestSpool, endpoint: string) => Promise<WeirConfig>][] = [
  ['own credentials', async (t, endpoint) => ownConfig(t, endpoint)],
  ['presigned URLs', async (t, endpoint) => siteConfig(t, stack.use(await startGateway(await openAt(endpoint))).url)],
];

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

const trackKinds = ['video', 'audio'] as const;
/** Compares what the bucket gives back with the spool, byte by byte. */
const expectStored = async (t: TestSpool, id: string, numbers: readonly number[]): Promise<void> => {
  const { record_dir: recordDir } = t.ledger.manifestOf(id, 'all').recording;
  const names: ObjectName[] = trackKinds.flatMap((track) => [
    { kind: 'init', track, period: 1 } as const,
    ...numbers.map((number) => ({ kind: 'segment', track, number }) as const),
  ]);
  for (const name of names) {
    const found = await bucket.get(encodeKey(recordDir, name));
    expect(Buffer.concat((await found?.body.toArray()) ?? [])).toEqual(t.bytesOf(id, name));
  }
};

describe.skipIf(missing !== undefined)(isReal ? 'before OpenStack Swift' : 'before an S3 server', () => {
  beforeAll(async () => {
    server = await startPeer();
    bucket = await openAt(server.endpoint);
  });
  afterAll(() => stack.disposeAsync());

  test.each(modes)('with %s all that is closed is stored, many at once, and none is refused', async (_, configOf) => {
    using t = testSpool();
    const numbers = Array.from({ length: 12 }, (_n, index) => index + 1);
    const id = t.start(`cam-${_.replace(' ', '-')}`);
    for (const number of numbers) t.close(id, number);
    const config = await configOf(t, server.endpoint);
    config.recorder.upload.concurrency = 4;
    await using uploader = await startTestUploader(config);
    await untilStored(t, id, numbers);
    await expectStored(t, id, numbers);
    expect(await uploader.metrics()).not.toMatch(/weir_uploader_circuit_open\{[^}]*\} 1/);
  });

  test.each(modes)(
    'with %s the 200 of a captive portal stores nothing, and nothing is refused by it',
    async (_, configOf) => {
      using t = testSpool();
      await using portal = await startCaptivePortal(Number(new URL(server.endpoint).port));
      const id = t.start(`portal-${_.replace(' ', '-')}`);
      for (const number of [1, 2]) t.close(id, number);
      await using _uploader = await startTestUploader(await configOf(t, portal.url));
      await until(portal.answered, (answered) => answered >= 8);
      expect(t.ledger.inits(id).map(({ remote }) => remote)).toEqual(['none', 'none']);
      expect(t.ledger.segments(id).map(({ remote }) => remote)).toEqual(['none', 'none']);
      portal.letThrough();
      await untilStored(t, id, [1, 2]);
      await expectStored(t, id, [1, 2]);
    },
  );

  test('with presigned URLs an object of ours that lost bytes on the way is put again', async () => {
    using t = testSpool();
    const id = t.start('cut-short');
    t.close(id, 1);
    const name = { kind: 'segment', track: 'video', number: 1 } as const;
    const key = encodeKey(t.ledger.manifestOf(id, 'all').recording.record_dir, name);
    const { sha256 = '' } = t.ledger.segments(id)[0]?.tracks[0] ?? {};
    // With the metadata of the whole, as a bucket keeps it that holds no body against them.
    const half = new Uint8Array(t.bytesOf(id, name).subarray(0, 10_000));
    const given = await bucket.presign({
      method: 'PUT',
      key,
      ttlSeconds: 60,
      sha256,
      md5: md5(half),
      length: half.length,
    });
    expect((await fetch(given.url, { method: 'PUT', headers: given.headers, body: half })).status).toBe(200);
    const gateway = stack.use(await startGateway(bucket));
    await using _uploader = await startTestUploader(siteConfig(t, gateway.url));
    await untilStored(t, id, [1]);
    expect(await digestObject(bucket, key, 0)).toMatchObject({ bytes: 20_000, sha256 });
  });

  test.each([
    ['a wrong secret', { 'recorder.storage.secret_access_key': 'wrong' }, 'bucket_forbidden'],
    ['an unknown access key', { 'recorder.storage.access_key_id': 'nobody' }, 'bucket_forbidden'],
    ['a bucket that is not there', { 'recorder.storage.bucket': 'elsewhere' }, 'bucket_missing'],
  ] as [string, Settings, string][])('a start with %s is refused', async (_, more, code) => {
    using t = testSpool();
    await expect(startTestUploader(ownConfig(t, server.endpoint, more))).rejects.toMatchObject({ code });
  });
});
