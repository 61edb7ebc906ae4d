/**
 * Somebody between an MQTT client and its broker who loses, repeats and holds back what the client publishes, as
 * brokers do that acknowledge before they store. Whatever is lost is acknowledged in the broker's name, so that the
 * client believes it arrived. MQTT 3.1.1 §2: a packet is a type, a length of up to four bytes, and the rest.
 */
import type { TcpMeddler } from '@weir/testkit';

/** How it meddles now; `isActive` false passes everything on. Shares are of one. */
export type Meddling = {
  isActive: boolean;
  loseShare: number;
  repeatShare: number;
  /** Held back until something else was published, or the meddling ends. */
  holdShare: number;
  lost: number;
  repeated: number;
  reordered: number;
};

/** Starts inactive. */
export const newMeddling = (): Meddling => ({
  isActive: false,
  loseShare: 0.2,
  repeatShare: 0.2,
  holdShare: 0.2,
  lost: 0,
  repeated: 0,
  reordered: 0,
});

const PUBLISH = 3;
const PUBACK = Buffer.of(0x40, 2);
const DUP = 0x08;
const MAX_HELD = 64;

/** The length of the first packet in the bytes, headers included; null while it is not known. */
const packetLength = (bytes: Buffer): { header: number; total: number } | null => {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return null;
    length += (byte & 0x7f) * 128 ** (at - 1);
    if (byte < 128) return { header: at + 1, total: at + 1 + length };
  }
  throw new RangeError('a length of more than four bytes');
};

type Ways = { forward: (bytes: Buffer) => void; answer: (bytes: Buffer) => void };
type Deed = (packet: Buffer, header: number, ways: Ways) => void;

const qosOf = (packet: Buffer): number => ((packet[0] ?? 0) >> 1) & 3;

/** The same once more; DUP has to be 0 for QoS 0 (§3.3.1.1). */
const markRepeated = (packet: Buffer): Buffer => {
  const again = Buffer.from(packet);
  if (qosOf(packet) > 0) again[0] = (again[0] ?? 0) | DUP;
  return again;
};

const acknowledgementOf = (packet: Buffer, header: number): Buffer | null => {
  if (qosOf(packet) === 0) return null;
  const topicBytes = packet.readUInt16BE(header);
  return Buffer.concat([PUBACK, packet.subarray(header + 2 + topicBytes, header + 4 + topicBytes)]);
};

/** Makes the meddler of one connection. */
export const mqttMeddler = (meddling: Meddling, random: () => number) => (): TcpMeddler => {
  let rest: Buffer = Buffer.alloc(0);
  let held: Buffer[] = [];
  const lose: Deed = (packet, header, { answer }) => {
    meddling.lost += 1;
    const acknowledgement = acknowledgementOf(packet, header);
    if (acknowledgement !== null) answer(acknowledgement);
  };
  const repeat: Deed = (packet, _header, { forward }) => {
    meddling.repeated += 1;
    forward(packet);
    forward(markRepeated(packet));
  };
  const hold: Deed = (packet, _header, { forward }) => {
    meddling.reordered += 1;
    if (held.length < MAX_HELD) held.push(packet);
    else forward(packet);
  };
  const publish: Deed = (packet, header, ways) => {
    const { loseShare, repeatShare, holdShare } = meddling;
    const fate = qosOf(packet) === 2 ? 1 : random();
    if (fate < loseShare) lose(packet, header, ways);
    else if (fate < loseShare + repeatShare) repeat(packet, header, ways);
    else if (fate < loseShare + repeatShare + holdShare) hold(packet, header, ways);
    else {
      ways.forward(packet);
      release(ways.forward);
    }
  };
  const release = (forward: (bytes: Buffer) => void): void => {
    for (const packet of held.splice(0)) forward(packet);
  };
  return {
    fromClient: (bytes, forward, answer) => {
      rest = Buffer.concat([rest, bytes]);
      for (let found = packetLength(rest); found !== null && rest.length >= found.total; found = packetLength(rest)) {
        const packet = rest.subarray(0, found.total);
        rest = rest.subarray(found.total);
        const isPublish = (packet[0] ?? 0) >> 4 === PUBLISH;
        if (isPublish && meddling.isActive) publish(packet, found.header, { forward, answer });
        else {
          // Pings come every few seconds: with them, what is held back arrives at last.
          release(forward);
          forward(packet);
        }
      }
    },
    closed: () => {
      held = [];
    },
  };
};
