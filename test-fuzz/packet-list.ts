/** Several packets in one input: each behind its length in two bytes, so that damage also strikes their order and number. */
import fc from 'fast-check';

/** Joins packets to one input. */
export const joinPackets = (packets: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(
    Buffer.concat(packets.flatMap((packet) => [Uint8Array.of(packet.length >> 8, packet.length & 0xff), packet])),
  );

/** The packets of an input, as views; the last one has what is left. */
export const splitPackets = (bytes: Uint8Array): Uint8Array[] => {
  const packets: Uint8Array[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number));
    packets.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return packets;
};

/** Packets of which some are left out, come twice, or change places, as networks do. */
export const shuffled = (packets: fc.Arbitrary<readonly Uint8Array[]>): fc.Arbitrary<Uint8Array> =>
  fc.tuple(packets, fc.array(fc.nat(9), { maxLength: 60 })).map(([all, fate]) => {
    const sent: Uint8Array[] = [];
    all.forEach((packet, index) => {
      const what = fate[index] ?? 9;
      if (what === 0) return;
      if (what === 1) sent.push(packet);
      if (what === 2) sent.unshift(packet);
      else sent.push(packet);
    });
    return joinPackets(sent);
  });
