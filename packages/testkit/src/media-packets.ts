import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';

/** A coded frame as an independent reader finds it in a file; `timestamp` in seconds. */
export type MediaPacket = { timestamp: number; key: boolean; data: Uint8Array };

/** The packets of the first track of a file, in decode order. */
export const readMediaPackets = async (file: Uint8Array): Promise<MediaPacket[]> => {
  using input = new Input({ source: new BufferSource(file), formats: ALL_FORMATS });
  const [track] = await input.getTracks();
  if (track === undefined) return [];
  const packets: MediaPacket[] = [];
  for await (const { timestamp, type, data } of new EncodedPacketSink(track).packets()) {
    packets.push({ timestamp, key: type === 'key', data });
  }
  return packets;
};
