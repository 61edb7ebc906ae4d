import { BucketError } from '@weir/bucket';
import { silentLog } from '@weir/runtime';
import { expect, test, vi } from 'vitest';
import { openCircuit } from './circuit.ts';
import { type PutTask, putLane } from './put-lane.ts';
import { retryTable } from './retry-table.ts';

const network = new BucketError('network', 'unreachable');
const never = new BucketError('refused', 'InvalidArgument', { status: 400 });

/** Puts one object once for each failure, and tells whether it was refused for good. */
const putWith = async (failures: readonly BucketError[]): Promise<string | null> => {
  const clock = { ms: 0 };
  const now = () => clock.ms;
  const chance = { monotonicMs: now, random: () => 0.5 };
  const ledger = { lease: () => true, release: () => undefined };
  const { signal } = new AbortController();
  const told = { counted: () => undefined, freed: () => undefined };
  const circuit = openCircuit(chance, () => undefined);
  const lane = putLane(1, {
    ledger,
    holder: 'a',
    retries: retryTable(chance),
    circuit,
    budget: { admits: () => true },
    log: silentLog(),
    now,
    signal,
    ...told,
  });
  let refused: string | null = null;
  for (const failure of failures) {
    const task: PutTask = {
      key: 'segment 1',
      lease: { kind: 'segment', recordingId: 'r', number: 1 },
      fields: {},
      run: () => Promise.reject(failure),
      refused: (reason) => {
        refused = reason;
      },
    };
    clock.ms += 600_000;
    expect(lane.start(task)).toBe(true);
    await lane.idle();
  }
  return refused;
};

test.each<[string, BucketError[], string | null]>([
  ['three times in a row', [never, never, never], 'InvalidArgument'],
  ['once after an outage', [network, network, network, never], null],
  ['twice on each side of an outage', [never, never, network, never, never], null],
  ['three times after an outage', [network, network, never, never, never], 'InvalidArgument'],
])('an answer that says never, %s', async (_, failures, reason) => {
  expect(await putWith(failures)).toBe(reason);
});

test('what is put and waits for the ledger takes no place', async () => {
  const chance = { monotonicMs: () => 0, random: () => 0.5 };
  const { signal } = new AbortController();
  const freed = { count: 0 };
  const lane = putLane(1, {
    ledger: { lease: () => true, release: () => undefined },
    holder: 'a',
    retries: retryTable(chance),
    circuit: openCircuit(chance, () => undefined),
    budget: { admits: () => true },
    log: silentLog(),
    now: () => 0,
    signal,
    counted: () => undefined,
    freed: () => {
      freed.count += 1;
    },
  });
  const written = Promise.withResolvers<void>();
  const put = Promise.withResolvers<void>();
  const task = (number: number): PutTask => ({
    key: `segment ${number}`,
    lease: { kind: 'segment', recordingId: 'r', number },
    fields: {},
    run: async () => {
      if (number === 2) await put.promise;
      return { kind: 'done' };
    },
    stored: () => written.promise,
  });
  expect(lane.start(task(1))).toBe(true);
  expect(lane.start(task(2))).toBe(false);
  await vi.waitUntil(() => lane.free() === 1);
  expect(freed.count).toBe(1);
  expect([lane.admits('segment 1'), lane.start(task(2)), lane.start(task(3))]).toEqual([false, true, false]);
  written.resolve();
  put.resolve();
  await lane.idle();
  expect([lane.free(), lane.admits('segment 1')]).toEqual([1, true]);
});
