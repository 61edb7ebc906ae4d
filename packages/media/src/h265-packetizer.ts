import { concatBytes, u8, u16 } from './boxes.ts';
import { h265NalType } from './h265-unit.ts';
import { type NalPayloadFormat, packetizeNals, type RtpPayload } from './nal-packetizer.ts';

const format: NalPayloadFormat = {
  headerBytes: 2,
  // Aggregation packet: the lowest layer and temporal id of its units (RFC 7798 §4.4.2).
  aggregateHeader: (nals) => {
    const rest = Math.min(...nals.map((nal) => (((nal[0] as number) & 1) << 8) | (nal[1] as number)));
    return u16((h265NalType.aggregate << 9) | rest);
  },
  // Fragmentation unit (RFC 7798 §4.4.3).
  fragmentHeader: (nal, position) => {
    const first = nal[0] as number;
    const header = u8((first & 0x81) | (h265NalType.fragment << 1), nal[1] as number);
    return concatBytes([header, u8(position | ((first >> 1) & 0x3f))]);
  },
};

/**
 * NAL units of one access unit (without start codes) to RTP payloads of at most `maxBytes` (RFC 7798, no DONL): small
 * neighbours share an aggregation packet, large ones are cut into fragmentation units.
 */
export const packetizeH265 = (nals: readonly Uint8Array[], maxBytes: number): RtpPayload[] =>
  packetizeNals(nals, maxBytes, format);
