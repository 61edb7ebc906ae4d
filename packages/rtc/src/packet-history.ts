/**
 * A packet as a stream forwards it: `sequence` grows by one from packet to packet and never goes back when the
 * publisher changes, `timestamp` is a wire value on the stream's own time line, `payload` is the publisher's.
 */
export type StreamPacket = { sequence: number; timestamp: number; marker: boolean; payload: Uint8Array };

/** The newest packets of a track, by stream sequence number; older ones are overwritten. */
export type PacketHistory = {
  put(packet: StreamPacket): void;
  get(sequence: number): StreamPacket | undefined;
};

/** A history of `size` packets, a power of two. */
export const createPacketHistory = (size: number): PacketHistory => {
  const packets = new Array<StreamPacket | undefined>(size).fill(undefined);
  const mask = size - 1;
  return {
    put: (packet) => {
      packets[packet.sequence & mask] = packet;
    },
    get: (sequence) => {
      const packet = packets[sequence & mask];
      return packet?.sequence === sequence ? packet : undefined;
    },
  };
};
