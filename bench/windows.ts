import { setTimeout as pause } from 'node:timers/promises';
import { processUsage } from './process-usage.ts';

/** What processes used in a window: nanoseconds of CPU of each, the window's length, and their memory at its end. */
export type Window<Counted> = {
  cpuNs: number[];
  elapsedNs: number;
  rssBytes: number[];
  before: Counted;
  after: Counted;
};

/** Measures processes over one window after another; `count` is asked at both ends of each. */
export const measureWindows = async <Counted>(
  pids: readonly number[],
  { windows, windowMs }: { windows: number; windowMs: number },
  count: () => Promise<Counted>,
): Promise<Window<Counted>[]> => {
  const measured: Window<Counted>[] = [];
  for (let index = 0; index < windows; index++) {
    const before = await count();
    const start = process.hrtime.bigint();
    const first = pids.map(processUsage);
    await pause(windowMs);
    const last = pids.map(processUsage);
    const elapsedNs = Number(process.hrtime.bigint() - start);
    const cpuNs = last.map((usage, at) => usage.cpuNs - (first[at]?.cpuNs ?? 0));
    measured.push({ cpuNs, elapsedNs, rssBytes: last.map(({ rssBytes }) => rssBytes), before, after: await count() });
  }
  return measured;
};
