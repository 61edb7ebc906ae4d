import { concatBytes, u8, u16 } from './boxes.ts';

/** One RTP payload of an access unit; `marker` on the last. */
export type RtpPayload = { payload: Uint8Array; marker: boolean };

const fuA = 28;
const stapA = 24;

/**
 * NAL units of one access unit (without start codes) to RTP payloads of at most `maxBytes` (RFC 6184 mode 1): small
 * neighbours share a STAP-A, large ones are cut into FU-A.
 */
export const packetizeH264 = (nals: readonly Uint8Array[], maxBytes: number): RtpPayload[] => {
  const payloads: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = 1;
  const endGroup = (): void => {
    const [only] = group;
    if (group.length === 1 && only !== undefined) payloads.push(only);
    if (group.length > 1) payloads.push(aggregate(group));
    group = [];
    groupBytes = 1;
  };
  for (const nal of nals) {
    if (groupBytes + 2 + nal.length > maxBytes) endGroup();
    if (nal.length > maxBytes) payloads.push(...fragment(nal, maxBytes));
    else {
      group.push(nal);
      groupBytes += 2 + nal.length;
    }
  }
  endGroup();
  return payloads.map((payload, index) => ({ payload, marker: index === payloads.length - 1 }));
};

/** STAP-A: the highest NRI of its units (RFC 6184 §5.7). */
const aggregate = (nals: readonly Uint8Array[]): Uint8Array => {
  const importance = Math.max(...nals.map((nal) => (nal[0] as number) & 0x60));
  return concatBytes([u8(importance | stapA), ...nals.flatMap((nal) => [u16(nal.length), nal])]);
};

/** FU-A (RFC 6184 §5.8). */
const fragment = (nal: Uint8Array, maxBytes: number): Uint8Array[] => {
  const header = nal[0] as number;
  const pieces: Uint8Array[] = [];
  for (let at = 1; at < nal.length; at += maxBytes - 2) {
    const piece = nal.subarray(at, at + maxBytes - 2);
    const start = at === 1 ? 0x80 : 0;
    const end = at + piece.length === nal.length ? 0x40 : 0;
    pieces.push(concatBytes([u8((header & 0xe0) | fuA, start | end | (header & 0x1f)), piece]));
  }
  return pieces;
};
