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

const withNew = (kept: readonly Uint8Array[], coming: readonly Uint8Array[]): readonly Uint8Array[] => {
  const all = [...kept];
  for (const set of coming) if (!all.some((other) => sameBytes(other, set))) all.push(set);
  return all.slice(-mostKept);
};
