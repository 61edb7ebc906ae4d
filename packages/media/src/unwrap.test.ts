import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sequenceDistance, sequenceUnwrapper, timestampDistance, timestampUnwrapper } from './unwrap.ts';

test('sequence numbers grow over the wrap and go back with a late packet', () => {
  const unwrap = sequenceUnwrapper();
  expect([65534, 65535, 0, 65535, 1].map(unwrap)).toEqual([65534, 65535, 65536, 65535, 65537]);
});

test('sequence numbers can begin at a resumed value', () => {
  const unwrap = sequenceUnwrapper(3 * 65536 + 65535);
  expect(unwrap(0)).toBe(4 * 65536);
});

test('a late first packet is below the one before it, even below zero', () => {
  const unwrap = sequenceUnwrapper();
  expect([0, 65535].map(unwrap)).toEqual([0, -1]);
});

test('timestamps grow over many wraps', () => {
  const unwrap = timestampUnwrapper();
  let wire = 0xffff_f000;
  let expected = wire;
  unwrap(wire);
  for (let step = 0; step < 20; step++) {
    wire = (wire + 0x6000_0000) >>> 0;
    expected += 0x6000_0000;
    expect(unwrap(wire)).toBe(expected);
  }
});

test('distances take the shorter way round', () => {
  expect(sequenceDistance(65535, 1)).toBe(2);
  expect(sequenceDistance(1, 65535)).toBe(-2);
  expect(timestampDistance(0xffff_ffff, 3000)).toBe(3001);
  expect(timestampDistance(3000, 0xffff_ffff)).toBe(-3001);
});

describe('whatever the alignment to the wrap', () => {
  test('every sequence number of the ring is passed in order, one by one', () => {
    const unwrap = sequenceUnwrapper(0);
    for (let sequence = 1; sequence <= 3 * 65_536; sequence++) {
      if (unwrap(sequence & 0xffff) !== sequence) expect.fail(`at ${sequence}`);
    }
  });

  test('sequence numbers differ as those that were meant do', () => {
    const steps = fc.array(fc.integer({ min: -32_768, max: 32_767 }), { maxLength: 50 });
    fc.assert(
      fc.property(fc.nat(0xffff), steps, (start, walk) => {
        const unwrap = sequenceUnwrapper();
        let meant = unwrap(start);
        for (const step of walk) {
          meant += step;
          expect(unwrap(meant & 0xffff)).toBe(meant);
        }
      }),
    );
  });

  test('timestamps differ as those that were meant do', () => {
    const steps = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 50 });
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), steps, (start, walk) => {
        const unwrap = timestampUnwrapper();
        let meant = unwrap(start);
        for (const step of walk) {
          meant += step;
          expect(unwrap(((meant % 2 ** 32) + 2 ** 32) % 2 ** 32)).toBe(meant);
        }
      }),
    );
  });
});
