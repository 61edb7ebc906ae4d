/** Feeds a depacketizer from one input: packets in order with how each travelled before its payload. */
import type { AccessUnit, Depacketizer } from '../packages/media/src/access-unit.ts';
import { splitPackets } from './packet-list.ts';

/** What came out: each access unit, and the counters. */
export const depacketized = (depacketizer: Depacketizer, bytes: Uint8Array): unknown => {
  const units: AccessUnit[] = [];
  let sequence = 65_530;
  let timestamp = 0xffff_ff00;
  splitPackets(bytes).forEach((packet, ordinal) => {
    const [step = 1, flags = 0, ticks = 0] = packet;
    const marker = (flags & 1) !== 0;
    if (flags > 0xf0) units.push(...depacketizer.step({ kind: 'lost', count: step }));
    sequence += step;
    timestamp = (timestamp + ticks) >>> 0;
    const payload = packet.subarray(3);
    const rtp = { payloadType: 96, marker, sequence: sequence & 0xffff, timestamp, ssrc: 1, payload, headerLength: 12 };
    units.push(...depacketizer.step({ kind: 'packet', rtp, sequence, ordinal, arrivalMs: ordinal }));
  });
  units.push(...depacketizer.flush());
  for (const { size, pieces } of units) {
    const bytesOf = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytesOf !== size) throw new Error(`an access unit of ${bytesOf} bytes says that it has ${size}`);
  }
  // The configuration is the same object while nothing changes: it is counted when it does.
  const configurations = new Set(units.map(({ configuration }) => configuration));
  return [units.map(({ configuration: _, ...unit }) => unit), [...configurations], depacketizer.counters()];
};
