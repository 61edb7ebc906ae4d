import { expect, test } from 'vitest';
import { createPartMemory } from './part-memory.ts';

test('what came back is given out again, to one at a time', () => {
  const memory = createPartMemory();
  const first = memory.take(5000);
  expect(first).toHaveLength(5000);
  expect(memory.take(5000).buffer).not.toBe(first.buffer);
  memory.giveBack(first);
  memory.giveBack(first);
  const again = memory.take(8000);
  expect(again).toHaveLength(8000);
  expect(again.buffer).toBe(first.buffer);
  expect(memory.take(8000).buffer).not.toBe(first.buffer);
});

test('a part that needs more does not get less', () => {
  const memory = createPartMemory();
  const small = memory.take(4096);
  memory.giveBack(small);
  expect(memory.take(4097)).toHaveLength(4097);
  expect(memory.take(1).buffer).toBe(small.buffer);
});

test('no more is kept than may be', () => {
  const memory = createPartMemory(8192);
  const taken = [memory.take(4096), memory.take(4096), memory.take(4096)];
  for (const each of taken) memory.giveBack(each);
  const kept = taken
    .map(() => memory.take(4096).buffer)
    .filter((buffer) => taken.some((each) => each.buffer === buffer));
  expect(kept).toHaveLength(2);
});
