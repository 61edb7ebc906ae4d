/**
 * Counts work without a clock: the blocks of our code that were entered and of the schemas', by the coverage counters of the
 * JavaScript engine. The same input costs the same steps on every machine, however busy. What runs inside the engine, such as a
 * regular expression, is not counted.
 */
import { type Profiler, Session } from 'node:inspector/promises';

/** Counts the steps of a piece of work. */
export type StepCounter = { steps: (work: () => void) => Promise<number>; close: () => Promise<void> };

const isOurs = ({ url }: Profiler.ScriptCoverage): boolean =>
  /\/(packages|services)\/[^?]*\/src\/|\/node_modules\/zod\//.test(url);

/** Begins to count; code runs slower from here on. */
export const openStepCounter = async (): Promise<StepCounter> => {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const take = async (): Promise<number> => {
    const { result } = await session.post('Profiler.takePreciseCoverage');
    return result
      .filter(isOurs)
      .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
      .reduce((sum, { count }) => sum + count, 0);
  };
  return {
    steps: async (work) => {
      await take();
      work();
      return take();
    },
    close: async () => {
      await session.post('Profiler.stopPreciseCoverage');
      session.disconnect();
    },
  };
};
