/** Damage to valid inputs: what a bad link, a bug at the other end, or ill will makes of them. */
import fc from 'fast-check';

/** One damage. Places are fractions of the input's length, so that they stay in it while the input shrinks. */
export type Damage =
  | { kind: 'flip'; at: number; bit: number }
  | { kind: 'set'; at: number; value: number }
  | { kind: 'cut'; at: number }
  | { kind: 'remove' | 'double' | 'move'; from: number; to: number }
  | { kind: 'insert'; at: number; bytes: Uint8Array }
  | { kind: 'length'; at: number; width: 1 | 2 | 4; value: number };

const place = fc.double({ min: 0, max: 1, noNaN: true });
const span = { from: place, to: place };

// What tells lies best: nothing, one, one more or less than a power of two, everything.
const lies = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_ffff),
  fc.nat(64),
);

const damage: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), at: place, value: fc.nat(255) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: place }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('remove', 'double', 'move'), ...span }) },
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: fc.uint8Array({ maxLength: 24 }) }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('length' as const),
      at: place,
      width: fc.constantFrom(1 as const, 2 as const, 4 as const),
      value: lies,
    }),
  },
);

const mostBytes = 65_536;

const joined = (...pieces: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(pieces).subarray(0, mostBytes));

const changed = (bytes: Uint8Array, at: number, change: (before: number) => number): Uint8Array => {
  const copy = bytes.slice();
  if (at < copy.length) copy[at] = change(copy[at] as number);
  return copy;
};

/** The bytes after one damage; the bytes given stay as they are. */
export const damaged = (bytes: Uint8Array, one: Damage): Uint8Array => {
  const at = (fraction: number): number => Math.floor(fraction * bytes.length);
  switch (one.kind) {
    case 'flip':
      return changed(bytes, at(one.at), (before) => before ^ (1 << one.bit));
    case 'set':
      return changed(bytes, at(one.at), () => one.value);
    case 'cut':
      return bytes.slice(0, at(one.at));
    case 'insert':
      return joined(bytes.subarray(0, at(one.at)), one.bytes, bytes.subarray(at(one.at)));
    case 'length': {
      const copy = bytes.slice();
      const start = at(one.at);
      for (let byte = 0; byte < one.width && start + byte < copy.length; byte++) {
        copy[start + byte] = one.value >>> (8 * (one.width - 1 - byte));
      }
      return copy;
    }
    case 'remove':
    case 'double':
    case 'move': {
      const [from, to] = [Math.min(at(one.from), at(one.to)), Math.max(at(one.from), at(one.to))];
      const [head, middle, tail] = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)];
      if (one.kind === 'remove') return joined(head, tail);
      return one.kind === 'double' ? joined(head, middle, middle, tail) : joined(middle, head, tail);
    }
  }
};

const spliced = (valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.tuple(valid, valid, place, place).map(([one, other, from, to]) => {
    const head = one.subarray(0, Math.floor(from * one.length));
    return joined(head, other.subarray(Math.floor(to * other.length)));
  });

/** Valid inputs, damaged ones, two spliced together, and plain noise. */
export const hostile = (valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    { weight: 1, arbitrary: valid },
    {
      weight: 8,
      arbitrary: fc
        .tuple(valid, fc.array(damage, { minLength: 1, maxLength: 6 }))
        .map(([bytes, damages]) => damages.reduce(damaged, bytes)),
    },
    { weight: 2, arbitrary: spliced(valid) },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  );

/** An input of `bytes` bytes, made of one that is repeated. */
export const repeated = (input: Uint8Array, bytes: number): Uint8Array => {
  const large = new Uint8Array(input.length === 0 ? 0 : bytes);
  for (let at = 0; at < large.length; at += input.length) large.set(input.subarray(0, large.length - at), at);
  return large;
};
