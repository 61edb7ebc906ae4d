import { concatBytes } from './boxes.ts';
import type { RtpPayload } from './nal-packetizer.ts';
import { encodeVp9Descriptor, type Vp9Descriptor } from './vp9-descriptor.ts';
import { parseVp9Header } from './vp9-frame.ts';

/** What a picture's descriptors say beside begin and end; without it: no layers, and inter-picture by the frame's header. */
export type Vp9PictureFields = Partial<Omit<Vp9Descriptor, 'begins' | 'ends'>>;

/**
 * One VP9 frame or superframe to RTP payloads of at most `maxBytes` (RFC 9628). `pictureId` is 15 bits and grows by one
 * with each picture; `last` is false for the layer frames of a picture that others follow.
 */
export const packetizeVp9 = (
  frame: Uint8Array,
  maxBytes: number,
  pictureId: number,
  fields: Vp9PictureFields = {},
  last = true,
): RtpPayload[] => {
  const defaults: Omit<Vp9Descriptor, 'begins' | 'ends'> = {
    interPicture: !(parseVp9Header(frame)?.key ?? false),
    neverReferenced: false,
    flexible: false,
    pictureId: pictureId & 0x7fff,
    longPictureId: true,
    layer: null,
    references: [],
    structure: null,
  };
  const payloads: RtpPayload[] = [];
  for (let at = 0; at < frame.length; ) {
    const structure = at === 0 ? (fields.structure ?? null) : null;
    const common = { ...defaults, ...fields, structure, begins: at === 0 };
    const room = maxBytes - encodeVp9Descriptor({ ...common, ends: false }).length;
    const piece = frame.subarray(at, at + room);
    at += piece.length;
    const ends = at === frame.length;
    const payload = concatBytes([encodeVp9Descriptor({ ...common, ends }), piece]);
    payloads.push({ payload, marker: ends && last });
  }
  return payloads;
};
