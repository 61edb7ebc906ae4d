import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { readNetRequest } from './arguments.ts';
import { netUsage } from './usage.ts';

const broker = ['--broker', 'mqtt://127.0.0.1:1883'];

test('short names are keys of the configuration, and keys go as they are', () => {
  const line = ['agent', ...broker, '--alias=edge-1', '--allow', 'a:1', '--allow', 'b:*', '--target', 'a:1', '-vv'];
  const request = readNetRequest([...line, '--net4mqtt.username=edge-1', '--plain']);
  expect(request).toMatchObject({ role: 'agent', level: 'debug' });
  expect(request.config.net4mqtt).toMatchObject({
    mqtt_url: 'mqtt://127.0.0.1:1883',
    alias: 'edge-1',
    username: 'edge-1',
    allow: ['a:1', 'b:*'],
    plain_target: 'a:1',
    plain: true,
  });
});

test('a local has its defaults', () => {
  expect(readNetRequest(['local-socks', ...broker])).toMatchObject({
    listen: { address: '127.0.0.1', port: 1077 },
    domain: 'net4mqtt.local',
    agent: null,
    login: null,
    isPlain: false,
    level: 'warn',
  });
  const port = readNetRequest(['local-port', ...broker, '--listen', '[::1]:53', '--agent', 'edge-1', '--udp', '-v']);
  expect(port).toMatchObject({ listen: { address: '::1', port: 53 }, target: '-', isUdp: true, level: 'info' });
});

test('the password is the first line of its file', () => {
  using directory = temporaryDirectory('net-password');
  const file = join(directory.path, 'password');
  writeFileSync(file, 'a word\n');
  const request = readNetRequest(['local-socks', ...broker, '--user', 'bob', '--password-file', file]);
  expect(request).toMatchObject({ login: { user: 'bob', password: 'a word' } });
});

test.each([
  [[], 'nothing: agent, local-port or local-socks; weir help shows how'],
  [['tunnel'], 'tunnel: agent, local-port or local-socks; weir help shows how'],
  [['agent', 'more'], 'more: expected only options behind agent; weir help shows how'],
  [['agent', '--colour'], "Unknown option '--colour'; weir help shows how"],
  [['agent', '--listen=127.0.0.1:1'], '--listen is none of weir net agent; weir help shows how'],
  [['agent', '--target=camera'], /^--target=camera: expected host:port/],
  [['agent', '--alias=a/b'], /^--net4mqtt.alias/],
  [['local-socks', '--listen=here'], /^--listen=here: expected address:port/],
  [['local-socks', '--user=bob'], '--user and --password-file belong together: give both or neither'],
  [['local-socks', '--user=bob', '--password-file=/nowhere'], /^--password-file=\/nowhere: cannot be read/],
  [['local-socks', '--domain=a b'], /^--domain=a b: expected a domain/],
  [['local-port', '--listen=127.0.0.1:1'], /^local-port needs --listen ADDRESS:PORT and --agent ALIAS/],
  [['local-port', '--listen=127.0.0.1:1', '--agent=a/b'], /^--agent=a\/b: expected the alias/],
  [['local-port', '--name=#', '--listen=127.0.0.1:1', '--agent=a'], /^--name=#: expected/],
])('%j is refused with what to do', (args, message) => {
  expect(() => readNetRequest(args)).toThrow(message);
});

test('the usage names every option', () => {
  const options = 'broker alias allow target key listen agent udp domain user password-file plain name data-dir config';
  expect(options.split(' ').filter((option) => !netUsage.includes(`--${option}`))).toEqual([]);
});
