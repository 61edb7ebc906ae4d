import { sameBytes } from './byte-equality.ts';
import { encodeAvcC, type ParameterSets } from './h264-parameter-sets.ts';

type SetsInUnit = { key: boolean; sps: readonly Uint8Array[]; pps: readonly Uint8Array[] };

const mostKept = 31;

/**
 * Keeps the parameter sets in force and gives the avcC record a unit is coded with: the same object while nothing
 * changes. The sets that come with a key frame replace those before, others are added. `inBand`: whether any came.
 */
export const parameterSetKeeper = (
  known: ParameterSets | null,
): { configurationFor: (unit: SetsInUnit) => Uint8Array | null; inBand: () => boolean } => {
  let inBand = false;
  let sets: ParameterSets = known ?? { sps: [], pps: [] };
  let configuration = known === null ? null : encodeAvcC(known);
  return {
    configurationFor: (unit) => {
      if (unit.sps.length === 0 && unit.pps.length === 0) return configuration;
      inBand = true;
      const replaces = unit.key && unit.sps.length > 0;
      const base: ParameterSets = replaces ? { sps: [], pps: unit.pps.length > 0 ? [] : sets.pps } : sets;
      const next = { sps: withNew(base.sps, unit.sps), pps: withNew(base.pps, unit.pps) };
      const record = encodeAvcC(next);
      if (record === null) {
        // Half of a pair: the other half may come with the next packet or unit.
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
