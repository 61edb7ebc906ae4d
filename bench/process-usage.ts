import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { requireProgram } from '@weir/testkit';

/** CPU time and memory of another process, by the accounting of the Linux kernel. */
export type Usage = { cpuNs: number; rssBytes: number };

const ticksPerSecond = 100;
const pageBytes = 4096;

/** What a process has used so far; throws when it is gone. */
export const processUsage = (pid: number): Usage => {
  // The second field is the program's name in brackets, which may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuNs: scheduledNs(pid) ?? (ticks * 1e9) / ticksPerSecond, rssBytes: Number(fields[21]) * pageBytes };
};

// The same time as utime + stime, in nanoseconds instead of 10 ms; not every kernel has it.
const scheduledNs = (pid: number): number | undefined => {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const text = readIfThere(`/proc/${pid}/task/${task}/schedstat`);
    if (text === undefined) continue;
    sum += Number(text.split(' ')[0]);
  }
  return sum > 0 ? sum : undefined;
};

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/**
 * Keeps a process with all its threads on one core, so that two that are measured do not take each other's time; on a
 * machine with fewer than two cores nothing is done.
 */
export const keepOnCore = (pid: number, core: number): void => {
  if (availableParallelism() < 2) return;
  execFileSync(requireProgram('taskset'), ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], {
    stdio: 'ignore',
  });
};

/** Load average of the last minute: what else the machine did. */
export const loadAverage = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;
