import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * A part of a bench in a process of its own: one module that answers questions over IPC. It ends with the one that
 * started it.
 */
export type HelperProcess = AsyncDisposable & {
  readonly pid: number;
  /** Asks and waits for the answer; rejects with the helper's own error, or when it has ended. */
  ask<Answer>(question: string, argument?: unknown): Promise<Answer>;
};

type Question = { id: number; question: string; argument: unknown };
type Reply = { id: number; answer?: unknown; error?: string };

/** Starts the module at a path beside this file. */
export const startHelper = (module: string): HelperProcess => {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let nextId = 1;
  child.on('message', ({ id, answer, error }: Reply) => {
    const promise = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) promise?.resolve(answer);
    else promise?.reject(new Error(error));
  });
  const ended = once(child, 'exit').then(() => {
    for (const { reject } of waiting.values()) reject(new Error(`${module} ended with ${describeEnd(child)}`));
  });
  return {
    pid: child.pid ?? 0,
    ask: <Answer>(question: string, argument?: unknown) => {
      const promise = Promise.withResolvers<unknown>();
      const id = nextId++;
      waiting.set(id, promise);
      child.send({ id, question, argument } satisfies Question, (error) => error && promise.reject(error));
      return promise.promise as Promise<Answer>;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
};

const describeEnd = ({ signalCode, exitCode }: ChildProcess): string => signalCode ?? `exit code ${exitCode}`;

/** Serves the questions of the process that started this one, and ends when that one is gone. */
export const serveQuestions = (answers: Record<string, (argument: never) => unknown>): void => {
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.on('message', ({ id, question, argument }: Question) => {
    const answer = async () => answers[question]?.(argument as never);
    answer().then(
      (value) => process.send?.({ id, answer: value } satisfies Reply),
      (error: unknown) => process.send?.({ id, error: String(error) } satisfies Reply),
    );
  });
};
