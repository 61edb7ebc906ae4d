import { addNal, beginFragment, continueFragment, endFragment, type NalAccessUnit, type NalRules } from './nal-unit.ts';

/** Kinds of parameter sets of H.265. */
export type H265SetKind = 'vps' | 'sps' | 'pps';

/** An H.265 access unit being collected; `sliceType` is the NAL unit type of its first slice. */
export type H265Unit = NalAccessUnit<H265SetKind> & { sliceType: number | null };

/** NAL unit types (Rec. ITU-T H.265 table 7-1; RFC 7798 §4.4). */
export const h265NalType = {
  raslN: 8,
  raslR: 9,
  blaWithLeading: 16,
  blaLast: 18,
  cra: 21,
  lastSlice: 31,
  vps: 32,
  sps: 33,
  pps: 34,
  delimiter: 35,
  filler: 38,
  prefixSei: 39,
  aggregate: 48,
  fragment: 49,
} as const;

const headerBytes = 2;

/** Whether a slice of this type belongs to a picture that decoding may begin with. */
export const isRandomAccess = (type: number): boolean => type >= h265NalType.blaWithLeading && type <= h265NalType.cra;

/** Where the NAL units of a sample of `hvc1` go. */
export const h265Rules: NalRules<H265SetKind> = {
  kinds: ['vps', 'sps', 'pps'],
  placeOf: (type) => {
    if (type >= h265NalType.aggregate) return 'invalid';
    if (type === h265NalType.vps) return { set: 'vps' };
    if (type === h265NalType.sps) return { set: 'sps' };
    if (type === h265NalType.pps) return { set: 'pps' };
    if (isRandomAccess(type)) return 'key';
    if (type <= h265NalType.lastSlice) return 'slice';
    return type === h265NalType.delimiter || type === h265NalType.filler ? 'leave-out' : 'other';
  },
};

/** Adds one RTP payload (RFC 7798 §4.4.1 to §4.4.3, no DONL); false when it is not valid. */
export const addH265Payload = (unit: H265Unit, payload: Uint8Array): boolean => {
  if (payload.length <= headerBytes) return false;
  const type = wireType(payload);
  if (type === h265NalType.fragment) return addFragment(unit, payload);
  if (unit.fragment !== null) return false;
  return type === h265NalType.aggregate ? addAggregate(unit, payload) : addWhole(unit, payload);
};

/**
 * Whether a payload is evidently the first of its picture: a delimiter, a VPS or SPS, or its first slice segment
 * (first_slice_segment_in_pic_flag, Rec. ITU-T H.265 §7.3.6.1). Where parameter sets come in band, they come before the
 * slices of a key frame, which then are not the first.
 */
export const isH265Start = (payload: Uint8Array, setsInBand: boolean): boolean => {
  const [nal, header] = firstNal(payload);
  if (nal === null) return false;
  const type = (header >> 1) & 0x3f;
  if (type <= h265NalType.lastSlice) return nal >> 7 === 1 && !(isRandomAccess(type) && setsInBand);
  if (type === h265NalType.vps || type === h265NalType.sps || type === h265NalType.delimiter) return true;
  return type === h265NalType.prefixSei && !setsInBand;
};

const wireType = (bytes: Uint8Array): number => ((bytes[0] as number) >> 1) & 0x3f;

/** The first byte behind the header of the first NAL unit that begins in a payload (null: none does), and the header's first. */
const firstNal = (payload: Uint8Array): readonly [number | null, number] => {
  if (payload.length <= headerBytes) return [null, 0];
  const type = wireType(payload);
  if (type === h265NalType.aggregate) return [payload[6] ?? null, payload[4] ?? 0];
  if (type !== h265NalType.fragment) return [payload[2] as number, payload[0] as number];
  const header = payload[2] as number;
  return [header >> 7 === 1 ? (payload[3] ?? null) : null, (header & 0x3f) << 1];
};

/** The type of a NAL unit; one of another layer than the base (nuh_layer_id) counts as filler, so it is left out. */
const baseType = (type: number, header: readonly [number, number]): number =>
  (header[0] & 1) === 0 && header[1] >> 3 === 0 ? type : h265NalType.filler;

const headerOf = (bytes: Uint8Array): [number, number] => [bytes[0] as number, bytes[1] as number];

/** Single NAL unit packet (RFC 7798 §4.4.1). */
const addWhole = (unit: H265Unit, nal: Uint8Array): boolean => {
  const type = wireType(nal);
  if (type >= h265NalType.aggregate) return false;
  const counted = baseType(type, headerOf(nal));
  noteSlice(unit, counted);
  return addNal(h265Rules, unit, counted, nal);
};

/** Aggregation packet (RFC 7798 §4.4.2): NAL units behind 16-bit lengths. */
const addAggregate = (unit: H265Unit, payload: Uint8Array): boolean => {
  let at = headerBytes;
  while (at + 2 < payload.length) {
    const end = at + 2 + (((payload[at] as number) << 8) | (payload[at + 1] as number));
    if (end < at + 2 + headerBytes || end > payload.length) return false;
    if (!addWhole(unit, payload.subarray(at + 2, end))) return false;
    at = end;
  }
  return at > headerBytes && at === payload.length;
};

/** Fragmentation unit (RFC 7798 §4.4.3): one NAL unit over several packets. */
const addFragment = (unit: H265Unit, payload: Uint8Array): boolean => {
  if (payload.length < 4) return false;
  const header = payload[2] as number;
  const piece = payload.subarray(3);
  const taken = (header & 0x80) !== 0 ? begin(unit, payload, header & 0x3f, piece) : continueFragment(unit, piece);
  return taken && ((header & 0x40) === 0 || endFragment(h265Rules, unit));
};

const begin = (unit: H265Unit, payload: Uint8Array, type: number, piece: Uint8Array): boolean => {
  const [first, second] = headerOf(payload);
  const counted = baseType(type, [first, second]);
  noteSlice(unit, counted);
  return beginFragment(h265Rules, unit, counted, [(first & 0x81) | (type << 1), second], piece);
};

const noteSlice = (unit: H265Unit, type: number): void => {
  if (type <= h265NalType.lastSlice) unit.sliceType ??= type;
};
