import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { findProgram } from './programs.ts';

export type ChildOptions = {
  /** A line of its standard output or error that says it is ready. */
  readonly ready: RegExp;
  readonly readyTimeoutMs?: number;
  readonly stopSignal?: NodeJS.Signals;
  /** The user to run as, when this process is root's. */
  readonly user?: string | undefined;
  readonly env?: Record<string, string>;
};

/** A program that runs until it is disposed of; it dies with this process, however this one ends. */
export type Child = {
  readonly pid: number;
  /** The line that said it was ready. */
  readonly readyLine: string;
  /** The last 200 lines it wrote. */
  readonly output: readonly string[];
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const maxOutputLines = 200;
const stopTimeoutMs = 10_000;

/** True when this process may become other users. */
export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * The command with the kernel's promise, where there is one (Linux), to signal it when its parent is gone: neither a
 * killed test runner nor a lost exit handler leaves a server behind.
 */
const wrapped = (command: string, { user, stopSignal = 'SIGTERM' }: ChildOptions): string[] => {
  const setpriv = findProgram('setpriv');
  const asUser = user === undefined || !isRoot() ? [] : [`--reuid=${user}`, `--regid=${user}`, '--init-groups'];
  if (setpriv !== undefined) return [setpriv, ...asUser, `--pdeathsig=${stopSignal.slice(3)}`, command];
  if (asUser.length === 0) return [command];
  throw new Error(`${command} must run as user ${user}, for which setpriv is needed: apt-get install -y util-linux`);
};

/** Waits for the ready line, and keeps the last lines for whoever has to say what went wrong. */
const watch = (child: ChildProcess, ready: RegExp, output: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        output.push(line);
        if (output.length > maxOutputLines) output.shift();
        if (ready.test(line)) resolve(line);
      });
    }
    child.once('error', reject);
    child.once('close', (code, signal) => reject(new Error(`it ended with ${signal ?? `exit code ${code}`}`)));
  });

/** Starts a program and waits until it says it is ready; throws with its last lines when it does not. */
export const startChild = async (command: string, args: readonly string[], options: ChildOptions): Promise<Child> => {
  const [program = command, ...before] = wrapped(command, options);
  const child = spawn(program, [...before, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const closed = once(child, 'close').catch(() => {});
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.on('exit', kill);
  const stop = async (): Promise<void> => {
    child.kill(options.stopSignal ?? 'SIGTERM');
    const timer = setTimeout(kill, stopTimeoutMs);
    await closed;
    clearTimeout(timer);
    process.off('exit', kill);
  };
  const output: string[] = [];
  const limitMs = options.readyTimeoutMs ?? 20_000;
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it was not ready within ${limitMs} ms`)), limitMs);
  });
  try {
    const readyLine = await Promise.race([watch(child, options.ready, output), tooLate]);
    return { pid: child.pid ?? 0, readyLine, output, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw new Error(`${command} did not start: ${(error as Error).message}\n${output.slice(-20).join('\n')}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
};

/** Below the ports that systems give to outgoing connections, of which one would take it before it is listened on. */
const PORTS = { first: 10_000, behind: 32_000 };

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
};

/** A TCP port of 127.0.0.1 that was free a moment ago, and that no outgoing connection takes. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(PORTS.first, PORTS.behind);
    if (await isFree(port)) return port;
  }
};

/** Starts what needs a port, and again on another one when somebody was quicker. */
export const onFreePort = async <T>(start: (port: number) => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === 5 || !/address already in use/i.test(String(error))) throw error;
    }
  }
};
