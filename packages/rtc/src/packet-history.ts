/**
 * A packet as a stream forwards it: `sequence` grows by one from packet to packet and never goes back when the
 * publisher changes, `timestamp` is a wire value on the stream's own time line, `payload` is the publisher's.
 */
export type StreamPacket = { sequence: number; timestamp: number; marker: boolean; payload: Uint8Array };

/** The newest packets of a track, by stream sequence number; older ones are overwritten. */
export type PacketHistory = {
  /** Keeps a copy of a packet. */
  put(packet: StreamPacket): void;
  /** A packet, as it is until the next `put`. */
  get(sequence: number): StreamPacket | undefined;
};

/** A history of `size` packets, a power of two. Each place keeps its memory for the packets that come later. */
export const createPacketHistory = (size: number): PacketHistory => {
  const places = new Array<(StreamPacket & { memory: Buffer }) | undefined>(size).fill(undefined);
  const mask = size - 1;
  return {
    put: (packet) => {
      const { length } = packet.payload;
      const memory = places[packet.sequence & mask]?.memory;
      const bytes = memory !== undefined && memory.length >= length ? memory : Buffer.allocUnsafeSlow(length);
      bytes.set(packet.payload);
      places[packet.sequence & mask] = { ...packet, payload: bytes.subarray(0, length), memory: bytes };
    },
    get: (sequence) => {
      const packet = places[sequence & mask];
      return packet?.sequence === sequence ? packet : undefined;
    },
  };
};
