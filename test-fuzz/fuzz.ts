/**
 * `npm run test:fuzz -- --seconds=600 [--seed=1] [--only=name]`: every parser with ever new inputs. The first fault ends
 * it with exit code 1 and prints the parser, seed and path, and the smallest input found as a file for the corpus.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { hostile, repeated } from './mutation.ts';
import { type Found, feed, fuzz, mostSteps, type Parser } from './parser.ts';
import { parsers } from './parser-table.ts';
import { openStepCounter } from './step-counter.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 0x7fff_ffff) },
    only: { type: 'string' },
  },
});
const runsEachTurn = 500;
const largeBytes = 65_536;
const samplesEachTurn = 8;

const report = ({ parser, seed, path, input, error }: Found): void => {
  const hex = Buffer.from(input).toString('hex');
  const name = `${parser}-${createHash('sha256').update(input).digest('hex').slice(0, 8)}.json`;
  console.error(`${error}\n\nseed ${seed}, path ${path}; keep it as test-fuzz/corpus/${name}:`);
  console.error(JSON.stringify({ parser, why: error.split('\n')[0], hex }, null, 2));
};

/** Feeds large inputs and counts the work. */
const tooMuchWork = async (parser: Parser, seed: number): Promise<Found | null> => {
  const counter = await openStepCounter();
  try {
    for (const sample of fc.sample(hostile(parser.inputs), { seed, numRuns: samplesEachTurn })) {
      const input = repeated(sample, largeBytes);
      const steps = await counter.steps(() => feed(parser, input));
      const most = mostSteps(parser, input.length);
      if (steps <= most) continue;
      const error = `${steps} steps for ${input.length} bytes, at most ${most}; this, repeated to ${largeBytes} bytes`;
      return { parser: parser.name, seed, path: '', input: sample, error };
    }
    return null;
  } finally {
    await counter.close();
  }
};

const run = async (): Promise<Found | null> => {
  const chosen = parsers.filter(({ name }) => values.only === undefined || name === values.only);
  const endMs = Date.now() + Number(values.seconds) * 1000;
  let seed = Number(values.seed);
  let inputs = 0;
  console.log(`${chosen.length} parsers for ${values.seconds} s from seed ${seed}`);
  while (Date.now() < endMs) {
    for (const parser of chosen) {
      const found = fuzz(parser, hostile(parser.inputs), seed, runsEachTurn) ?? (await tooMuchWork(parser, seed));
      if (found !== null) return found;
      inputs += runsEachTurn;
      if (Date.now() >= endMs) break;
    }
    seed = (seed + 1) % 0x7fff_ffff;
  }
  console.log(`${inputs} inputs, no fault`);
  return null;
};

const found = await run();
if (found !== null) {
  report(found);
  process.exitCode = 1;
}
