import { expect, test, vi } from 'vitest';
import { createGathering } from './gathering.ts';

test('all who asked are called in one turn, each once, and who asks again then is called at the next', async () => {
  using gathering = createGathering(5);
  const calls: string[] = [];
  const turns = new Set<number>();
  let turn = 0;
  const note = (name: string) => () => {
    calls.push(name);
    turns.add(turn);
    queueMicrotask(() => setImmediate(() => (turn += 1)));
  };
  const [first, second, gone] = [note('first'), note('second'), note('gone')];
  const again = () => {
    calls.push('again');
    if (calls.filter((name) => name === 'again').length < 2) gathering.soon(again);
  };
  for (const work of [first, second, first, gone, again, second]) gathering.soon(work);
  gathering.never(gone);
  await vi.waitFor(() => expect(calls).toEqual(['first', 'second', 'again', 'again']));
  expect(turns).toEqual(new Set([0]));
});

test('a gathering that was let go of calls nobody', async () => {
  const called = vi.fn();
  const gathering = createGathering(1);
  gathering.soon(called);
  gathering[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(called).not.toHaveBeenCalled();
});
