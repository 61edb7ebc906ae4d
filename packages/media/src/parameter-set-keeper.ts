import { sameBytes } from './byte-equality.ts';

/** Parameter sets as NAL units without start codes, by what they are, in the order in which they came. */
export type SetsOf<Kind extends string> = Readonly<Record<Kind, readonly Uint8Array[]>>;

/** Keeps the parameter sets in force and gives the configuration record that a unit is coded with. */
export type ParameterSetKeeper<Kind extends string> = {
  configurationFor: (unit: { key: boolean; sets: SetsOf<Kind> }) => Uint8Array | null;
  /** Whether any set came with a unit. */
  inBand: () => boolean;
};

const mostKept = 31;

/**
 * Makes a keeper of sets of these kinds, with those known already. The record is the same object while nothing
 * changes. A kind that comes with a key frame that has an SPS replaces what came before of it, others are added.
 */
export const parameterSetKeeper = <Kind extends string>(
  kinds: readonly Kind[],
  known: SetsOf<Kind> | null,
  encode: (sets: SetsOf<Kind>) => Uint8Array | null,
): ParameterSetKeeper<Kind | 'sps'> => {
  const from = (make: (kind: Kind) => readonly Uint8Array[]): SetsOf<Kind> =>
    Object.fromEntries(kinds.map((kind) => [kind, make(kind)])) as SetsOf<Kind>;
  let inBand = false;
  let sets = known ?? from(() => []);
  let configuration = known === null ? null : encode(known);
  return {
    configurationFor: (unit) => {
      if (kinds.every((kind) => unit.sets[kind].length === 0)) return configuration;
      inBand = true;
      const replaces = unit.key && unit.sets.sps.length > 0;
      const next = from((kind) => {
        const coming = unit.sets[kind];
        return withNew(replaces && coming.length > 0 ? [] : sets[kind], coming);
      });
      const record = encode(next);
      if (record === null) {
        // Some of what belongs together: the rest may come with the next packet or unit.
        if (configuration === null) sets = next;
        return configuration;
      }
      sets = next;
      if (configuration === null || !sameBytes(record, configuration)) configuration = record;
      return configuration;
    },
    inBand: () => inBand,
  };
};

// Copies: a view would keep the memory that the packet came in, for as long as its parameter set is in force.
const withNew = (kept: readonly Uint8Array[], coming: readonly Uint8Array[]): readonly Uint8Array[] => {
  const all = [...kept];
  for (const set of coming) if (!all.some((other) => sameBytes(other, set))) all.push(set.slice());
  return all.slice(-mostKept);
};

/** Reads `count` NAL units behind 16-bit lengths, as in configuration records, and where they end; null when they are not there. */
export const readLengthPrefixed = (
  bytes: Uint8Array,
  start: number,
  count: number,
): { nals: Uint8Array[]; end: number } | null => {
  const nals: Uint8Array[] = [];
  let at = start;
  for (let index = 0; index < count; index++) {
    if (at + 2 > bytes.length) return null;
    const length = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    if (length === 0 || at + 2 + length > bytes.length) return null;
    nals.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { nals, end: at };
};
