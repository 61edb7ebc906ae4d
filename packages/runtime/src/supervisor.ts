import { within } from './clock.ts';
import { WeirError } from './errors.ts';
import type { Log } from './log.ts';
import { type ChildDeps, type ChildSpec, type SupervisedChild, superviseChild } from './supervised-child.ts';

/** What runs, in which order it starts and stops. */
export type SupervisorOptions = {
  /** Groups of children: a group starts when the one before it is ready; all in one group start at once. */
  groups: readonly (readonly ChildSpec[])[];
  /** Names in the order of stopping; default the groups in reverse. Who is not named stops last. */
  stopOrder?: readonly (readonly string[])[];
  log: Log;
  /** Ends the wait for the start. */
  signal?: AbortSignal;
  /** Most time for stopping all children, then they are killed. */
  stopTimeoutMs?: number;
  readyTimeoutMs?: number;
  stableMs?: number;
  /** Where what children write to standard error goes. */
  writeError?: (text: string) => void;
  onReady?: ChildDeps['onReady'];
};

/** Running children. Closing it stops them as on SIGTERM. */
export type Supervisor = AsyncDisposable & {
  readonly children: readonly SupervisedChild[];
  /** What a child said when it was first ready. */
  info(name: string): Record<string, unknown>;
  /** Stops all: `orderly` ends recordings, else they stay open. Resolves when no process is left. */
  stop(orderly: boolean): Promise<void>;
};

// So much of the time for stopping is kept for the groups behind one that does not stop.
const reserveShare = 0.3;

const stopGroups = async (groups: readonly SupervisedChild[][], orderly: boolean, timeoutMs: number, log: Log) => {
  const all = groups.flat();
  const deadline = performance.now() + timeoutMs;
  const late = () => new WeirError('timed_out');
  for (const [index, group] of groups.entries()) {
    for (const child of group) child.stop(orderly);
    const reserveMs = index === groups.length - 1 ? 0 : timeoutMs * reserveShare;
    const ms = Math.max(0, deadline - reserveMs - performance.now());
    await within(Promise.all(group.map((child) => child.over)), ms, late).catch(() => undefined);
  }
  for (const child of all.filter(({ state }) => state !== 'over')) {
    log.error({ child: child.name, timeoutMs }, 'child does not stop, killing it');
    child.kill();
  }
  await Promise.all(all.map((child) => child.over));
};

const inOrder = (children: readonly SupervisedChild[], order: readonly (readonly string[])[]): SupervisedChild[][] => {
  const named = order.map((names) => children.filter(({ name }) => names.includes(name)));
  const rest = children.filter(({ name }) => !order.flat().includes(name));
  return [...named, rest].filter((group) => group.length > 0);
};

const untilAborted = (signal: AbortSignal | undefined): { promise: Promise<never>; release: () => void } => {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onAbort = () => reject(signal?.reason);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return { promise, release: () => signal?.removeEventListener('abort', onAbort) };
};

/**
 * Starts children and keeps them running: one that ends before it is ready ends all, with its one line as the error;
 * one that dies later is started again. Children end by themselves when this process is gone (their IPC channel closes).
 */
export const startSupervisor = async (options: SupervisorOptions): Promise<Supervisor> => {
  const { groups, log, signal, stopTimeoutMs = 4_000, readyTimeoutMs = 30_000, stableMs = 10_000, onReady } = options;
  const writeError = options.writeError ?? ((text: string) => void process.stderr.write(text));
  const deps: ChildDeps = { log, readyTimeoutMs, stableMs, writeError, ...(onReady === undefined ? {} : { onReady }) };
  const children: SupervisedChild[] = [];
  const infos = new Map<string, Record<string, unknown>>();
  const reversed = groups.map((group) => group.map(({ name }) => name)).reverse();
  const stop = (orderly: boolean) =>
    stopGroups(inOrder(children, options.stopOrder ?? reversed), orderly, stopTimeoutMs, log);
  const abort = untilAborted(signal);
  try {
    for (const group of groups) {
      const fresh = group.map((spec) => superviseChild(spec, deps));
      children.push(...fresh);
      const started = Promise.all(fresh.map(async (child) => infos.set(child.name, await child.started)));
      await Promise.race([started, abort.promise]);
    }
  } catch (error) {
    await stop(false);
    throw error;
  } finally {
    abort.release();
  }
  return {
    children,
    info: (name) => infos.get(name) ?? {},
    stop,
    [Symbol.asyncDispose]: () => stop(false),
  };
};
