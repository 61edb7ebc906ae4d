import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { freePort, startMosquitto, startS3Server, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { freePorts, portFlags, startWeir } from './weir-process.ts';

const failedStart = async (directory: string, flags: readonly string[]) => {
  const weir = startWeir(directory, ['up', ...portFlags(await freePorts()), ...flags]);
  const code = await weir.end('SIGCONT');
  return { code, lines: weir.output().trim().split('\n') };
};

const cases: [string, (directory: string) => Promise<string[]> | string[], RegExp][] = [
  [
    'an unknown key',
    (directory) => {
      writeFileSync(join(directory, 'weir.toml'), '[recorder]\nauto_stream = ["*"]\n');
      return [];
    },
    /weir\.toml:2: recorder\.auto_stream: no such key; did you mean recorder\.auto_streams\?/,
  ],
  ['a bad value', () => ['--recorder.segment_seconds=none'], /recorder\.segment_seconds.*number/],
  [
    'a data directory that cannot be made',
    (directory) => {
      writeFileSync(join(directory, 'data'), 'a file');
      return [];
    },
    /data.*(cannot write|create)/,
  ],
  [
    'a data directory where nobody may make one',
    () => ['--data_dir=/proc/weir'],
    /\/proc\/weir.*(cannot write|create)|cannot write.*\/proc\/weir/,
  ],
  [
    'an unreachable database',
    async () => [
      `--database.url=postgresql://weir:secret-word@127.0.0.1:${await freePort()}/weir`,
      '--database.connect_timeout=2',
    ],
    /127\.0\.0\.1.*\[database\] url/,
  ],
  [
    'a bucket inside the spool',
    (directory) => {
      mkdirSync(join(directory, 'data/spool/bucket'), { recursive: true });
      return ['--recorder.storage.root=./data/spool/bucket'];
    },
    /spool.*bucket|bucket.*spool/,
  ],
];

test.each(cases)('%s stops the start with one line', async (_name, prepare, expected) => {
  using directory = temporaryDirectory('bad-start');
  const { code, lines } = await failedStart(directory.path, await prepare(directory.path));
  expect(code).toBe(1);
  const told = lines.filter((line) => line.startsWith('weir') && !line.startsWith('weir: wrote'));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(expected);
  expect(lines.join('\n')).not.toMatch(/secret-word|^\s+at /m);
});

test('a port in use stops the start with one line', async () => {
  using directory = temporaryDirectory('port-in-use');
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port } = holder.address() as { port: number };
  const { code, lines } = await failedStart(directory.path, [`--gateway.listen=127.0.0.1:${port}`]);
  holder.close();
  expect(code).toBe(1);
  expect(lines.filter((line) => /in use/.test(line))).toHaveLength(1);
  expect(lines.join('\n')).toContain(String(port));
  // Its password was told to nobody: the start that succeeds makes another.
  expect(existsSync(join(directory.path, 'data/secrets/api-token'))).toBe(true);
  expect(existsSync(join(directory.path, 'data/secrets/admin'))).toBe(false);
});

test('a broker that refuses the password stops the start with one line', async () => {
  using directory = temporaryDirectory('broker-refused');
  await using broker = await startMosquitto({ users: { weir: { password: 'right' } } });
  const { code, lines } = await failedStart(directory.path, [
    `--net4mqtt.mqtt_url=${broker.url}`,
    '--net4mqtt.username=weir',
    '--net4mqtt.password=wrong-word',
  ]);
  expect(code).toBe(1);
  const told = lines.filter((line) => /broker/.test(line) && line.startsWith('weir'));
  expect(told).toHaveLength(1);
  expect(lines.join('\n')).not.toContain('wrong-word');
});

test.each([
  ['is missing', 'missing', 'right-secret', /missing/],
  ['is forbidden', 'recordings', 'wrong-secret', /recordings/],
])('a bucket that %s stops the start with one line', async (_name, bucket, secret, named) => {
  using directory = temporaryDirectory('bad-bucket');
  const keys = { accessKey: 'weir', secretKey: 'right-secret' };
  const s3 = await startS3Server({ ...keys, region: 'us-east-1', buckets: ['recordings'] });
  const { code, lines } = await failedStart(directory.path, [
    '--recorder.storage.type=s3',
    `--recorder.storage.bucket=${bucket}`,
    '--recorder.storage.region=us-east-1',
    `--recorder.storage.endpoint=${s3.endpoint}`,
    '--recorder.storage.access_key_id=weir',
    `--recorder.storage.secret_access_key=${secret}`,
  ]);
  await s3.stop();
  expect(code).toBe(1);
  const told = lines.filter((line) => line.startsWith('weir up'));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(named);
  expect(lines.join('\n')).not.toMatch(/-secret|^\s+at /m);
});
