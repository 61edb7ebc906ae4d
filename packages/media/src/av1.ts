import type { Depacketizer } from './access-unit.ts';
import { decodeLeb128, decodeObu, decodeObuHeader, encodeObu, obuType, sizedHeader } from './av1-obu.ts';
import { encodeAv1C } from './av1-sequence.ts';
import { concatBytes } from './boxes.ts';
import { sameBytes } from './byte-equality.ts';
import { type CollectedUnit, emptyUnit, mostPieces, mostUnitBytes, unitDepacketizer } from './unit-depacketizer.ts';

/**
 * A temporal unit being collected. `fragment` is the OBU that goes on in the next packet; `sequenceHeader` the last one
 * that came, with size field; `showsKeyFrame` what the first frame header says, null before it.
 */
type Av1Unit = CollectedUnit & {
  sequenceHeader: Uint8Array | null;
  showsKeyFrame: boolean | null;
  fragment: { pieces: Uint8Array[]; size: number } | null;
};

/** One element of a payload: `bytes` of an OBU, which began before or does not end here. */
export type Av1Element = { bytes: Uint8Array; continues: boolean; unfinished: boolean };

/** What a depacketizer knows before the first packet: its configuration record, and that it goes on without a hole. */
export type Av1Start = { configuration?: Uint8Array | null; intact?: boolean };

const mostElements = 4096;
const mostSequenceBytes = 1024;
// Header and extension, a size field, and what is read of a frame header.
const headBytes = 16;

/** AV1 packets in order (RTP payload format for AV1 §4) to temporal units of OBUs with size fields, without delimiters. */
export const av1Depacketizer = (start: Av1Start = {}): Depacketizer => {
  let configuration = start.configuration ?? null;
  return unitDepacketizer<Av1Unit>(
    {
      begin: (packet) => ({ ...emptyUnit(packet), sequenceHeader: null, showsKeyFrame: null }),
      add: addPayload,
      isStart: isFirst,
      complete: (unit) => {
        const record = unit.sequenceHeader === null ? null : encodeAv1C(unit.sequenceHeader);
        unit.key = record !== null && unit.showsKeyFrame === true;
        if (unit.key && record !== null && (configuration === null || !sameBytes(record, configuration))) {
          configuration = record;
        }
        return configuration;
      },
    },
    start.intact ?? false,
  );
};

/** The first of a unit begins with a sequence header, a delimiter, or a frame of the lowest spatial layer. */
const isFirst = (payload: Uint8Array): boolean => {
  const first = av1Elements(payload)?.[0];
  const obu = first === undefined || first.continues ? null : decodeObuHeader(first.bytes);
  if (obu === null) return false;
  const { type, spatial } = obu;
  if (type === obuType.sequenceHeader || type === obuType.temporalDelimiter) return true;
  const isFrame = type === obuType.frame || type === obuType.frameHeader || type === obuType.metadata;
  return isFrame && spatial === 0;
};

/** The OBU elements behind the aggregation header Z, Y, W, N (RTP payload format for AV1 §4.4); null when it is not valid. */
export const av1Elements = (payload: Uint8Array): Av1Element[] | null => {
  const header = payload[0] ?? 0;
  const count = (header >> 4) & 3;
  const elements: Av1Element[] = [];
  for (let at = 1; at < payload.length; ) {
    const isLast = count > 0 && elements.length === count - 1;
    const length = isLast ? { value: payload.length - at, end: at } : decodeLeb128(payload, at);
    if (length === null || length.end + length.value > payload.length || elements.length >= mostElements) return null;
    at = length.end + length.value;
    const bytes = payload.subarray(length.end, at);
    elements.push({
      bytes,
      continues: elements.length === 0 && (header & 0x80) !== 0,
      unfinished: at === payload.length && (header & 0x40) !== 0,
    });
  }
  return elements.length === 0 || (count > 0 && elements.length !== count) ? null : elements;
};

const addPayload = (unit: Av1Unit, payload: Uint8Array): boolean =>
  av1Elements(payload)?.every((element) => addElement(unit, element)) ?? false;

const addElement = (unit: Av1Unit, { bytes, continues, unfinished }: Av1Element): boolean => {
  if (continues !== (unit.fragment !== null)) return false;
  if (!unfinished && unit.fragment === null) return addObu(unit, [bytes], bytes.length);
  const fragment = unit.fragment ?? { pieces: [], size: 0 };
  fragment.pieces.push(bytes);
  fragment.size += bytes.length;
  if (fragment.size > mostUnitBytes || fragment.pieces.length > mostPieces) return false;
  unit.fragment = unfinished ? fragment : null;
  return unfinished || addObu(unit, fragment.pieces, fragment.size);
};

/** Adds a whole OBU, its size field written anew; false when it is not valid. */
const addObu = (unit: Av1Unit, pieces: readonly Uint8Array[], size: number): boolean => {
  const whole = pieces.length === 1 ? (pieces[0] as Uint8Array) : null;
  // Only the head is put together: the rest stays views of packets.
  const head = whole ?? concatBytes(pieces.slice(0, headBytes).map((piece) => piece.subarray(0, headBytes)));
  const first = decodeObuHeader(head);
  if (first === null || (first.size !== null && first.end + first.size !== size)) return false;
  const { type, header, end: skip } = first;
  if (isLeftOut(type)) return true;
  if (type === obuType.sequenceHeader) {
    if (size > mostSequenceBytes) return false;
    const obu = decodeObu(concatBytes(pieces));
    if (obu === null) return false;
    unit.sequenceHeader = encodeObu(obu);
  }
  if (type === obuType.frame || type === obuType.frameHeader) {
    unit.picture = true;
    unit.showsKeyFrame ??= isShownKeyFrame(head[skip] ?? 0);
  }
  const prefix = sizedHeader(header, size - skip);
  unit.pieces.push(prefix, ...behind(pieces, skip));
  unit.size += prefix.length + size - skip;
  return true;
};

/** What a sample should not have (AV1 ISO media file format binding §2.4). */
const isLeftOut = (type: number): boolean =>
  type === obuType.temporalDelimiter ||
  type === obuType.redundantFrameHeader ||
  type === obuType.tileList ||
  type === obuType.padding;

/** show_existing_frame 0, frame_type 0 (key), show_frame 1 (AV1 bitstream specification §5.9.2). */
export const isShownKeyFrame = (firstByte: number): boolean => firstByte >> 4 === 1;

const behind = (pieces: readonly Uint8Array[], skip: number): Uint8Array[] => {
  let left = skip;
  const kept: Uint8Array[] = [];
  for (const piece of pieces) {
    const cut = Math.min(left, piece.length);
    left -= cut;
    if (cut < piece.length) kept.push(piece.subarray(cut));
  }
  return kept;
};
