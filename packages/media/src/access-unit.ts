import type { RtpPacket } from './rtp.ts';

/** One RTP packet behind the border: `sequence` no longer wraps, `ordinal` is its place in the ring, arrival in wall ms. */
export type ReceivedPacket = { kind: 'packet'; rtp: RtpPacket; sequence: number; ordinal: number; arrivalMs: number };

/** `count` sequence numbers that never came, in their place in the order. */
export type LostPackets = { kind: 'lost'; count: number };

/**
 * One access unit, complete: what becomes one sample. `timestamp` is the wire RTP timestamp; the sample's bytes are
 * `pieces` one after the other (views of packets, never copied before the part is built), `size` their sum;
 * `duration` in ticks where the packet itself tells it, else null. `configuration` is the codec configuration record
 * it is coded with, the same object while nothing changes, null when none has come yet. `firstOrdinal` is the lowest of its packets'; `lossBefore` says that
 * something between the unit before and this one was lost.
 */
export type AccessUnit = {
  timestamp: number;
  key: boolean;
  pieces: readonly Uint8Array[];
  size: number;
  duration: number | null;
  configuration: Uint8Array | null;
  firstSequence: number;
  firstOrdinal: number;
  arrivalMs: number;
  lossBefore: boolean;
  /** The first unit of another RTP clock (new SSRC). */
  newClock?: true;
};

/** The packets a depacketizer holds of a unit that is not complete yet. */
export type UnitInHand = { firstSequence: number; firstOrdinal: number };

/** Turns packets in order into access units; never throws, holds at most one unit. */
export type Depacketizer = {
  step: (input: ReceivedPacket | LostPackets) => readonly AccessUnit[];
  /** Nothing more will come: gives a unit that only lacks the start of the next one. */
  flush: () => readonly AccessUnit[];
  inHand: () => UnitInHand | null;
  counters: () => { droppedUnits: number; malformed: number };
};
