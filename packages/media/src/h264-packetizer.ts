import { u8 } from './boxes.ts';
import { type NalPayloadFormat, packetizeNals, type RtpPayload } from './nal-packetizer.ts';

const fuA = 28;
const stapA = 24;

const format: NalPayloadFormat = {
  headerBytes: 1,
  // STAP-A: the highest NRI of its units (RFC 6184 §5.7).
  aggregateHeader: (nals) => u8(Math.max(...nals.map((nal) => (nal[0] as number) & 0x60)) | stapA),
  // FU-A (RFC 6184 §5.8).
  fragmentHeader: (nal, position) => {
    const header = nal[0] as number;
    return u8((header & 0xe0) | fuA, position | (header & 0x1f));
  },
};

/**
 * NAL units of one access unit (without start codes) to RTP payloads of at most `maxBytes` (RFC 6184 mode 1): small
 * neighbours share a STAP-A, large ones are cut into FU-A.
 */
export const packetizeH264 = (nals: readonly Uint8Array[], maxBytes: number): RtpPayload[] =>
  packetizeNals(nals, maxBytes, format);
