/** A short run with a fixed seed over every parser; `npm run test:fuzz -- --seconds=600` is the long one. */

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { corpus } from './corpus.ts';
import { exportedReaders } from './exported-readers.ts';
import { hostile, repeated } from './mutation.ts';
import { feed, fuzz, mostSteps } from './parser.ts';
import { notFromNetwork, parsers } from './parser-table.ts';
import { openStepCounter, type StepCounter } from './step-counter.ts';

const seed = 20_260_102;
const runs = 150;
const largeBytes = 16_384;

test.each(parsers)(
  'whatever comes, $name does not throw, leaves it as it was and gives out no more than its share',
  (parser) => {
    expect(fuzz(parser, hostile(parser.inputs), seed, runs)).toBeNull();
  },
);

test.each(corpus())('what once was a fault is none: $why', ({ parser: name, input }) => {
  const parser = parsers.find((each) => each.name === name);
  expect(parser, `a parser named ${name}`).toBeDefined();
  if (parser !== undefined) feed(parser, input);
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('nothing is kept of what was read', async () => {
  const read = parsers.map((parser) => ({
    name: parser.name,
    inputs: fc.sample(hostile(parser.inputs), { seed, numRuns: 20 }).map((sample) => {
      const input = sample.slice();
      feed(parser, input);
      return new WeakRef(input.buffer);
    }),
  }));
  // A weak reference holds on until the end of the turn.
  await setImmediate();
  collectGarbage();
  const kept = read.filter(({ inputs }) => inputs.some((input) => input.deref() !== undefined));
  expect(kept.map(({ name }) => name)).toEqual([]);
});

describe('work', () => {
  let counter: StepCounter;
  beforeAll(async () => {
    counter = await openStepCounter();
  });
  afterAll(() => counter.close());

  test.each(parsers)('grows no faster than its input: $name', async (parser) => {
    const samples = [
      ...fc.sample(parser.inputs, { seed, numRuns: 2 }),
      ...fc.sample(hostile(parser.inputs), { seed, numRuns: 5 }),
    ];
    for (const large of [...samples.map((sample) => repeated(sample, largeBytes)), ...(parser.worst ?? [])]) {
      const steps = await counter.steps(() => feed(parser, large));
      expect(steps, Buffer.from(large.subarray(0, 400)).toString('hex')).toBeLessThan(mostSteps(parser, large.length));
    }
  });
});

test('every exported function that reads what others wrote is in the table, or says why not', () => {
  const readers = exportedReaders();
  const covered = new Set([...parsers.flatMap(({ covers }) => covers), ...Object.keys(notFromNetwork)]);
  expect(readers.length).toBeGreaterThan(40);
  expect(readers.filter((reader) => !covered.has(reader))).toEqual([]);
  expect(Object.keys(notFromNetwork).filter((name) => !readers.includes(name))).toEqual([]);
});

test('each row has a name of its own', () => {
  expect(parsers.map(({ name }) => name)).toEqual([...new Set(parsers.map(({ name }) => name))]);
});
