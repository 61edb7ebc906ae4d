import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { startChild } from './child-process.ts';
import { launchChromium } from './chromium.ts';
import { startMosquitto } from './mosquitto.ts';
import { startPostgres } from './postgres.ts';
import { requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const run = promisify(execFile);

/** The return code of a CONNACK (MQTT 3.1.1 §3.2.2.3) to a CONNECT with user and password. */
const connectReturnCode = async (port: number, user: string, password: string): Promise<number> => {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)]);
  const body = Buffer.concat([text('MQTT'), Buffer.from([4, 0xc2, 0, 60]), text('client'), text(user), text(password)]);
  const socket = connect(port, '127.0.0.1');
  socket.write(Buffer.concat([Buffer.from([0x10, body.length]), body]));
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    socket.destroy();
    return chunk[3] ?? -1;
  }
  return -1;
};

test('a program that is missing is named with the way to get it', () => {
  expect(requireProgram('psql')).toMatch(/psql$/);
  vi.stubEnv('PATH', '');
  expect(() => requireProgram('nothing' as 'ffmpeg')).toThrow(/"nothing" is missing.*apt-get install/);
  vi.unstubAllEnvs();
});

test('a program that ends before it is ready is reported with its last words', async () => {
  const started = startChild('/bin/sh', ['-c', 'echo no licence >&2; exit 3'], { ready: /ready/ });
  await expect(started).rejects.toThrow(/exit code 3\nno licence/);
});

test('a temporary directory goes with its user', () => {
  const directory = temporaryDirectory('test');
  expect(existsSync(directory.path)).toBe(true);
  directory[Symbol.dispose]();
  expect(existsSync(directory.path)).toBe(false);
});

test('PostgreSQL answers by its URL, refuses a wrong password, and is gone afterwards', async () => {
  const psql = requireProgram('psql');
  const postgres = await startPostgres();
  const ask = async (url: string, query: string): Promise<string> =>
    (await run(psql, [url, '-XAtc', query])).stdout.trim();
  expect(await ask(postgres.url, 'select 6 * 7')).toBe('42');
  expect(await ask(await postgres.createDatabase('another'), 'select current_database()')).toBe('another');
  await expect(ask(postgres.url.replace(/:[0-9a-f]+@/, ':wrong@'), 'select 1')).rejects.toThrow(/password/);
  await postgres.stop();
  await expect(ask(postgres.url, 'select 1')).rejects.toThrow(/refused/);
});

test('Mosquitto knows its users, and comes back on the same port', async () => {
  const users = { node: { password: 'secret', topics: ['readwrite weir/#'] } };
  const first = await startMosquitto({ users });
  expect(await connectReturnCode(first.port, 'node', 'secret')).toBe(0);
  expect(await connectReturnCode(first.port, 'node', 'wrong')).toBe(5);
  await first.stop();
  await using again = await startMosquitto({ port: first.port });
  expect(await connectReturnCode(again.port, 'anybody', '')).toBe(0);
});

test('Chromium has a camera and a microphone', async () => {
  await using stack = new AsyncDisposableStack();
  // Cameras are given to pages from this machine only.
  const server = createServer((_request, response) => void response.setHeader('content-type', 'text/html').end('<p>'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => server.closeAllConnections());
  stack.defer(() => void server.close());
  const { browser } = stack.use(await launchChromium());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const kinds = await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    return stream.getTracks().map((track) => track.kind);
  });
  expect(kinds.toSorted()).toEqual(['audio', 'video']);
});

test('a server dies with the process that started it, even by SIGKILL', async () => {
  const script = `
    import { startMosquitto } from ${JSON.stringify(new URL('./mosquitto.ts', import.meta.url).href)};
    process.stdout.write(String((await startMosquitto()).port));
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(owner.stdout, 'data')) as [Buffer];
  expect(await connectReturnCode(Number(port), 'anybody', '')).toBe(0);
  owner.kill('SIGKILL');
  await vi.waitFor(() => expect(connectReturnCode(Number(port), 'anybody', '')).rejects.toThrow(/ECONNREFUSED/), 5_000);
});
