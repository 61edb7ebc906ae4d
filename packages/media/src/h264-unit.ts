import { addNal, beginFragment, continueFragment, endFragment, type NalAccessUnit, type NalRules } from './nal-unit.ts';

/** An H.264 access unit being collected. */
export type H264Unit = NalAccessUnit<'sps' | 'pps'>;

/** NAL unit types (Rec. ITU-T H.264 table 7-1; RFC 6184 table 1). */
export const h264NalType = {
  slice: 1,
  idr: 5,
  sei: 6,
  sps: 7,
  pps: 8,
  aud: 9,
  filler: 12,
  stapA: 24,
  fuA: 28,
} as const;

const highestType = 23;

/** Where the NAL units of a sample of `avc1` go. */
export const h264Rules: NalRules<'sps' | 'pps'> = {
  kinds: ['sps', 'pps'],
  placeOf: (type) => {
    if (type === 0 || type > highestType) return 'invalid';
    if (type === h264NalType.sps) return { set: 'sps' };
    if (type === h264NalType.pps) return { set: 'pps' };
    if (type === h264NalType.idr) return 'key';
    if (type < h264NalType.idr) return 'slice';
    // A sample of `avc1` has no delimiters, and end and filler units are of no use (ISO/IEC 14496-15 §5.3.2).
    return type >= h264NalType.aud && type <= h264NalType.filler ? 'leave-out' : 'other';
  },
};

/** Adds one RTP payload (RFC 6184 §5.6, §5.7.1, §5.8); false when it is not valid. */
export const addH264Payload = (unit: H264Unit, payload: Uint8Array): boolean => {
  const type = (payload[0] as number) & 0x1f;
  if (type === h264NalType.fuA) return addFragment(unit, payload);
  if (unit.fragment !== null) return false;
  if (type === h264NalType.stapA) return addAggregate(unit, payload);
  return addNal(h264Rules, unit, type, payload);
};

/**
 * Whether a payload is evidently the first of its picture: a delimiter, an SPS, or the slice with macroblock 0
 * (first_mb_in_slice is ue(v): a leading 1 bit is zero, Rec. ITU-T H.264 §7.3.3). Where parameter sets come in band,
 * they come before an IDR slice, which then is not the first.
 */
export const isH264Start = (payload: Uint8Array, setsInBand: boolean): boolean => {
  const type = (payload[0] ?? 0) & 0x1f;
  if (type === h264NalType.stapA) return payload.length > 4 && isH264Start(payload.subarray(3), setsInBand);
  if (type === h264NalType.fuA) {
    const header = payload[1] ?? 0;
    return header >> 7 === 1 && startsPicture(header & 0x1f, payload[2], setsInBand);
  }
  return startsPicture(type, payload[1], setsInBand);
};

const startsPicture = (type: number, next: number | undefined, setsInBand: boolean): boolean => {
  if (type === h264NalType.slice) return (next ?? 0) >> 7 === 1;
  if (type === h264NalType.idr) return (next ?? 0) >> 7 === 1 && !setsInBand;
  return type === h264NalType.sps || type === h264NalType.aud || (type === h264NalType.sei && !setsInBand);
};

/** STAP-A (RFC 6184 §5.7.1): NAL units behind 16-bit lengths. */
const addAggregate = (unit: H264Unit, payload: Uint8Array): boolean => {
  let at = 1;
  while (at + 2 < payload.length) {
    const length = ((payload[at] as number) << 8) | (payload[at + 1] as number);
    const end = at + 2 + length;
    if (length === 0 || end > payload.length) return false;
    const nal = payload.subarray(at + 2, end);
    if (!addNal(h264Rules, unit, (nal[0] as number) & 0x1f, nal)) return false;
    at = end;
  }
  return at > 1 && at === payload.length;
};

/** FU-A (RFC 6184 §5.8): one NAL unit over several packets. */
const addFragment = (unit: H264Unit, payload: Uint8Array): boolean => {
  if (payload.length < 3) return false;
  const header = payload[1] as number;
  const type = header & 0x1f;
  const piece = payload.subarray(2);
  const taken =
    (header & 0x80) !== 0
      ? beginFragment(h264Rules, unit, type, [((payload[0] as number) & 0xe0) | type], piece)
      : continueFragment(unit, piece);
  // RFC 6184 §5.8 forbids S and E in one FU; some cameras send it for small frames, so a lone FU is a whole NAL.
  return taken && ((header & 0x40) === 0 || endFragment(h264Rules, unit));
};
