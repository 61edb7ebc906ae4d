/** What is asked of every parser that is fed from the network, whatever bytes come. */
import fc from 'fast-check';
import { outputSize } from './output-size.ts';

/**
 * One parser. `covers` names the functions it stands for, as `path#name`. `inputs` makes valid inputs, which are then
 * damaged; a text is made of its bytes by `read` itself. `read` feeds the parser and gives what came out; what it throws
 * is a fault unless `throws` allows it. Output and work are bounded by the input's length: values and bytes that come
 * out for each byte that goes in, and blocks of code entered for each. `worst` are large inputs thought out to make work.
 */
export type Parser = {
  name: string;
  covers: readonly string[];
  inputs: fc.Arbitrary<Uint8Array>;
  read: (bytes: Uint8Array) => unknown;
  throws?: (error: unknown) => boolean;
  worst?: readonly Uint8Array[];
  outputPerByte?: number;
  stepsPerByte?: number;
};

const outputBase = 400;
const stepsBase = 5_000;

/** The most that may come out of an input of so many bytes. */
export const mostOutput = (parser: Parser, bytes: number): number => outputBase + (parser.outputPerByte ?? 4) * bytes;

/** The most blocks of code that may be entered for an input of so many bytes. */
export const mostSteps = (parser: Parser, bytes: number): number => stepsBase + (parser.stepsPerByte ?? 20) * bytes;

/** Feeds one input; throws with what is wrong when the parser throws, changes its input, or gives out too much. */
export const feed = (parser: Parser, input: Uint8Array): void => {
  const before = input.slice();
  let output: unknown;
  try {
    output = parser.read(input);
  } catch (error) {
    if (parser.throws?.(error) !== true) throw new Error(`${parser.name} throws`, { cause: error });
  }
  if (Buffer.compare(before, input) !== 0) throw new Error(`${parser.name} changes its input`);
  const size = outputSize(output);
  const most = mostOutput(parser, input.length);
  if (size > most) {
    throw new Error(`${parser.name} makes ${size} values and bytes of ${input.length} bytes, at most ${most}`);
  }
};

/** What a run of one parser found. */
export type Found = { parser: string; seed: number; path: string; input: Uint8Array; error: string };

/** Feeds `runs` inputs made from a seed; null when all went well, else the smallest input found that does not. */
export const fuzz = (parser: Parser, inputs: fc.Arbitrary<Uint8Array>, seed: number, runs: number): Found | null => {
  const property = fc.property(inputs, (input) => feed(parser, input));
  const details = fc.check(property, { seed, numRuns: runs, endOnFailure: false });
  if (!details.failed) return null;
  const input = details.counterexample?.[0] ?? new Uint8Array();
  const error = details.errorInstance;
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.stack}` : '';
  return {
    parser: parser.name,
    seed: details.seed,
    path: details.counterexamplePath ?? '',
    input,
    error: `${error instanceof Error ? error.message : String(error)}${cause}`,
  };
};
