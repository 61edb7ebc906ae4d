import { concatBytes, u16 } from './boxes.ts';

/** One RTP payload of an access unit; `marker` on the last. */
export type RtpPayload = { payload: Uint8Array; marker: boolean };

/** How a codec of NAL units writes what H264 and H265 share: `headerBytes` is the length of a NAL unit's header. */
export type NalPayloadFormat = {
  headerBytes: number;
  /** The payload header of a packet that these units share. */
  aggregateHeader: (nals: readonly Uint8Array[]) => Uint8Array;
  /** Header and fragment header of a piece of a unit; `position` has the bits S (0x80) and E (0x40). */
  fragmentHeader: (nal: Uint8Array, position: number) => Uint8Array;
};

/** NAL units of one access unit to RTP payloads of at most `maxBytes`: small neighbours share one, large ones are cut. */
export const packetizeNals = (
  nals: readonly Uint8Array[],
  maxBytes: number,
  format: NalPayloadFormat,
): RtpPayload[] => {
  const payloads: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = format.headerBytes;
  const endGroup = (): void => {
    const [only] = group;
    if (group.length === 1 && only !== undefined) payloads.push(only);
    if (group.length > 1) payloads.push(aggregate(group, format));
    group = [];
    groupBytes = format.headerBytes;
  };
  for (const nal of nals) {
    if (groupBytes + 2 + nal.length > maxBytes) endGroup();
    if (nal.length > maxBytes) payloads.push(...fragment(nal, maxBytes, format));
    else {
      group.push(nal);
      groupBytes += 2 + nal.length;
    }
  }
  endGroup();
  return payloads.map((payload, index) => ({ payload, marker: index === payloads.length - 1 }));
};

const aggregate = (nals: readonly Uint8Array[], { aggregateHeader }: NalPayloadFormat): Uint8Array =>
  concatBytes([aggregateHeader(nals), ...nals.flatMap((nal) => [u16(nal.length), nal])]);

const fragment = (
  nal: Uint8Array,
  maxBytes: number,
  { headerBytes, fragmentHeader }: NalPayloadFormat,
): Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  const pieceBytes = maxBytes - headerBytes - 1;
  for (let at = headerBytes; at < nal.length; at += pieceBytes) {
    const piece = nal.subarray(at, at + pieceBytes);
    const start = at === headerBytes ? 0x80 : 0;
    const end = at + piece.length === nal.length ? 0x40 : 0;
    pieces.push(concatBytes([fragmentHeader(nal, start | end), piece]));
  }
  return pieces;
};
