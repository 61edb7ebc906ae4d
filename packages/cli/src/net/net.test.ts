/** The commands as people run them, over Mosquitto, with curl and with datagrams written by hand. */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadOrCreateKeyPair } from '@weir/runtime';
import { type Child, startChild, startMosquitto, temporaryDirectory } from '@weir/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const stack = new AsyncDisposableStack();
afterAll(() => stack.disposeAsync());

const exec = (command: string, args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(command, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
const curl = (...args: string[]) => exec('curl', ['--silent', '--show-error', '--max-time', '20', ...args]);
const weir = (...args: string[]) => exec(process.execPath, [main, ...args]);

const start = (...args: string[]): Promise<Child> =>
  startChild(process.execPath, [main, 'net', ...args], { ready: /^weir net: / });
/** Locals of the test that runs. */
const locals: Child[] = [];
afterEach(async () => {
  for (const local of locals.splice(0)) await local.stop();
});
/** The address that the ready line of a local names. */
const where = async (...args: string[]): Promise<string> => {
  const local = await start(...args);
  locals.push(local);
  return /(\d+\.\d+\.\d+\.\d+:\d+)/.exec(local.readyLine)?.[1] ?? '';
};

const big = 'x'.repeat(3_000_000);
let broker = '';
let web = '';
let echo = '';
let directory = '';
let agentLog: readonly string[] = [];

beforeAll(async () => {
  broker = stack.use(await startMosquitto()).url;
  directory = stack.use(temporaryDirectory('net')).path;
  const site = createServer((request, response) => {
    if (request.url === '/big') response.end(big);
    else request.pipe(response.setHeader('x-host', request.headers.host ?? ''));
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  stack.defer(() => void site.close());
  web = `127.0.0.1:${(site.address() as AddressInfo).port}`;
  const udp = createSocket('udp4');
  udp.on('message', (datagram, from) => udp.send(`echo ${datagram}`, from.port, from.address));
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  stack.defer(() => void udp.close());
  echo = `127.0.0.1:${udp.address().port}`;
  mkdirSync(join(directory, 'secrets'), { recursive: true });
  const { publicText } = await loadOrCreateKeyPair(join(directory, 'secrets', 'gateway.key'));
  const allow = ['--allow', web, '--allow', echo, '--target', web];
  const agent = await start(
    'agent',
    '--broker',
    broker,
    '--alias',
    'edge-1',
    `--key=${publicText}`,
    '--plain',
    ...allow,
  );
  agentLog = stack.use(agent).output;
}, 60_000);

const datagramTo = async (address: string, datagram: Buffer): Promise<Buffer> => {
  const socket = createSocket('udp4');
  const [host, port] = address.split(':');
  try {
    socket.send(datagram, Number(port), host);
    const [answer] = await once(socket, 'message');
    return answer;
  } finally {
    socket.close();
  }
};

describe.each([
  ['mux', [] as string[]],
  ['plain tcp and udp', ['--plain']],
])('by %s', (_name, how) => {
  const local = (...args: string[]) => where(...args, '--broker', broker, '--data-dir', directory, ...how);

  test('curl fetches through the SOCKS5 proxy, by the name of the agent and by address', async () => {
    const proxy = await local('local-socks', '--listen', '127.0.0.1:0', '--agent', 'edge-1');
    const byName = await curl('--socks5-hostname', proxy, '-i', '-d', 'hello', 'http://edge-1.net4mqtt.local:8/');
    expect(byName.stdout).toMatch(/x-host: edge-1\.net4mqtt\.local:8[\s\S]*hello$/);
    const byAddress = await curl('--socks5-hostname', proxy, `http://${web}/big`);
    expect([byAddress.stderr, byAddress.stdout === big]).toEqual(['', true]);
    const refused = await curl('--socks5-hostname', proxy, 'http://127.0.0.1:9/');
    expect(refused.code).not.toBe(0);
    expect(agentLog.join('\n')).toContain('127.0.0.1:9 is not in [net4mqtt] allow');
  }, 60_000);

  test('a local port leads curl to the default target, and datagrams to theirs', async () => {
    const port = await local('local-port', '--listen', '127.0.0.1:0', '--agent', 'edge-1');
    expect((await curl(`http://${port}/`, '-d', 'through a port')).stdout).toBe('through a port');
    const udp = await local('local-port', '--listen', '127.0.0.1:0', '--agent', 'edge-1', '--target', echo, '--udp');
    expect(String(await datagramTo(udp, Buffer.from('ping')))).toBe('echo ping');
  }, 60_000);

  test('UDP ASSOCIATE carries datagrams with their addresses', async () => {
    const proxy = await local('local-socks', '--listen', '127.0.0.1:0', '--agent', 'edge-1');
    const control = connect({ host: '127.0.0.1', port: Number(proxy.split(':')[1]) });
    try {
      control.write(Buffer.from('050100', 'hex'));
      expect((await once(control, 'data'))[0]).toEqual(Buffer.from('0500', 'hex'));
      control.write(Buffer.from('05030001000000000000', 'hex'));
      const [reply] = (await once(control, 'data')) as [Buffer];
      expect(reply.subarray(0, 8)).toEqual(Buffer.from('050000017f000001', 'hex'));
      const head = Buffer.concat([Buffer.from('000000017f000001', 'hex'), Buffer.alloc(2)]);
      head.writeUInt16BE(Number(echo.split(':')[1]), 8);
      const answer = await datagramTo(`127.0.0.1:${reply.readUInt16BE(8)}`, Buffer.concat([head, Buffer.from('hi')]));
      expect(answer).toEqual(Buffer.concat([head, Buffer.from('echo hi')]));
    } finally {
      control.destroy();
    }
  }, 60_000);
});

test('a proxy with a password serves who has it, and nobody else', async () => {
  const file = join(directory, 'password');
  writeFileSync(file, 'a word\n');
  const login = ['--user', 'bob', '--password-file', file, '--broker', broker, '--data-dir', directory];
  const proxy = await where('local-socks', '--listen', '127.0.0.1:0', ...login);
  const url = 'http://edge-1.net4mqtt.local/';
  const get = (...args: string[]) => curl('--socks5-hostname', proxy, ...args, '-d', 'in', url);
  expect((await get('--proxy-user', 'bob:a word')).stdout).toBe('in');
  expect((await get('--proxy-user', 'bob:a wore')).code).toBe(97);
  expect((await get()).code).toBe(97);
}, 60_000);

test("a key that is not the agent's opens nothing", async () => {
  const other = join(directory, 'other');
  const port = await where(
    'local-port',
    '--listen=127.0.0.1:0',
    '--agent=edge-1',
    '--broker',
    broker,
    '--data-dir',
    other,
  );
  expect((await curl(`http://${port}/`)).code).not.toBe(0);
  expect(agentLog.join('\n')).toContain('edge-1 knows no such token');
}, 60_000);

describe('bad input is one line that says what to do, and exit code 1', () => {
  const local = (listen: string) => ['local-port', '--agent=a', `--listen=${listen}`];
  test.each<[string, () => string[], RegExp]>([
    ['no broker', () => local('127.0.0.1:0'), /no broker: name one with --broker/],
    ['a broker that is away', () => [...local('127.0.0.1:0'), '--broker=mqtt://127.0.0.1:9'], /does not answer/],
    ['nobody who could come', () => ['agent', '--allow=a:1', '--broker', broker], /nobody could come: name the key/],
    ['a key that is none', () => ['agent', '--allow=a:1', '--key=x', '--broker', broker], /not an Ed25519 public key/],
    ['nothing allowed', () => ['agent', '--plain', '--broker', broker], /nothing is allowed: name what/],
    ['a port without a number', () => local('here'), /--listen=here: expected address:port/],
  ])(
    '%s',
    async (_name, args, line) => {
      const { code, stdout, stderr } = await weir(
        'net',
        ...args(),
        ...(args()[0] === 'agent' ? [] : ['--data-dir', directory]),
      );
      expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({ code: 1, stdout: '', lines: 1 });
      expect(stderr).toMatch(line);
    },
    30_000,
  );

  test('a port that is taken', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, stderr } = await weir(
      'net',
      ...local(`127.0.0.1:${port}`),
      '--broker',
      broker,
      '--data-dir',
      directory,
    );
    server.close();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^weir net: cannot listen \(EADDRINUSE\).*choose another --listen\n$/),
    ]);
  }, 30_000);
});
