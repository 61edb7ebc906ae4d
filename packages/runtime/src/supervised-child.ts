/**
 * One supervised child. States: starting (first launch, until it says ready), up, down (waiting to be launched again),
 * over. Only the first launch may fail the start; afterwards a death is answered by another launch, at once the first
 * time, then with growing delays until it has stayed up for a while.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { environment } from './config.ts';
import { WeirError } from './errors.ts';
import type { Log } from './log.ts';
import { readChildMessage } from './process-messages.ts';

/** A process to run: a module for this Node.js, which calls `run`. */
export type ChildSpec = {
  name: string;
  entry: string | URL;
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  execArgv?: readonly string[];
};

/** What a child needs from its supervisor. */
export type ChildDeps = {
  log: Log;
  readyTimeoutMs: number;
  /** A child that stayed up for so long is restarted at once again. */
  stableMs: number;
  writeError: (text: string) => void;
  onReady?: (name: string, info: Record<string, unknown>, restarts: number) => void;
};

/** A child as its supervisor sees it. */
export type SupervisedChild = {
  readonly name: string;
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly state: 'starting' | 'up' | 'down' | 'over';
  /** First launch: what the child said with ready; rejects with its one line. */
  started: Promise<Record<string, unknown>>;
  /** Asks it to stop. It is not launched again. */
  stop(orderly: boolean): void;
  kill(): void;
  /** Resolves when there is no process left and there will be none. */
  over: Promise<void>;
};

// Never long: what a recorder misses while it is away must still be in the ring when it dies again as soon as it is back.
const restartDelaysMs = [0, 100, 250, 500, 1_000];
const maxHeldText = 16_384;

const lastLine = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .at(-1) ?? '';

/** Keeps what a starting child writes to standard error, so that its failure is one line; passes everything on later. */
const errorText = (child: ChildProcess, writeError: (text: string) => void) => {
  let held: string | undefined = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (held === undefined) writeError(text);
    else held = (held + text).slice(-maxHeldText);
  });
  return {
    last: () => lastLine(held ?? ''),
    release() {
      if (held !== undefined && held !== '') writeError(held);
      held = undefined;
    },
  };
};

const launch = (spec: ChildSpec): ChildProcess =>
  fork(spec.entry, [...(spec.args ?? [])], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...environment(), ...spec.env },
    execArgv: [...(spec.execArgv ?? process.execArgv)],
  });

const ended = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : signal;
      // Standard error may still hold the line that tells why; a grandchild that has it open must not hold us up.
      const done = () => resolve(how);
      const timer = setTimeout(done, 200);
      child.stderr?.once('close', () => {
        clearTimeout(timer);
        done();
      });
      if (child.stderr?.closed !== false) done();
    });
  });

/** Starts a child and keeps it running until it is stopped. */
export const superviseChild = (spec: ChildSpec, deps: ChildDeps): SupervisedChild => {
  const { name } = spec;
  const log = deps.log.child({ child: name });
  const started = Promise.withResolvers<Record<string, unknown>>();
  const stopping = new AbortController();
  let state: SupervisedChild['state'] = 'starting';
  let current: ChildProcess | undefined;
  let restarts = 0;

  /** One life; tells how long it was ready and why it could not start, if it could not. */
  const live = async (): Promise<{ readyMs: number; failure: string; how: string }> => {
    const child = launch(spec);
    current = child;
    const errors = errorText(child, deps.writeError);
    let readyAt: number | undefined;
    let failure = '';
    const late = setTimeout(() => {
      failure ||= `was not ready within ${deps.readyTimeoutMs / 1000} s: what it waits for is in its log`;
      child.kill('SIGKILL');
    }, deps.readyTimeoutMs);
    child.on('message', (raw) => {
      const message = readChildMessage(raw);
      if (message?.kind === 'failed') failure = message.message;
      if (message?.kind !== 'ready') return;
      clearTimeout(late);
      readyAt = performance.now();
      state = 'up';
      errors.release();
      started.resolve(message.info);
      deps.onReady?.(name, message.info, restarts);
    });
    const how = await ended(child);
    clearTimeout(late);
    current = undefined;
    return {
      readyMs: readyAt === undefined ? 0 : performance.now() - readyAt,
      failure: failure || errors.last(),
      how,
    };
  };

  const pause = async (attempt: number): Promise<void> => {
    const ms = restartDelaysMs[Math.min(attempt, restartDelaysMs.length - 1)] ?? 0;
    await delay(ms, undefined, { signal: stopping.signal }).catch(() => undefined);
  };

  const keepAlive = async (): Promise<void> => {
    let attempt = 0;
    while (!stopping.signal.aborted) {
      const { readyMs, failure, how } = await live();
      if (stopping.signal.aborted) break;
      if (state === 'starting') {
        const why = failure.replace(`weir ${name}: `, '') || `ended before it was ready (${how})`;
        started.reject(new WeirError('child_failed', why.startsWith(`${name}: `) ? why : `${name}: ${why}`));
        break;
      }
      state = 'down';
      if (readyMs >= deps.stableMs) attempt = 0;
      log.error({ how, readyMs: Math.round(readyMs), reason: failure, restarts }, 'child died, starting it again');
      await pause(attempt);
      attempt += 1;
      restarts += 1;
    }
    state = 'over';
    started.reject(new WeirError('child_failed', `${name}: stopped before it was ready`));
  };

  started.promise.catch(() => undefined);
  return {
    name,
    get pid() {
      return current?.pid;
    },
    get restarts() {
      return restarts;
    },
    get state() {
      return state;
    },
    started: started.promise,
    stop(orderly) {
      stopping.abort();
      if (current?.connected === true) current.send({ kind: 'stop', orderly }, () => undefined);
    },
    kill() {
      stopping.abort();
      current?.kill('SIGKILL');
    },
    over: keepAlive(),
  };
};
