import { openBucket, storageConfig } from '@weir/bucket';
import { encodeKey, weirConfig } from '@weir/contracts';
import { type S3ServerOptions, startS3Server } from '@weir/testkit';
import { afterEach, expect, test, vi } from 'vitest';
import {
  objectAt,
  type Settings,
  startTestUploader,
  type TestSpool,
  testSpool,
  untilStored,
  uploaderConfig,
  uploaderFlags,
} from './uploader-fixture.ts';

/** Each key of `[recorder.storage]` has its effect: in every row, the key is what makes the difference. */
afterEach(() => void vi.unstubAllEnvs());

const init = { kind: 'init', track: 'video', period: 1 } as const;

const keysOf = (t: TestSpool, storage: Settings): Settings => {
  const { 'recorder.storage.type': _, 'recorder.storage.root': __, ...flags } = uploaderFlags(t);
  const named = Object.entries(storage).map(([key, value]) => [`recorder.storage.${key}`, value]);
  return { ...flags, ...Object.fromEntries(named) };
};

/** Uploads a segment with these keys to a server like this one; returns where the init file came to lie. */
const upload = async (storage: Settings, options: Partial<S3ServerOptions> = {}) => {
  await using server = await startS3Server({
    accessKey: 'weir',
    secretKey: 'correct',
    buckets: ['recordings', 'other'],
    ...options,
  });
  using t = testSpool();
  const id = t.start('cam-1');
  t.close(id, 1);
  const base = { type: 's3', bucket: 'recordings', endpoint: server.endpoint };
  const given = { access_key_id: 'weir', secret_access_key: 'correct', disable_config_load: 'true' };
  const wanted = Object.entries({ ...base, ...given, ...storage }).filter(([, value]) => value !== '');
  await using _uploader = await startTestUploader(uploaderConfig(keysOf(t, Object.fromEntries(wanted))));
  await untilStored(t, id, [1]);
  const key = encodeKey(t.ledger.manifestOf(id, 'all').recording.record_dir, init);
  const puts = server.requests.filter(({ method, status }) => method === 'PUT' && status === 200);
  return { key, puts: puts.map(({ bucket, key: at }) => `${bucket}:${at}`), requests: [...server.requests] };
};

const effects: Record<string, () => Promise<void>> = {
  type: async () => {
    using t = testSpool();
    const id = t.start('cam-1');
    t.close(id, 1);
    const flags = keysOf(t, { type: 'fs', root: t.beside('bucket') });
    await using _uploader = await startTestUploader(uploaderConfig(flags));
    await untilStored(t, id, [1]);
    const key = encodeKey(t.ledger.manifestOf(id, 'all').recording.record_dir, init);
    expect(objectAt(t, key)).toEqual(t.bytesOf(id, init));
  },
  bucket: async () => {
    const { key, puts } = await upload({ bucket: 'other' });
    expect(puts).toContain(`other:${key}`);
  },
  root: async () => {
    const { key, puts } = await upload({ root: '/sites/one/' });
    expect(puts).toContain(`recordings:sites/one/${key}`);
    expect(puts.every((at) => at.startsWith('recordings:sites/one/'))).toBe(true);
  },
  region: async () => {
    const { key, puts } = await upload({ region: 'eu-central-1' }, { region: 'eu-central-1' });
    expect(puts).toContain(`recordings:${key}`);
    const { requests } = await upload({});
    expect(requests.every(({ headers }) => headers.authorization?.includes('/us-east-1/s3/'))).toBe(true);
  },
  endpoint: async () => {
    await using elsewhere = await startS3Server({ accessKey: 'weir', secretKey: 'correct', buckets: [] });
    await expect(upload({ endpoint: elsewhere.endpoint })).rejects.toMatchObject({ code: 'bucket_missing' });
  },
  access_key_id: async () => {
    await expect(upload({ access_key_id: 'nobody' })).rejects.toMatchObject({ code: 'bucket_forbidden' });
  },
  secret_access_key: async () => {
    await expect(upload({ secret_access_key: 'wrong' })).rejects.toMatchObject({ code: 'bucket_forbidden' });
  },
  session_token: async () => {
    const { key, puts, requests } = await upload({ session_token: 'for-an-hour' }, { sessionToken: 'for-an-hour' });
    expect(puts).toContain(`recordings:${key}`);
    expect(requests.every(({ headers }) => headers['x-amz-security-token'] === 'for-an-hour')).toBe(true);
  },
  disable_config_load: async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'weir');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'correct');
    const none = { access_key_id: '', secret_access_key: '' };
    const { key, puts } = await upload({ ...none, disable_config_load: 'false' });
    expect(puts).toContain(`recordings:${key}`);
    await expect(upload({ ...none, disable_config_load: 'true' })).rejects.toMatchObject({ code: 'config_invalid' });
  },
  enable_virtual_host_style: async () => {
    const hostOf = async (style: 'true' | 'false'): Promise<string> => {
      using t = testSpool();
      const s3 = { type: 's3', bucket: 'recordings', endpoint: 'http://localhost:9', disable_config_load: 'true' };
      const given = { access_key_id: 'weir', secret_access_key: 'correct', enable_virtual_host_style: style };
      const config = uploaderConfig(keysOf(t, { ...s3, ...given }));
      const deps = { now: Date.now, random: Math.random };
      await using bucket = await openBucket(storageConfig(config.recorder.storage), deps);
      const { url } = await bucket.presign({ method: 'GET', key: 'a', ttlSeconds: 60 });
      return url.split('?')[0] ?? '';
    };
    expect(await hostOf('true')).toBe('http://recordings.localhost:9/a');
    expect(await hostOf('false')).toBe('http://localhost:9/recordings/a');
  },
};

test.each(Object.keys(effects))('recorder.storage.%s has its effect', async (key) => {
  await effects[key]?.();
});

test('every key of [recorder.storage] is tried here', () => {
  const { recorder } = weirConfig.shape;
  const keys = Object.keys(recorder.unwrap().shape.storage.unwrap().shape);
  expect(keys.toSorted()).toEqual(Object.keys(effects).toSorted());
});
