import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFrameQueue, type FrameKind } from './frame-queue.ts';

const kinds: FrameKind[] = ['packet', 'publication', 'ended'];

test('whatever is pushed and let go of, it holds what a list would', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.oneof(fc.integer({ min: 1, max: 1400 }), fc.constant(90_000)) }) },
    { weight: 2, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 40 }) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 1, max: 200_000 }), (steps, mostBytes) => {
      const queue = createFrameQueue();
      const list: { frame: Uint8Array; ordinal: number; kind: FrameKind }[] = [];
      let pushed = 0;
      for (const each of steps) {
        if ('push' in each) {
          const item = { frame: new Uint8Array(each.push).fill(pushed), ordinal: 2 ** 40 + pushed };
          const kind = kinds[pushed % 3] as FrameKind;
          queue.push(item.frame, { ordinal: item.ordinal, atMs: pushed / 4, kind });
          list.push({ ...item, kind });
          pushed += 1;
        } else for (let count = 0; count < each.shift && queue.start < queue.end; count += 1) queue.shift();
        const held = list.slice(queue.start);
        expect(queue.end).toBe(pushed);
        expect(queue.bytes).toBe(held.reduce((sum, { frame }) => sum + frame.length, 0));
      }
      const copied: Uint8Array[] = [];
      for (let index = queue.start; index < queue.end; ) {
        const { frames, next } = queue.copy(index, mostBytes);
        expect(next === index + 1 || frames.length <= mostBytes).toBe(true);
        expect(queue.ordinalAt(index)).toBe(list[index]?.ordinal);
        expect(queue.kindAt(index)).toBe(list[index]?.kind);
        expect(queue.atMsAt(index)).toBe(index / 4);
        copied.push(frames);
        index = next;
      }
      expect(Buffer.concat(copied).equals(Buffer.concat(list.slice(queue.start).map(({ frame }) => frame)))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('a stream that is let go of as it comes stays in the same memory, and most of it is copied in few pieces', () => {
  const queue = createFrameQueue();
  const frame = new Uint8Array(1000);
  for (let ordinal = 0; ordinal < 500; ordinal += 1) queue.push(frame, { ordinal, atMs: 0, kind: 'packet' });
  const { capacity } = queue;
  for (let ordinal = 500; ordinal < 50_000; ordinal += 1) {
    queue.push(frame, { ordinal, atMs: 0, kind: 'packet' });
    queue.shift();
  }
  expect(queue.capacity).toBe(capacity);
  expect(capacity).toBeLessThan(2 * 500_000);
  let pieces = 0;
  for (let index = queue.start; index < queue.end; pieces += 1) index = queue.copy(index, 1_000_000).next;
  expect(pieces).toBeLessThanOrEqual(2);
});

test('what was taken in for a while is given back, and a copy stays as it was', () => {
  const queue = createFrameQueue();
  for (let ordinal = 0; ordinal < 10_000; ordinal += 1) {
    queue.push(new Uint8Array(1000).fill(ordinal), { ordinal, atMs: 0, kind: 'packet' });
  }
  expect(queue.capacity).toBeGreaterThan(10_000_000);
  const copy = queue.copy(9_999, 0).frames;
  while (queue.end - queue.start > 10) queue.shift();
  expect(queue.capacity).toBeLessThan(200_000);
  for (let ordinal = 0; ordinal < 50; ordinal += 1)
    queue.push(new Uint8Array(1000), { ordinal, atMs: 0, kind: 'packet' });
  expect(copy).toEqual(new Uint8Array(1000).fill(9_999));
});
