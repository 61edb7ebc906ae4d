import type { ReceivedPacket } from './access-unit.ts';
import { concatBytes } from './boxes.ts';
import { type CollectedUnit, emptyUnit } from './unit-depacketizer.ts';

/**
 * An access unit of NAL units: its sample has them behind 4-byte lengths. Parameter sets are kept beside; `fragment` is
 * the NAL unit that a fragmentation unit has begun and not ended.
 */
export type NalAccessUnit<Kind extends string> = CollectedUnit & {
  sets: Record<Kind, Uint8Array[]>;
  fragment: { type: number; prefix: Uint8Array; size: number; firstPiece: number } | null;
};

/** What is done with a NAL unit: it goes into the sample (`slice`, `key`, `other`), is kept as a set of a kind, is left out, or is not valid. */
export type NalPlace<Kind extends string> = 'slice' | 'key' | 'other' | { set: Kind } | 'leave-out' | 'invalid';

/** What a video codec of NAL units says of their types. */
export type NalRules<Kind extends string> = { kinds: readonly Kind[]; placeOf: (type: number) => NalPlace<Kind> };

const lengthBytes = 4;
const mostSetBytes = 4096;
const mostSets = 31;

/** An empty unit that begins at this packet. */
export const beginNalUnit = <Kind extends string>(
  rules: NalRules<Kind>,
  packet: ReceivedPacket,
): NalAccessUnit<Kind> => ({
  ...emptyUnit(packet),
  sets: Object.fromEntries(rules.kinds.map((kind) => [kind, []])) as unknown as Record<Kind, Uint8Array[]>,
});

/** Adds a whole NAL unit; false when it is not valid. */
export const addNal = <Kind extends string>(
  rules: NalRules<Kind>,
  unit: NalAccessUnit<Kind>,
  type: number,
  nal: Uint8Array,
): boolean => {
  const place = rules.placeOf(type);
  if (place === 'invalid') return false;
  if (place === 'leave-out') return true;
  if (typeof place === 'object') return keepSet(unit.sets[place.set], nal);
  const prefix = new Uint8Array(lengthBytes);
  writeLength(prefix, nal.length);
  addPieces(unit, place, prefix, nal);
  return true;
};

/** Adds the first piece of a NAL unit, whose header the sender took apart; false when it is not valid. */
export const beginFragment = <Kind extends string>(
  rules: NalRules<Kind>,
  unit: NalAccessUnit<Kind>,
  type: number,
  header: readonly number[],
  piece: Uint8Array,
): boolean => {
  const place = rules.placeOf(type);
  if (unit.fragment !== null || place === 'invalid') return false;
  const prefix = Uint8Array.of(0, 0, 0, 0, ...header);
  unit.fragment = { type, prefix, size: header.length + piece.length, firstPiece: unit.pieces.length };
  addPieces(unit, typeof place === 'object' ? 'other' : place, prefix, piece);
  return true;
};

/** Adds a further piece of the NAL unit that was begun; false when none was. */
export const continueFragment = (unit: NalAccessUnit<string>, piece: Uint8Array): boolean => {
  if (unit.fragment === null) return false;
  unit.fragment.size += piece.length;
  unit.pieces.push(piece);
  unit.size += piece.length;
  return true;
};

/** Ends the NAL unit that was begun; false when none was, or it is not valid. */
export const endFragment = <Kind extends string>(rules: NalRules<Kind>, unit: NalAccessUnit<Kind>): boolean => {
  const { fragment } = unit;
  if (fragment === null) return false;
  unit.fragment = null;
  writeLength(fragment.prefix, fragment.size);
  const place = rules.placeOf(fragment.type);
  if (typeof place === 'string' && place !== 'leave-out') return true;
  const pieces = unit.pieces.splice(fragment.firstPiece);
  unit.size -= fragment.size + lengthBytes;
  if (place === 'leave-out') return true;
  if (fragment.size > mostSetBytes) return false;
  return keepSet(unit.sets[(place as { set: Kind }).set], concatBytes(pieces).subarray(lengthBytes));
};

const addPieces = (
  unit: CollectedUnit,
  place: 'slice' | 'key' | 'other' | 'leave-out' | 'invalid',
  prefix: Uint8Array,
  bytes: Uint8Array,
): void => {
  unit.pieces.push(prefix, bytes);
  unit.size += prefix.length + bytes.length;
  if (place === 'slice' || place === 'key') unit.picture = true;
  if (place === 'key') unit.key = true;
};

const keepSet = (sets: Uint8Array[], nal: Uint8Array): boolean => {
  if (nal.length > mostSetBytes || sets.length >= mostSets) return false;
  // Copied, which `slice` of Node's Buffer does not do: a parameter set outlives its packet by hours and must not hold
  // the packet's whole buffer.
  sets.push(concatBytes([nal]));
  return true;
};

const writeLength = (prefix: Uint8Array, length: number): void => {
  prefix[0] = length >>> 24;
  prefix[1] = length >>> 16;
  prefix[2] = length >>> 8;
  prefix[3] = length;
};
