import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Environment, WeirError } from '@weir/runtime';

/** How a program ended, with the last lines of its standard error. */
export type ProgramEnd = { code: number | null; lines: readonly string[] };

/** A program that runs; `stop` lets it finish what it has in hand, for at most two seconds. */
export type RunningProgram = { readonly ended: Promise<ProgramEnd>; stop(): Promise<void> };

const mostLines = 20;
const mostOutputBytes = 4 * 1024 * 1024;
const stopTimeoutMs = 2_000;

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The path of `ffmpeg` or `ffprobe`; throws `program_missing`, which says how to get it. */
export const findProgram = (name: 'ffmpeg' | 'ffprobe', env: Environment): string => {
  const directories = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  const found = directories.map((directory) => join(directory, name)).find(isExecutable);
  if (found !== undefined) return found;
  const how =
    'apt-get install ffmpeg (Debian, Ubuntu), brew install ffmpeg (macOS), or https://ffmpeg.org/download.html';
  throw new WeirError('program_missing', `${name} is not in the PATH, and weir publish needs it: ${how}`);
};

const endOf = async (child: ChildProcess): Promise<ProgramEnd> => {
  const lines: string[] = [];
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.trim() !== '') lines.push(line.trim());
      if (lines.length > mostLines) lines.shift();
    });
  }
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, lines };
  } catch (error) {
    throw new WeirError('program_missing', `${child.spawnfile} cannot be started: ${(error as Error).message}`, {
      cause: error,
    });
  }
};

/** Starts a program that reads nothing. What it prints goes to `onOutput`, all of it before it counts as ended. */
export const startProgram = (
  path: string,
  args: readonly string[],
  onOutput?: (chunk: Buffer) => void,
): RunningProgram => {
  const output = onOutput === undefined ? 'ignore' : 'pipe';
  // In a process group of its own: Ctrl-C goes to a whole group, and this one is stopped in its turn.
  const child = spawn(path, args, { stdio: ['ignore', output, 'pipe'], detached: true });
  child.stdout?.on('data', (chunk: Buffer) => {
    try {
      onOutput?.(chunk);
    } catch {
      // The program then ends with an error of its own, which is what the user is told.
      child.stdout?.destroy();
    }
  });
  const ended = endOf(child);
  ended.catch(() => undefined);
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await ended.catch(() => undefined);
    clearTimeout(timer);
  };
  return { ended, stop };
};

/** Runs a program to its end and returns what it printed; null with its last line of error when it failed. */
export const readProgram = async (
  path: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<{ output: string | null; lines: readonly string[] }> => {
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal === undefined ? {} : { signal }) });
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= mostOutputBytes) chunks.push(chunk);
    else child.kill('SIGKILL');
  });
  const { code, lines } = await endOf(child);
  return { output: code === 0 ? Buffer.concat(chunks).toString() : null, lines };
};
