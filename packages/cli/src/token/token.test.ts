import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCatalog } from '@weir/catalog';
import { decodeJoinLine } from '@weir/contracts';
import { hashSecret, silentLog } from '@weir/runtime';
import { temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished, test } from 'vitest';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

test('an operator makes, lists, replaces and revokes tokens; what is wrong is one line', async () => {
  const directory = temporaryDirectory('token-command');
  onTestFinished(() => directory[Symbol.dispose]());
  const url = `sqlite://${join(directory.path, 'weir.db')}`;
  const weir = (args: string[], more: string[] = []): Promise<{ code: unknown; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const flags = [`--database.url=${url}`, `--data_dir=${directory.path}`, '--profile=up', ...more];
      execFile(process.execPath, [main, 'token', ...args, ...flags], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : error.code, stdout, stderr });
      });
    });
  const gateway = ['--gateway.public=https://weir.example.org/'];
  const made = await weir(['node', '--alias', 'edge.3', '--streams', 'edge3-*', '--expires', '30d'], gateway);
  expect(made.code).toBe(0);
  // One line, and nothing but it, so that it can be piped.
  expect(made.stdout).toMatch(/^weir-join-1\.\S+\n$/);
  expect(made.stderr).toContain('weir site --join');
  const read = decodeJoinLine(made.stdout);
  if (!('line' in read)) throw new Error(read.fault);
  expect(read.line).toEqual({
    alias: 'edge.3',
    broker: ['wss://weir.example.org/mqtt'],
    gateway: 'https://weir.example.org',
    username: 'edge~2E3',
    password: expect.stringMatching(/^weir_site_[A-Za-z0-9_-]{43}$/),
    key: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
  });
  await using catalog = await openCatalog(
    { url, maxConnections: 1, connectTimeoutSeconds: 5 },
    { now: Date.now, log: silentLog() },
  );
  expect(await catalog.tokenOfHash(hashSecret(read.line.password).toString('hex'))).toMatchObject({
    streams: 'edge3-*',
  });
  expect(readFileSync(join(directory.path, 'weir.db')).includes(read.line.password)).toBe(false);
  expect(made.stderr).not.toContain(read.line.password);

  const again = await weir(['node', '--alias', 'edge.3'], gateway);
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringMatching(/edge\.3 has the token t\w+ already: .*--replace/),
  ]);
  const named = [
    '--broker',
    'mqtts://me:hush@broker.example.org:8883',
    '--broker=ws://10.0.0.1/mqtt',
    '--gateway=http://10.0.0.1',
  ];
  const passwords = join(directory.path, 'passwords');
  const replaced = await weir(['node', '--alias', 'edge.3', '--replace', `--password-file=${passwords}`, ...named]);
  expect(readFileSync(passwords, 'utf8')).toMatch(/^edge~2E3:weir_site_\S+\n$/);
  expect(statSync(passwords).mode & 0o777).toBe(0o600);
  expect(decodeJoinLine(replaced.stdout)).toMatchObject({
    line: { broker: ['mqtts://broker.example.org:8883', 'ws://10.0.0.1/mqtt'], gateway: 'http://10.0.0.1' },
  });
  expect(replaced.stderr).toContain('has no TLS');

  const listed = (await weir(['list'])).stdout;
  expect(listed).toMatch(
    /^t\w+ {2}edge\.3, streams edge3-\*, made 20\S+ \S+ UTC, REVOKED .*\nt\w+ {2}edge\.3, streams \*, .*expires never\n$/,
  );
  const id = listed.split('\n')[1]?.split(' ')[0] ?? '';
  expect((await weir(['revoke', id])).stdout).toBe(`${id} is revoked: its site is cut off within 5 s\n`);
  expect((await weir(['revoke', id])).stdout).toBe(`${id} was revoked already\n`);

  const elsewhere = await weir([
    'node',
    '--alias',
    'edge-9',
    ...named,
    '--net4mqtt.mqtt_url=mqtts://broker.example.org',
  ]);
  expect(elsewhere.stderr).toContain('the broker must know user edge-9');

  for (const [args, words] of [
    [['node'], /--alias is missing/],
    [['node', '--alias', 'a/b', ...named], /expected letters, digits/],
    [['node', '--alias', 'gateway', ...named], /in use in this configuration/],
    [['node', '--alias', 'here', '--net4mqtt.alias=here', ...named], /in use in this configuration/],
    [['node', '--alias', 'a'], /Set \[gateway\] public, or pass --gateway/],
    [['node', '--alias', 'a', '--expires', '1d ago', ...named], /expected a time to come/],
    [['node', '--alias', 'a', '--expires=2001-01-01', ...named], /expected a time to come/],
    [['node', '--alias', 'a', '--streams', 'a b', ...named], /expected one pattern/],
    [['node', '--alias', 'a', '--ca', '/nowhere', ...named], /--ca \/nowhere: cannot be read/],
    [['revoke', 'tnothing'], /there is no token tnothing/],
    [['revoke'], /revoke which token/],
    [['burn'], /burn: node, list or revoke/],
    [['list', 'x'], /x: what is that/],
  ] as const) {
    const { code, stdout, stderr } = await weir([...args]);
    expect([code, stdout, stderr.trim().split('\n').length, stderr]).toEqual([1, '', 1, expect.stringMatching(words)]);
  }
}, 120_000);
