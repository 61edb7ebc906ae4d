import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';

const index = new URL('./index.ts', import.meta.url).href;
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

type Ended = { code: number | null; signal: string | null; stdout: string; stderr: string };
type Started = {
  child: ChildProcess;
  ended: Promise<Ended>;
  messages: unknown[];
  /** Resolves when standard output has the text. */
  says: (text: string) => Promise<void>;
};

/** Runs a main function as a process of its own. */
const start = (main: string, { ipc = false, options = '{}' } = {}): Started => {
  const file = join(mkdtempSync(join(tmpdir(), 'weir-run-')), 'main.ts');
  const say = 'const say = (text) => process.stdout.write(text + "\\n");';
  writeFileSync(
    file,
    `import { aborted, createLog, run, stopKind, WeirError } from '${index}';\n${say}\nawait run('test', ${main}, ${options});\n`,
  );
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : [])],
  });
  children.push(child);
  let stdout = '';
  let stderr = '';
  const messages: unknown[] = [];
  child.stdout?.on('data', (data) => (stdout += data));
  child.stderr?.on('data', (data) => (stderr += data));
  child.on('message', (message) => messages.push(message));
  const drained = [child.stdout, child.stderr].map(
    (stream) => new Promise((resolve) => stream?.once('close', resolve)),
  );
  // Not 'close': it does not come where this end closed the IPC channel.
  const ended = new Promise<Ended>((resolve) =>
    child.once('exit', async (code, signal) => {
      await Promise.all(drained);
      resolve({ code, signal, stdout, stderr });
    }),
  );
  return {
    child,
    ended,
    messages,
    says: (text) => vi.waitUntil(() => stdout.includes(text), { timeout: 10_000 }).then(() => {}),
  };
};

const service = `async (scope, signal, shell) => {
  scope.defer(() => say('closed first'));
  scope.use({ async [Symbol.asyncDispose]() { say('closed ' + stopKind(signal)); } });
  shell.ready({ port: 7 });
  say('up');
}`;

test('a start that fails is one line and exit code 1', async () => {
  const main = `async () => { throw new WeirError('port_in_use', '127.0.0.1:7777 is in use: stop\\nthe other program'); }`;
  const { ended, messages } = start(main, { ipc: true });
  const { code, stderr } = await ended;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'weir test: 127.0.0.1:7777 is in use: stop the other program\n',
  });
  expect(messages).toEqual([{ kind: 'failed', message: '127.0.0.1:7777 is in use: stop the other program' }]);
});

test('what was opened before the failure is closed', async () => {
  const main = `async (scope) => { scope.defer(() => say('closed')); throw new Error('no'); }`;
  expect(await start(main).ended).toEqual({
    code: 1,
    signal: null,
    stdout: 'closed\n',
    stderr: 'weir test: no (unexpected; set log level debug for where)\n',
  });
});

test('a main that has done its work ends the process with 0', async () => {
  expect(await start(`async () => say('done')`).ended).toMatchObject({ code: 0, stdout: 'done\n', stderr: '' });
});

test.each([
  ['SIGTERM', '{}', 'term'],
  ['SIGINT', '{}', 'term'],
  ['SIGINT', `{ interrupt: 'orderly' }`, 'orderly'],
] as const)('%s with %s closes everything, last opened first, as %s', async (signal, options, kind) => {
  const { child, ended, says } = start(service, { options });
  await says('up');
  child.kill(signal);
  expect(await ended).toMatchObject({ code: 0, stdout: `up\nclosed ${kind}\nclosed first\n`, stderr: '' });
});

test.each([
  [true, 'orderly'],
  [false, 'term'],
])('a supervised child stops on the message orderly=%s as %s', async (orderly, kind) => {
  const { child, ended, says, messages } = start(service, { ipc: true });
  await says('up');
  child.kill('SIGINT');
  child.send({ kind: 'stop', orderly });
  expect(await ended).toMatchObject({ code: 0, stdout: `up\nclosed ${kind}\nclosed first\n` });
  expect(messages).toEqual([{ kind: 'ready', info: { port: 7 } }]);
});

test('a supervised child whose channel closes stops as on SIGTERM', async () => {
  const { child, ended, says } = start(service, { ipc: true });
  await says('up');
  child.disconnect();
  expect(await ended).toMatchObject({ code: 0, stdout: 'up\nclosed term\nclosed first\n' });
});

test.each([
  ['shell.fail', `shell.fail(new Error('later'))`],
  ['a rejection that nobody handles', `Promise.reject(new Error('later'))`],
  ['an exception in a callback', `setTimeout(() => { throw new Error('later'); }, 1)`],
])('%s after the start is logged, everything is closed, exit code 1', async (_name, statement) => {
  const main = `async (scope, signal, shell) => {
    scope.defer(() => say('closed ' + stopKind(signal)));
    shell.ready();
    ${statement};
  }`;
  const { code, stdout } = await start(main).ended;
  expect(code).toBe(1);
  expect(stdout).toContain('"message":"later"');
  expect(stdout).toContain('closed failed');
});

test('a process whose output nobody reads any more goes on, and stops as ever', async () => {
  const main = `async (scope, signal, shell) => {
    shell.useLog(createLog('test', { format: 'pretty' }));
    process.once('SIGUSR2', () => {
      shell.log.info('to nobody');
      process.stderr.write('to nobody');
      setTimeout(() => process.kill(process.pid, 'SIGTERM'), 10);
    });
    shell.ready();
    say('up');
    await aborted(signal);
  }`;
  const { child, ended, says } = start(main);
  await says('up');
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.kill('SIGUSR2');
  expect(await ended).toMatchObject({ code: 0 });
});

test('a close that takes too long ends the process, naming what did not close', async () => {
  const main = `async (scope, signal, shell) => {
    setInterval(() => {}, 1000);
    scope.defer(() => new Promise(() => {}), 'the tap');
    shell.ready();
    say('up');
  }`;
  const { child, ended, says } = start(main, { options: '{ closeTimeoutMs: 50 }' });
  await says('up');
  child.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 1, stderr: 'weir test: did not close within 50 ms: the tap\n' });
});

test('a forgotten timer does not keep a closed process alive', async () => {
  const { code, stderr } = await start(`async () => { setInterval(() => {}, 1000); }`).ended;
  expect(code).toBe(0);
  expect(stderr).toBe('weir test: still alive after close because of Timeout; ending anyway\n');
});
