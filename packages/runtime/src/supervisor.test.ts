import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { silentLog } from './log.ts';
import type { ChildSpec } from './supervised-child.ts';
import { type Supervisor, type SupervisorOptions, startSupervisor } from './supervisor.ts';

const index = new URL('./index.ts', import.meta.url).href;
const opened: Supervisor[] = [];
afterEach(async () => {
  for (const supervisor of opened.splice(0)) await supervisor.stop(false);
});

const directory = mkdtempSync(join(tmpdir(), 'weir-supervisor-'));
let files = 0;

/** A child that runs `body` in its main function; it appends what it says to `diary`. */
const child = (name: string, body: string, diary = join(directory, 'diary')): ChildSpec => {
  files += 1;
  const entry = join(directory, `${name}-${files}.ts`);
  writeFileSync(
    entry,
    `import { appendFileSync } from 'node:fs';
import { run, stopKind, WeirError } from '${index}';
const say = (text) => appendFileSync('${diary}', text + '\\n');
await run('${name}', async (scope, signal, shell) => { ${body} }, { closeTimeoutMs: 60000 });
`,
  );
  return { name, entry };
};

const start = async (groups: ChildSpec[][], options: Partial<SupervisorOptions> = {}): Promise<Supervisor> => {
  const supervisor = await startSupervisor({ groups, log: silentLog(), writeError: () => undefined, ...options });
  opened.push(supervisor);
  return supervisor;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const read = (file: string): string[] => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);
const pidsOf = (supervisor: Supervisor): number[] => supervisor.children.flatMap(({ pid }) => pid ?? []);
const goodBody = (name: string) =>
  `scope.defer(() => say('${name} ' + stopKind(signal))); say('${name} up'); shell.ready({ pid: process.pid });`;

test('starts groups one after the other and stops them in the order asked for, leaving no process', async () => {
  const diary = join(directory, 'order');
  const spec = (name: string) => child(name, goodBody(name), diary);
  const supervisor = await start([[spec('broker')], [spec('node'), spec('recorder')]], {
    stopOrder: [['recorder'], ['node'], ['broker']],
  });
  expect(read(diary)[0]).toBe('broker up');
  expect(read(diary).slice(1).sort()).toEqual(['node up', 'recorder up']);
  const pids = pidsOf(supervisor);
  expect(supervisor.info('node')).toEqual({ pid: supervisor.children[1]?.pid });
  await supervisor.stop(true);
  expect(read(diary).slice(3)).toEqual(['recorder orderly', 'node orderly', 'broker orderly']);
  expect(pids.filter(isAlive)).toEqual([]);
});

test('a child that fails to start ends all with its one line', async () => {
  const good = child('node', goodBody('node'));
  const bad = child('uploader', `throw new WeirError('bucket_missing', 'bucket films does not exist: create it');`);
  await expect(start([[good, bad]])).rejects.toMatchObject({
    code: 'child_failed',
    message: 'uploader: bucket films does not exist: create it',
  });
});

test.each([
  ['exits without a word', `process.exit(3);`, 'x: ended before it was ready (exit code 3)'],
  [
    'is killed',
    `process.kill(process.pid, 'SIGKILL'); await new Promise(() => {});`,
    'x: ended before it was ready (SIGKILL)',
  ],
  ['dies with a message', `process.stderr.write('first\\nlast line\\n'); process.exit(1);`, 'x: last line'],
])('a child that %s before it is ready is named', async (_name, body, message) => {
  await expect(start([[child('x', body)]])).rejects.toMatchObject({ message });
});

test('a child that never becomes ready is killed, which is said', async () => {
  const slow = child('slow', 'await new Promise(() => setInterval(() => {}, 1000));');
  await expect(start([[slow]], { readyTimeoutMs: 1_500 })).rejects.toMatchObject({
    message: 'slow: was not ready within 1.5 s: what it waits for is in its log',
  });
});

test('a killed child is back, again and again, and the others do not notice', async () => {
  const supervisor = await start([[child('recorder', goodBody('recorder')), child('node', goodBody('node'))]]);
  const [recorder, node] = supervisor.children;
  const nodePid = node?.pid;
  for (const times of [1, 2]) {
    const old = recorder?.pid ?? 0;
    process.kill(old, 'SIGKILL');
    await vi.waitUntil(() => recorder?.restarts === times && recorder.state === 'up', { timeout: 10_000 });
    expect(recorder?.pid).not.toBe(old);
  }
  expect(node).toMatchObject({ pid: nodePid, restarts: 0 });
});

test('a child that does not stop is killed in bounded time', async () => {
  const stubborn = child(
    'stubborn',
    `scope.defer(() => new Promise(() => setInterval(() => {}, 1000))); shell.ready();`,
  );
  const polite = child('polite', goodBody('polite'));
  const supervisor = await start([[polite], [stubborn]], { stopTimeoutMs: 600 });
  const pids = pidsOf(supervisor);
  await supervisor.stop(true);
  expect(pids.filter(isAlive)).toEqual([]);
});

test('children end by themselves when their supervisor is killed', async () => {
  const diary = join(directory, 'orphans');
  const spec = child('orphan', goodBody('orphan'), diary);
  const main = join(directory, 'main.ts');
  writeFileSync(
    main,
    `import { run, silentLog, startSupervisor } from '${index}';
await run('up', async (scope, _signal, shell) => {
  const supervisor = scope.use(await startSupervisor({ groups: [[${JSON.stringify(spec)}]], log: silentLog() }));
  process.stdout.write(supervisor.children[0].pid + '\\n');
  shell.ready();
});
`,
  );
  const supervisor: ChildProcess = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = await new Promise<number>((resolve) => supervisor.stdout?.once('data', (data) => resolve(Number(data))));
  expect(isAlive(pid)).toBe(true);
  supervisor.kill('SIGKILL');
  await vi.waitUntil(() => !isAlive(pid), { timeout: 10_000 });
  expect(read(diary)).toEqual(['orphan up', 'orphan term']);
});
