import { expect, test } from 'vitest';
import { weirConfig } from './config.ts';

test('an empty file is a whole configuration with the defaults of the seed', () => {
  const config = weirConfig.parse({});
  expect(config.recorder).toMatchObject({
    auto_streams: [],
    max_recording_seconds: 86_400,
    segment_seconds: 4,
    reconnect_seconds: 30,
    upload: {
      enabled: false,
      liveman_url: 'http://127.0.0.1:8888',
      local_dir: './recordings',
      presign_ttl_seconds: 300,
      interval_ms: 2000,
      concurrency: 2,
    },
    storage: { disable_config_load: false, enable_virtual_host_style: false },
  });
  expect(config.database).toEqual({
    url: 'sqlite://./weir.db',
    max_connections: 10,
    query_timeout: 30,
    connect_timeout: 30,
  });
  expect(config.http.listen).toBe('0.0.0.0:7777');
  expect(config.gateway.listen).toBe('0.0.0.0:8888');
  expect(config.tap.listen).toBe('127.0.0.1:7778');
  expect(config.broker.listen).toBe('127.0.0.1:1883');
});

test.each([
  ['an unknown section', { recoder: {} }],
  ['an unknown key', { recorder: { auto_stream: [] } }],
  ['a number out of range', { recorder: { segment_seconds: 0 } }],
  ['an address without port', { http: { listen: '127.0.0.1' } }],
  ['a port beyond 65535', { http: { listen: '127.0.0.1:65536' } }],
  ['a public address without http', { gateway: { public: 'weir.example.org' } }],
  ['a string for a number', { recorder: { upload: { concurrency: '2' } } }],
  ['an alias with a slash', { net4mqtt: { alias: 'a/b' } }],
])('%s is refused', (_name, value) => {
  expect(weirConfig.safeParse(value).success).toBe(false);
});
