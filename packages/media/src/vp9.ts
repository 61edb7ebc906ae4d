import type { Depacketizer } from './access-unit.ts';
import { concatBytes } from './boxes.ts';
import { sameBytes } from './byte-equality.ts';
import { type CollectedUnit, emptyUnit, unitDepacketizer } from './unit-depacketizer.ts';
import { encodeVp9Configuration, vp9Level } from './vp9-configuration.ts';
import { decodeVp9Descriptor, type Vp9Descriptor } from './vp9-descriptor.ts';
import {
  encodeSuperframeIndex,
  parseVp9Header,
  superframeSizes,
  type Vp9FrameHeader,
  vp9HeaderBytes,
} from './vp9-frame.ts';

/**
 * A picture being collected: its layer frames, each the pieces from `firstPiece` on. All of them make one sample, a
 * superframe where there is more than one.
 */
type Vp9Unit = CollectedUnit & { frames: { firstPiece: number }[]; fragment: { firstPiece: number } | null };

/** What a depacketizer knows before the first packet: its configuration record, and that it goes on without a hole. */
export type Vp9Start = { configuration?: Uint8Array | null; intact?: boolean };

/** VP9 packets in order (RFC 9628) to pictures, layer frames of all spatial layers together. */
export const vp9Depacketizer = (start: Vp9Start = {}): Depacketizer => {
  let configuration = start.configuration ?? null;
  return unitDepacketizer<Vp9Unit>(
    {
      begin: (packet) => ({ ...emptyUnit(packet), frames: [] }),
      add: addPayload,
      isStart: (payload) => {
        const read = decodeVp9Descriptor(payload);
        return read !== null && isFirst(read.descriptor);
      },
      complete: (unit) => {
        const headers = unit.frames.map((_, index) => headerOf(unit, index));
        const record = configurationOf(headers);
        unit.key = record !== null;
        if (record !== null && (configuration === null || !sameBytes(record, configuration))) configuration = record;
        return unit.frames.length > 1 && !makeSuperframe(unit) ? 'drop' : configuration;
      },
    },
    start.intact ?? false,
  );
};

const isFirst = ({ begins, layer }: Vp9Descriptor): boolean => begins && (layer?.spatial ?? 0) === 0;

const addPayload = (unit: Vp9Unit, payload: Uint8Array): boolean => {
  const read = decodeVp9Descriptor(payload);
  if (read === null || read.length >= payload.length) return false;
  const { begins, ends } = read.descriptor;
  if (begins === (unit.fragment !== null)) return false;
  const frame = unit.fragment ?? { firstPiece: unit.pieces.length };
  const piece = payload.subarray(read.length);
  unit.pieces.push(piece);
  unit.size += piece.length;
  unit.picture = true;
  unit.fragment = ends ? null : frame;
  if (ends) unit.frames.push(frame);
  return true;
};

const piecesOf = (unit: Vp9Unit, index: number): Uint8Array[] =>
  unit.pieces.slice(unit.frames[index]?.firstPiece, unit.frames[index + 1]?.firstPiece);

const headerOf = (unit: Vp9Unit, index: number): Vp9FrameHeader | null => {
  const pieces = piecesOf(unit, index);
  const first = pieces[0];
  if (first === undefined) return null;
  return parseVp9Header(first.length >= vp9HeaderBytes ? first : concatBytes(pieces.slice(0, vp9HeaderBytes)));
};

/**
 * The record of a picture that decoding may begin with, null of others. The lowest layer tells profile and colours, the
 * largest one the size; a size that changes without a key frame (reference scaling) is the decoder's matter.
 */
const configurationOf = (headers: readonly (Vp9FrameHeader | null)[]): Uint8Array | null => {
  const [first] = headers;
  if (first === null || first === undefined || !first.key || first.colors === null) return null;
  const width = Math.max(...headers.map((header) => header?.size?.width ?? 1));
  const height = Math.max(...headers.map((header) => header?.size?.height ?? 1));
  // The sample entry has 16 bits.
  if (width > 0xffff || height > 0xffff) return null;
  return encodeVp9Configuration({
    ...first.colors,
    profile: first.profile,
    level: vp9Level(width, height),
    width,
    height,
  });
};

/** Writes the index behind the layer frames; a layer frame that has one itself gives its frames. False when there are too many. */
const makeSuperframe = (unit: Vp9Unit): boolean => {
  const frames = unit.frames.flatMap((_, index) => framesOf(concatBytes(piecesOf(unit, index))));
  const index = encodeSuperframeIndex(frames.map(({ length }) => length));
  if (index === null) return false;
  unit.pieces = [...frames, index];
  unit.size = unit.pieces.reduce((sum, piece) => sum + piece.length, 0);
  return true;
};

const framesOf = (bytes: Uint8Array): Uint8Array[] => {
  const sizes = superframeSizes(bytes);
  if (sizes === null) return [bytes];
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return bytes.subarray(end - size, end);
  });
};
