import { encodeLeb128, type Obu, obuType, splitObus } from './av1-obu.ts';
import { concatBytes, u8 } from './boxes.ts';
import type { RtpPayload } from './nal-packetizer.ts';

type Packet = { elements: Uint8Array[]; bytes: number; continues: boolean; unfinished: boolean };

const most = { countedElements: 3, lengthBytes: 3 } as const;

/**
 * One temporal unit (low-overhead format) to RTP payloads of at most `maxBytes` (RTP payload format for AV1 §4): OBUs
 * without size field, delimiters left out, one that does not fit goes on in the next packet. Empty when it is not valid.
 */
export const packetizeAv1 = (temporalUnit: Uint8Array, maxBytes: number): RtpPayload[] => {
  const obus = (splitObus(temporalUnit) ?? []).filter(({ type }) => type !== obuType.temporalDelimiter);
  const startsSequence = obus.some(({ type }) => type === obuType.sequenceHeader);
  const packets: Packet[] = [newPacket(false)];
  for (const obu of obus) addObu(packets, obu, maxBytes);
  const filled = packets.filter(({ elements }) => elements.length > 0);
  return filled.map((packet, index) => ({
    payload: encodePacket(packet, startsSequence && index === 0),
    marker: index === filled.length - 1,
  }));
};

const newPacket = (continues: boolean): Packet => ({ elements: [], bytes: 1, continues, unfinished: false });

const addObu = (packets: Packet[], { header, payload }: Obu, maxBytes: number): void => {
  let rest = concatBytes([header, payload]);
  for (;;) {
    let packet = packets[packets.length - 1] as Packet;
    if (packet.elements.length > 0 && packet.bytes + most.lengthBytes >= maxBytes) {
      packet = newPacket(false);
      packets.push(packet);
    }
    const room = maxBytes - packet.bytes - most.lengthBytes;
    const piece = rest.subarray(0, Math.max(1, room));
    packet.elements.push(piece);
    packet.bytes += most.lengthBytes + piece.length;
    rest = rest.subarray(piece.length);
    if (rest.length === 0) return;
    packet.unfinished = true;
    packets.push(newPacket(true));
  }
};

const encodePacket = ({ elements, continues, unfinished }: Packet, startsSequence: boolean): Uint8Array => {
  const count = elements.length <= most.countedElements ? elements.length : 0;
  const header = (continues ? 0x80 : 0) | (unfinished ? 0x40 : 0) | (count << 4) | (startsSequence ? 0x08 : 0);
  const parts = elements.flatMap((element, index) =>
    index === count - 1 ? [element] : [encodeLeb128(element.length), element],
  );
  return concatBytes([u8(header), ...parts]);
};
