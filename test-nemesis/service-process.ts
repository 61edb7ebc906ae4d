/** A service of Weir as a process that the nemesis kills, and that is started again as a supervisor would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';

/** How one is started. */
export type ServiceOptions = {
  /** For logs and messages. */
  name: string;
  /** The tree of Weir's source that runs. */
  source: string;
  cwd: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  logPath: string;
  /** Told when it ended though nobody killed it. */
  endedByItself(name: string, how: string): void;
};

/** See the top of this file. */
export type ServiceProcess = AsyncDisposable & {
  readonly name: string;
  readonly isRunning: boolean;
  start(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
};

const RESTART_MS = 500;

// Only what a user's shell has: no flag or key of the surrounding run reaches the product.
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WEIR_|DATABASE_URL|VITEST|NODE_)/.test(name)));

/** Makes one; it is not started. */
export const serviceProcess = (options: ServiceOptions): ServiceProcess => {
  const { name, source, cwd, args, env, logPath, endedByItself } = options;
  const log = createWriteStream(logPath, { flags: 'a' });
  let child: ChildProcess | null = null;
  let restart: NodeJS.Timeout | undefined;
  let isOver = false;

  const start = (): void => {
    clearTimeout(restart);
    if (child !== null || isOver) return;
    const started = spawn(process.execPath, [join(source, 'packages/cli/src/main.ts'), ...args], {
      cwd,
      env: { ...environment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    // A run that is cut short leaves nothing behind.
    const last = (): void => void started.kill('SIGKILL');
    process.on('exit', last);
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (bytes) => log.write(bytes));
    started.once('exit', (code, signal) => {
      process.off('exit', last);
      if (child !== started) return;
      child = null;
      if (isOver) return;
      endedByItself(name, signal ?? `exit code ${code}`);
      restart = setTimeout(start, RESTART_MS);
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    clearTimeout(restart);
    child = null;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, 'exit');
    ending.kill(signal);
    await exited;
  };
  return {
    name,
    get isRunning() {
      return child !== null;
    },
    start,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await end('SIGKILL');
      log.end();
    },
  };
};
