/**
 * Where a recording stands in its stream's ring: turns what the tap sends into inputs of the core, names the place to
 * go on at after a lost connection, and knows for how long there has been no publisher.
 *
 * A difference between that place and the oldest packet the node holds is a hole; it is told once the core knows the
 * publication, which is the first thing the node sends.
 */
import type { NodeSignal, TapWelcome } from '@weir/contracts';
import type { RecordingInput } from '@weir/media';
import type { RecordFrame } from './record-connection.ts';
import { corePublication, type RingPlace } from './ring-place.ts';

type Welcome = Extract<TapWelcome, { use: 'record' }>;
type Signal = Exclude<NodeSignal, { kind: 'superseded' | 'heard' }>;

/** See the top of this file. */
export type RingFeed = {
  readonly place: RingPlace | null;
  readonly isConnected: boolean;
  /** A claim was granted; tells whether the ring still has all from our place on. */
  welcomed(welcome: Welcome): { isWhole: boolean; missed: number };
  lost(nowMs: number): void;
  /** Whether all before this place was taken in. */
  hasReached(place: RingPlace): boolean;
  inputs(frame: Exclude<RecordFrame, { kind: 'superseded' }>, nowMs: number): RecordingInput[];
  /** Monotonic milliseconds without a publisher; null while there is one. */
  absentMs(nowMs: number): number | null;
};

/** Makes a feed that goes on at `place`; null begins at the oldest packet. */
export const ringFeed = (start: RingPlace | null, nowMs: number): RingFeed => {
  let place = start === null ? null : { ...start };
  let hole: { from: number; to: number } | null = null;
  let absentSinceMs: number | null = nowMs;
  let isConnected = false;

  const takeHole = (): RecordingInput[] => {
    const taken = hole;
    hole = null;
    return taken === null ? [] : [{ kind: 'hole', ...taken }];
  };
  const reach = (ordinal: number) => {
    if (place !== null) place.ordinal = Math.max(place.ordinal, ordinal);
  };
  const signal = (input: Signal, atMs: number): RecordingInput[] => {
    switch (input.kind) {
      case 'publication': {
        const { epoch, ordinal } = input.publication;
        absentSinceMs = null;
        if (place?.epoch !== epoch) place = { epoch, ordinal };
        return [{ kind: 'publication', publication: corePublication(input.publication) }, ...takeHole()];
      }
      case 'ended':
        absentSinceMs = atMs;
        return [{ kind: 'ended', ordinal: input.ordinal, atMs: input.at_ms }];
      case 'hole':
        reach(input.to);
        return [{ kind: 'hole', from: input.from, to: input.to }];
    }
  };

  return {
    get place() {
      return place;
    },
    get isConnected() {
      return isConnected;
    },
    welcomed: ({ epoch, first_ordinal: first }) => {
      isConnected = true;
      const from = place?.epoch === epoch ? place.ordinal : null;
      hole = from !== null && first > from ? { from, to: first } : null;
      place ??= { epoch, ordinal: first };
      return { isWhole: from !== null && hole === null, missed: hole === null ? 0 : hole.to - hole.from };
    },
    lost: (atMs) => {
      isConnected = false;
      absentSinceMs ??= atMs;
    },
    hasReached: ({ epoch, ordinal }) => place?.epoch === epoch && place.ordinal >= ordinal,
    inputs: (frame, atMs) => {
      if (frame.kind !== 'packet') return signal(frame, atMs);
      reach(frame.ordinal + 1);
      return [...takeHole(), frame];
    },
    absentMs: (atMs) => (absentSinceMs === null ? null : atMs - absentSinceMs),
  };
};
