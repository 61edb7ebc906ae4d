import { concatBytes, u8, u16 } from './boxes.ts';
import type { RtpPayload } from './h264-packetizer.ts';
import { h265NalType } from './h265-unit.ts';

/**
 * NAL units of one access unit (without start codes) to RTP payloads of at most `maxBytes` (RFC 7798, no DONL): small
 * neighbours share an aggregation packet, large ones are cut into fragmentation units.
 */
export const packetizeH265 = (nals: readonly Uint8Array[], maxBytes: number): RtpPayload[] => {
  const payloads: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = 2;
  const endGroup = (): void => {
    const [only] = group;
    if (group.length === 1 && only !== undefined) payloads.push(only);
    if (group.length > 1) payloads.push(aggregate(group));
    group = [];
    groupBytes = 2;
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

/** Aggregation packet: the lowest layer and temporal id of its units (RFC 7798 §4.4.2). */
const aggregate = (nals: readonly Uint8Array[]): Uint8Array => {
  const rest = Math.min(...nals.map((nal) => (((nal[0] as number) & 1) << 8) | (nal[1] as number)));
  const header = u16((h265NalType.aggregate << 9) | rest);
  return concatBytes([header, ...nals.flatMap((nal) => [u16(nal.length), nal])]);
};

/** Fragmentation units (RFC 7798 §4.4.3). */
const fragment = (nal: Uint8Array, maxBytes: number): Uint8Array[] => {
  const first = nal[0] as number;
  const header = u8((first & 0x81) | (h265NalType.fragment << 1), nal[1] as number);
  const pieces: Uint8Array[] = [];
  for (let at = 2; at < nal.length; at += maxBytes - 3) {
    const piece = nal.subarray(at, at + maxBytes - 3);
    const start = at === 2 ? 0x80 : 0;
    const end = at + piece.length === nal.length ? 0x40 : 0;
    pieces.push(concatBytes([header, u8(start | end | ((first >> 1) & 0x3f)), piece]));
  }
  return pieces;
};
