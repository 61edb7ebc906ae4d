import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReceiveMemory } from './receive-memory.ts';

test('what was kept stays as it came, whatever is read behind it', () => {
  const reads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 60 });
  fc.assert(
    fc.property(reads, (chunks) => {
      const memory = createReceiveMemory(40, 64);
      const kept = chunks.map((chunk) => {
        memory.scratch.set(chunk);
        return memory.keep(chunk.length);
      });
      expect(kept.map((bytes) => [...bytes])).toEqual(chunks.map((chunk) => [...chunk]));
    }),
  );
});

test('small reads share a slab, and a read as long as the scratch has one though slabs are shorter', () => {
  const memory = createReceiveMemory(128, 64);
  expect(memory.keep(20).buffer).toBe(memory.keep(20).buffer);
  expect(memory.keep(128).byteLength).toBe(128);
});
