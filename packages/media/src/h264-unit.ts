import type { ReceivedPacket } from './access-unit.ts';

/**
 * An access unit being collected. `picture` is true once it has a slice; `fragment` is the NAL unit an FU-A has begun
 * and not ended; `pieces` alternate length prefixes and views of payloads; parameter sets are kept beside.
 */
export type Unit = {
  timestamp: number;
  key: boolean;
  picture: boolean;
  pieces: Uint8Array[];
  size: number;
  sps: Uint8Array[];
  pps: Uint8Array[];
  fragment: { type: number; prefix: Uint8Array; size: number; firstPiece: number } | null;
  firstSequence: number;
  firstOrdinal: number;
  arrivalMs: number;
};

/** NAL unit types (Rec. ITU-T H.264 table 7-1; RFC 6184 table 1). */
export const nalType = { slice: 1, idr: 5, sei: 6, sps: 7, pps: 8, aud: 9, filler: 12, stapA: 24, fuA: 28 } as const;

const mostUnitBytes = 16 * 1024 * 1024;
const mostPieces = 32_768;
const mostSetBytes = 4096;
const mostSets = 31;

/** An empty unit that begins at this packet. */
export const beginUnit = (packet: ReceivedPacket): Unit => ({
  timestamp: packet.rtp.timestamp,
  key: false,
  picture: false,
  pieces: [],
  size: 0,
  sps: [],
  pps: [],
  fragment: null,
  firstSequence: packet.sequence,
  firstOrdinal: packet.ordinal,
  arrivalMs: packet.arrivalMs,
});

/** Adds one RTP payload (RFC 6184 §5.6, §5.7.1, §5.8); false when it is not valid or the unit grows beyond 16 MiB. */
export const addPayload = (unit: Unit, payload: Uint8Array): boolean => {
  if (unit.size > mostUnitBytes || unit.pieces.length > mostPieces) return false;
  const type = (payload[0] as number) & 0x1f;
  if (type === nalType.fuA) return addFragment(unit, payload);
  if (unit.fragment !== null) return false;
  if (type === nalType.stapA) return addAggregate(unit, payload);
  return addNal(unit, payload);
};

/**
 * Whether a payload is evidently the first of its picture: a delimiter, an SPS, or the slice with macroblock 0
 * (first_mb_in_slice is ue(v): a leading 1 bit is zero, Rec. ITU-T H.264 §7.3.3). Where parameter sets come in band,
 * they come before an IDR slice, which then is not the first.
 */
export const isPictureStart = (payload: Uint8Array, setsInBand: boolean): boolean => {
  const type = (payload[0] ?? 0) & 0x1f;
  if (type === nalType.stapA) return payload.length > 4 && isPictureStart(payload.subarray(3), setsInBand);
  if (type === nalType.fuA) {
    const header = payload[1] ?? 0;
    return header >> 7 === 1 && startsPicture(header & 0x1f, payload[2], setsInBand);
  }
  return startsPicture(type, payload[1], setsInBand);
};

const startsPicture = (type: number, next: number | undefined, setsInBand: boolean): boolean => {
  if (type === nalType.slice) return (next ?? 0) >> 7 === 1;
  if (type === nalType.idr) return (next ?? 0) >> 7 === 1 && !setsInBand;
  return type === nalType.sps || type === nalType.aud || (type === nalType.sei && !setsInBand);
};

/** Single NAL unit packet (RFC 6184 §5.6). */
const addNal = (unit: Unit, nal: Uint8Array): boolean => {
  const type = (nal[0] as number) & 0x1f;
  if (type === 0 || type > 23) return false;
  if (type === nalType.sps || type === nalType.pps) return keepSet(unit, type, nal);
  // A sample of `avc1` has no delimiters, and end and filler units are of no use (ISO/IEC 14496-15 §5.3.2).
  if (type >= nalType.aud && type <= nalType.filler) return true;
  const prefix = new Uint8Array(4);
  writeLength(prefix, nal.length);
  addPieces(unit, type, prefix, nal);
  return true;
};

/** STAP-A (RFC 6184 §5.7.1): NAL units behind 16-bit lengths. */
const addAggregate = (unit: Unit, payload: Uint8Array): boolean => {
  let at = 1;
  while (at + 2 < payload.length) {
    const length = ((payload[at] as number) << 8) | (payload[at + 1] as number);
    const end = at + 2 + length;
    if (length === 0 || end > payload.length || !addNal(unit, payload.subarray(at + 2, end))) return false;
    at = end;
  }
  return at > 1 && at === payload.length;
};

/** FU-A (RFC 6184 §5.8): one NAL unit over several packets. */
const addFragment = (unit: Unit, payload: Uint8Array): boolean => {
  if (payload.length < 3) return false;
  const header = payload[1] as number;
  const starts = (header & 0x80) !== 0;
  const ends = (header & 0x40) !== 0;
  if (starts === (unit.fragment !== null)) return false;
  // RFC 6184 §5.8 forbids S and E in one FU; some cameras send it for small frames, so a lone FU is a whole NAL.
  if (starts) {
    const type = header & 0x1f;
    if (type === 0 || type > 23) return false;
    const prefix = Uint8Array.of(0, 0, 0, 0, ((payload[0] as number) & 0xe0) | type);
    unit.fragment = { type, prefix, size: 1, firstPiece: unit.pieces.length };
    addPieces(unit, type, prefix, payload.subarray(2));
  } else {
    const rest = payload.subarray(2);
    unit.pieces.push(rest);
    unit.size += rest.length;
  }
  if (unit.fragment === null) return false;
  unit.fragment.size += payload.length - 2;
  return ends ? endFragment(unit) : true;
};

const endFragment = (unit: Unit): boolean => {
  const { fragment } = unit;
  if (fragment === null) return false;
  unit.fragment = null;
  writeLength(fragment.prefix, fragment.size);
  if (fragment.type < nalType.sps || fragment.type > nalType.filler) return true;
  const pieces = unit.pieces.splice(fragment.firstPiece);
  unit.size -= fragment.size + 4;
  if (fragment.type > nalType.pps) return true;
  if (fragment.size > mostSetBytes) return false;
  const nal = new Uint8Array(fragment.size + 4);
  let offset = 0;
  for (const piece of pieces) {
    nal.set(piece, offset);
    offset += piece.length;
  }
  return keepSet(unit, fragment.type, nal.subarray(4));
};

const addPieces = (unit: Unit, type: number, prefix: Uint8Array, bytes: Uint8Array): void => {
  unit.pieces.push(prefix, bytes);
  unit.size += prefix.length + bytes.length;
  if (type <= nalType.idr) unit.picture = true;
  if (type === nalType.idr) unit.key = true;
};

const keepSet = (unit: Unit, type: number, nal: Uint8Array): boolean => {
  const sets = type === nalType.sps ? unit.sps : unit.pps;
  if (nal.length > mostSetBytes || sets.length >= mostSets) return false;
  // Copied: a parameter set outlives its packet by hours and must not hold the packet's whole buffer.
  sets.push(nal.slice());
  return true;
};

const writeLength = (prefix: Uint8Array, length: number): void => {
  prefix[0] = length >>> 24;
  prefix[1] = length >>> 16;
  prefix[2] = length >>> 8;
  prefix[3] = length;
};
