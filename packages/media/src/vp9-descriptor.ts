import { concatBytes, u8, u16 } from './boxes.ts';

/** Where a layer frame stands: temporal and spatial layer, whether one may switch up here, whether it refers to the layer below. */
export type Vp9Layer = {
  temporal: number;
  spatial: number;
  switchingUp: boolean;
  interLayer: boolean;
  /** Only without flexible mode: the running number of pictures of temporal layer 0, 8 bits. */
  tl0PicIdx: number;
};

/** The scalability structure: sizes of the spatial layers in pixels (null: not told), and the pattern of the pictures. */
export type Vp9Structure = {
  spatialLayers: number;
  sizes: readonly { width: number; height: number }[] | null;
  pictures: readonly { temporal: number; switchingUp: boolean; references: readonly number[] }[] | null;
};

/**
 * The payload descriptor of VP9 (RFC 9628 §4.2). `pictureId` has 7 or 15 bits (`longPictureId`); `references` are the
 * picture id differences of flexible mode; `begins` and `ends` are those of a layer frame.
 */
export type Vp9Descriptor = {
  begins: boolean;
  ends: boolean;
  interPicture: boolean;
  neverReferenced: boolean;
  flexible: boolean;
  pictureId: number | null;
  longPictureId: boolean;
  layer: Vp9Layer | null;
  references: readonly number[];
  structure: Vp9Structure | null;
};

const mostReferences = 3;

/** Writes a payload descriptor (RFC 9628 §4.2). */
export const encodeVp9Descriptor = (descriptor: Vp9Descriptor): Uint8Array => {
  const { pictureId, longPictureId, layer, flexible, structure } = descriptor;
  const references = flexible && descriptor.interPicture ? descriptor.references : [];
  const flags =
    bit(7, pictureId !== null) |
    bit(6, descriptor.interPicture) |
    bit(5, layer !== null) |
    bit(4, flexible) |
    bit(3, descriptor.begins) |
    bit(2, descriptor.ends) |
    bit(1, structure !== null) |
    bit(0, descriptor.neverReferenced);
  return concatBytes([
    u8(flags),
    pictureId === null ? u8() : longPictureId ? u16(0x8000 | pictureId) : u8(pictureId),
    layer === null ? u8() : encodeLayer(layer, flexible),
    ...references.map((difference, index) => u8((difference << 1) | (index < references.length - 1 ? 1 : 0))),
    structure === null ? u8() : encodeStructure(structure),
  ]);
};

/** Reads the payload descriptor at the front of a payload, and how many bytes it has; null when it is not whole. */
export const decodeVp9Descriptor = (payload: Uint8Array): { descriptor: Vp9Descriptor; length: number } | null => {
  const bytes = byteReader(payload);
  const flags = bytes.next();
  const [flexible, interPicture] = [(flags & 0x10) !== 0, (flags & 0x40) !== 0];
  const idByte = (flags & 0x80) === 0 ? null : bytes.next();
  const longPictureId = idByte !== null && idByte > 0x7f;
  const pictureId = idByte !== null && longPictureId ? ((idByte & 0x7f) << 8) | bytes.next() : idByte;
  const layer = (flags & 0x20) === 0 ? null : decodeLayer(bytes.next(), flexible ? 0 : bytes.next());
  const references = flexible && interPicture ? readReferences(bytes) : [];
  const structure = (flags & 0x02) === 0 ? null : decodeStructure(bytes);
  if (references === null || bytes.overrun()) return null;
  const ends = { begins: (flags & 0x08) !== 0, ends: (flags & 0x04) !== 0, neverReferenced: (flags & 0x01) !== 0 };
  const descriptor = { ...ends, interPicture, flexible, pictureId, longPictureId, layer, references, structure };
  return { descriptor, length: bytes.at() };
};

type Bytes = { next: () => number; overrun: () => boolean; at: () => number };

/** Bytes from the front; behind the end it gives zeros and `overrun` is true. */
const byteReader = (bytes: Uint8Array): Bytes => {
  let at = 0;
  return { next: () => bytes[at++] ?? 0, overrun: () => at > bytes.length, at: () => at };
};

const bit = (position: number, set: boolean): number => (set ? 1 << position : 0);

const encodeLayer = ({ temporal, spatial, switchingUp, interLayer, tl0PicIdx }: Vp9Layer, flexible: boolean) => {
  const first = (temporal << 5) | bit(4, switchingUp) | (spatial << 1) | bit(0, interLayer);
  return flexible ? u8(first) : u8(first, tl0PicIdx);
};

const decodeLayer = (byte: number, tl0PicIdx: number): Vp9Layer => ({
  temporal: byte >> 5,
  switchingUp: (byte & 0x10) !== 0,
  spatial: (byte >> 1) & 7,
  interLayer: (byte & 1) !== 0,
  tl0PicIdx,
});

/** P_DIFF, at most three, the last without its N bit; null when there are more. */
const readReferences = (bytes: Bytes): number[] | null => {
  const references: number[] = [];
  for (let more = true; more; ) {
    const byte = bytes.next();
    references.push(byte >> 1);
    more = (byte & 1) !== 0;
    if (references.length > mostReferences) return null;
  }
  return references;
};

const encodeStructure = ({ spatialLayers, sizes, pictures }: Vp9Structure): Uint8Array =>
  concatBytes([
    u8(((spatialLayers - 1) << 5) | bit(4, sizes !== null) | bit(3, pictures !== null)),
    ...(sizes ?? []).map(({ width, height }) => u16(width, height)),
    pictures === null ? u8() : u8(pictures.length),
    ...(pictures ?? []).map(({ temporal, switchingUp, references }) =>
      u8((temporal << 5) | bit(4, switchingUp) | (references.length << 2), ...references),
    ),
  ]);

const decodeStructure = (bytes: Bytes): Vp9Structure => {
  const head = bytes.next();
  const spatialLayers = (head >> 5) + 1;
  const sizes =
    (head & 0x10) === 0 ? null : repeat(spatialLayers, () => ({ width: u16At(bytes), height: u16At(bytes) }));
  const pictures =
    (head & 0x08) === 0
      ? null
      : repeat(bytes.next(), () => {
          const picture = bytes.next();
          const references = repeat((picture >> 2) & 3, bytes.next);
          return { temporal: picture >> 5, switchingUp: (picture & 0x10) !== 0, references };
        });
  return { spatialLayers, sizes, pictures };
};

const u16At = (bytes: Bytes): number => (bytes.next() << 8) | bytes.next();
const repeat = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, () => make());
