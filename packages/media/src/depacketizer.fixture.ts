import type { AccessUnit, Depacketizer, LostPackets, ReceivedPacket } from './access-unit.ts';
import { concatBytes } from './boxes.ts';
import type { RtpPayload } from './nal-packetizer.ts';
import { encodeRtp, parseRtp } from './rtp.ts';

/** One packet in order, or one that never comes. */
export type Step = { timestamp: number; payload: Uint8Array; marker?: boolean } | 'lost';

/** Bytes of a text of hex digits. */
export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const input = (step: Step, index: number): ReceivedPacket | LostPackets => {
  if (step === 'lost') return { kind: 'lost', count: 1 };
  const { timestamp, payload, marker = false } = step;
  const rtp = parseRtp(encodeRtp({ payloadType: 98, marker, sequence: index, timestamp, ssrc: 1, payload }));
  if (rtp === null) throw new Error('the fixture writes packets that are none');
  return { kind: 'packet', rtp, sequence: index, ordinal: 100 + index, arrivalMs: index };
};

/** What a depacketizer makes of packets, to the end. */
export const feed = (depacketizer: Depacketizer, steps: readonly Step[]): AccessUnit[] => [
  ...steps.flatMap((step, index) => depacketizer.step(input(step, index))),
  ...depacketizer.flush(),
];

/** The sample of a unit in hex digits. */
export const bytesOf = (unit: AccessUnit | undefined): string =>
  Buffer.from(concatBytes(unit?.pieces ?? [])).toString('hex');

/** Steps of payloads under one timestamp. */
export const at = (timestamp: number, payloads: readonly RtpPayload[]): Step[] =>
  payloads.map((each) => ({ timestamp, ...each }));
