/**
 * How a process lives and dies. States: starting (until `ready()`), running, closing, over.
 * A failure while starting is one line on standard error and exit code 1. A failure while running is logged, everything
 * is closed, exit code 1. A stop (signal, IPC message, lost IPC channel) aborts the signal and closes, exit code 0.
 * Nothing here calls `process.exit` but the last resort at the end, after a close that took too long.
 */
import { writeSync } from 'node:fs';
import { within } from './clock.ts';
import { oneLine, WeirError } from './errors.ts';
import { createLog, type Log } from './log.ts';
import { type ChildMessage, readSupervisorMessage } from './process-messages.ts';
import { openScope, type Scope } from './scope.ts';
import { aborted, isAbort, Stop, type StopKind } from './stop.ts';

/** What `main` gets beside scope and signal. */
export type Shell = {
  /** Says that everything is open; `info` goes to the supervisor. When `main` then returns, the process runs on until it is stopped. */
  ready(info?: Record<string, unknown>): void;
  /** The current logger; a plain one until `useLog`. */
  readonly log: Log;
  /** Sets the logger, once the configuration is known. */
  useLog(log: Log): void;
  /** Ends the process because of an error of work in the background. */
  fail(error: unknown): void;
};

/** The body of a process: opens its resources in flow order, calls `ready`, works until the signal aborts. */
export type Main = (scope: Scope, signal: AbortSignal, shell: Shell) => Promise<void>;

/** How a process stops. */
export type RunOptions = {
  /** What SIGINT means to a process that nobody supervises. */
  interrupt?: 'orderly' | 'term';
  /** Most time for closing everything, in milliseconds. */
  closeTimeoutMs?: number;
};

const writeLine = (line: string): void => {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Standard error is closed: the supervisor that read it is gone.
  }
};

type Send = (message: unknown, handle: undefined, options: undefined, done: () => void) => boolean;

const tellParent = (message: ChildMessage): void => {
  const send = process.send as Send | undefined;
  if (process.connected) send?.call(process, message, undefined, undefined, () => undefined);
};

const listen = (stop: (kind: StopKind) => void, interrupt: 'orderly' | 'term', fail: (error: unknown) => void) => {
  const supervised = process.send !== undefined;
  const onTerm = () => stop('term');
  // Ctrl-C goes to the whole process group; the supervisor alone decides what it means. A second one changes
  // nothing: npm passes on what the terminal already delivered.
  const onInterrupt = () => (supervised ? undefined : stop(interrupt));
  const onMessage = (raw: unknown) => {
    const message = readSupervisorMessage(raw);
    if (message !== null) stop(message.orderly ? 'orderly' : 'term');
  };
  process.on('SIGTERM', onTerm).on('SIGINT', onInterrupt).on('uncaughtException', fail);
  // Whoever reads the output may be gone before us: work goes on, and telling of that error would be the next one.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  if (supervised) process.on('message', onMessage).on('disconnect', onTerm);
  return () => {
    process.off('SIGTERM', onTerm).off('SIGINT', onInterrupt).off('uncaughtException', fail);
    process.off('message', onMessage).off('disconnect', onTerm);
    if (process.connected) process.disconnect?.();
  };
};

/** Ends the process if something forgotten keeps it alive, naming it. */
const watchTheEnd = (name: string, lingerMs: number): void => {
  setTimeout(() => {
    const left = process.getActiveResourcesInfo().filter((kind) => kind !== 'PipeWrap' && kind !== 'TTYWrap');
    writeLine(`weir ${name}: still alive after close because of ${[...new Set(left)].join(', ')}; ending anyway`);
    // Last resort: everything of ours is closed, and a process that lingers would hold up its supervisor.
    process.exit(process.exitCode ?? 0);
  }, lingerMs).unref();
};

/** Waits for `main` and the scope; false if it took too long. */
const closeAll = async (main: Promise<void>, scope: Scope, timeoutMs: number): Promise<boolean> => {
  const late = new WeirError('timed_out');
  try {
    const closed = main.catch(() => undefined).then(() => scope[Symbol.asyncDispose]());
    await within(closed, timeoutMs, () => late);
    return true;
  } catch (error) {
    if (error === late) return false;
    throw error;
  }
};

/** Runs `main` as this process: signals, one-line start errors, bounded close (last opened first), exit code. */
export const run = async (name: string, main: Main, options: RunOptions = {}): Promise<void> => {
  const { interrupt = 'term', closeTimeoutMs = 10_000 } = options;
  const scope = openScope();
  const controller = new AbortController();
  let log = createLog(name);
  let isReady = false;
  let failure: unknown;
  const stop = (kind: StopKind) => controller.abort(new Stop(kind));
  const fail = (error: unknown) => {
    if (controller.signal.aborted && isAbort(error)) return;
    if (failure === undefined) {
      failure = error;
      report(error);
    } else log.error({ err: error }, 'another failure');
    stop('failed');
  };
  const report = (error: unknown) => {
    process.exitCode = 1;
    if (isReady) {
      log.fatal({ err: error }, 'failed');
      return;
    }
    const unknown = error instanceof WeirError ? '' : ' (unexpected; set log level debug for where)';
    writeLine(`weir ${name}: ${oneLine(error)}${unknown}`);
    tellParent({ kind: 'failed', message: oneLine(error) });
    if (log.isLevelEnabled('debug')) log.debug({ err: error }, 'start failed');
  };
  const shell: Shell = {
    ready(info = {}) {
      if (isReady) return;
      isReady = true;
      tellParent({ kind: 'ready', info });
    },
    get log() {
      return log;
    },
    useLog(next) {
      log = next;
    },
    fail,
  };
  const unlisten = listen(stop, interrupt, fail);
  // Signal handlers do not keep a process alive that waits for nothing but a signal.
  const hold = setInterval(() => undefined, 0x7fffffff);
  const work = main(scope, controller.signal, shell);
  work.catch(fail);
  try {
    // After ready(), a main that returns has left everything running; before, it has done all it had to do.
    await Promise.race([
      work.then(() => (isReady ? aborted(controller.signal) : undefined)),
      aborted(controller.signal),
    ]);
  } catch {
    // fail() has it.
  }
  if (!controller.signal.aborted) stop('orderly');
  try {
    if (!(await closeAll(work, scope, closeTimeoutMs))) {
      writeLine(`weir ${name}: did not close within ${closeTimeoutMs} ms: ${scope.open()[0] ?? 'its main function'}`);
      // Last resort: something does not close, and whoever stopped us waits for the process to end.
      process.exit(1);
    }
  } catch (error) {
    process.exitCode = 1;
    log.error({ err: error }, 'close failed');
  }
  clearInterval(hold);
  unlisten();
  watchTheEnd(name, 2_000);
};
