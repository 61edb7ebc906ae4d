import type { AccessUnit, Depacketizer, ReceivedPacket } from './access-unit.ts';

/**
 * An access unit being collected, all packets of one timestamp. `picture` is true once it has anything to show;
 * `fragment` is what a packet has begun and none has ended yet; `pieces` are its sample's bytes, views of payloads and
 * what must be written between them.
 */
export type CollectedUnit = {
  timestamp: number;
  key: boolean;
  picture: boolean;
  pieces: Uint8Array[];
  size: number;
  fragment: object | null;
  firstSequence: number;
  firstOrdinal: number;
  arrivalMs: number;
};

/** What differs from one payload format to the next. */
export type PayloadFormat<U extends CollectedUnit> = {
  begin: (packet: ReceivedPacket) => U;
  /** Adds one payload, which is not empty; false when it is not valid. */
  add: (unit: U, payload: Uint8Array) => boolean;
  /** Whether a payload is evidently the first of its unit. */
  isStart: (payload: Uint8Array) => boolean;
  /**
   * Ends a unit that has all its packets: the configuration it is coded with (null: none came yet). `drop`: no decoder
   * could take it, so it is lost; `leave-out`: the same, and nothing refers to it.
   */
  complete: (unit: U) => Uint8Array | null | 'drop' | 'leave-out';
  /** Packets or units before the next one are missing. */
  broken?: () => void;
};

/**
 * Depacketizer of a video codec. A packet missing drops its whole access unit.
 *
 * - `idle`: between units. Where something was lost just before (`intact` false), or nothing came before at all, the
 *   next unit must show that its first packet is there.
 * - `collecting`: every packet of the unit so far is there, in order.
 * - `skipping`: a packet of this unit is missing or not valid: its rest is dropped. `intact` is false while something
 *   may be missing behind it too, so that the next timestamp need not be the first packet of its unit.
 */
type State<U> =
  | { kind: 'idle'; intact: boolean }
  | { kind: 'collecting'; unit: U }
  | { kind: 'skipping'; timestamp: number; intact: boolean };

const none: readonly AccessUnit[] = [];

/** What every unit begins with at its first packet. */
export const emptyUnit = (packet: ReceivedPacket): CollectedUnit & { fragment: null } => ({
  timestamp: packet.rtp.timestamp,
  key: false,
  picture: false,
  pieces: [],
  size: 0,
  fragment: null,
  firstSequence: packet.sequence,
  firstOrdinal: packet.ordinal,
  arrivalMs: packet.arrivalMs,
});

/** Bounds of a unit in hand: bytes, and views that its sample is made of. */
export const mostUnitBytes = 16 * 1024 * 1024;
export const mostPieces = 32_768;

const hasRoom = (unit: CollectedUnit): boolean => unit.size <= mostUnitBytes && unit.pieces.length <= mostPieces;

/** Packets in order to access units, by the rules of a payload format; `intact`: it goes on without a hole before it. */
export const unitDepacketizer = <U extends CollectedUnit>(format: PayloadFormat<U>, intact: boolean): Depacketizer => {
  let state: State<U> = { kind: 'idle', intact };
  let lossBefore = false;
  // All formats set the marker on the last packet of an access unit; a sender that never does is taken at its word.
  let hasMarkers = false;
  let droppedUnits = 0;
  let malformed = 0;

  const drop = (timestamp: number, intact: boolean): void => {
    droppedUnits++;
    lossBefore = true;
    state = { kind: 'skipping', timestamp, intact };
  };

  const emit = (unit: U, out: AccessUnit[]): void => {
    const configuration = format.complete(unit);
    if (configuration === 'drop' || configuration === 'leave-out') {
      droppedUnits++;
      lossBefore ||= configuration === 'drop';
      return;
    }
    out.push({
      timestamp: unit.timestamp,
      key: unit.key,
      pieces: unit.pieces,
      size: unit.size,
      duration: null,
      configuration,
      firstSequence: unit.firstSequence,
      firstOrdinal: unit.firstOrdinal,
      arrivalMs: unit.arrivalMs,
      lossBefore,
    });
    lossBefore = false;
  };

  /** Ends a unit at a timestamp change; one that was cut off in mid-fragment is dropped. */
  const endAtChange = (unit: U, out: AccessUnit[]): void => {
    if (unit.fragment === null) {
      emit(unit, out);
      return;
    }
    malformed++;
    droppedUnits++;
    lossBefore = true;
  };

  const begin = (packet: ReceivedPacket, intact: boolean): U | null => {
    if (intact || format.isStart(packet.rtp.payload)) return format.begin(packet);
    drop(packet.rtp.timestamp, true);
    if (packet.rtp.marker) state = { kind: 'idle', intact: true };
    return null;
  };

  /** The unit this packet belongs to, null when the packet is dropped; a unit ended by it goes to `out`. */
  const unitFor = (packet: ReceivedPacket, out: AccessUnit[]): U | null => {
    const { timestamp, marker } = packet.rtp;
    switch (state.kind) {
      case 'idle':
        return begin(packet, state.intact);
      case 'skipping': {
        if (timestamp !== state.timestamp) return begin(packet, state.intact);
        state = marker ? { kind: 'idle', intact: true } : { kind: 'skipping', timestamp, intact: true };
        return null;
      }
      case 'collecting': {
        const { unit } = state;
        if (timestamp === unit.timestamp) return unit;
        if (!unit.picture) {
          // Parameter sets or SEI that came under a timestamp of their own belong to the picture behind them.
          unit.timestamp = timestamp;
          return unit;
        }
        endAtChange(unit, out);
        return format.begin(packet);
      }
    }
  };

  const take = (packet: ReceivedPacket, out: AccessUnit[]): void => {
    const unit = unitFor(packet, out);
    if (unit === null) return;
    unit.firstOrdinal = Math.min(unit.firstOrdinal, packet.ordinal);
    if (!hasRoom(unit) || !format.add(unit, packet.rtp.payload)) {
      malformed++;
      drop(packet.rtp.timestamp, true);
      if (packet.rtp.marker) state = { kind: 'idle', intact: true };
      return;
    }
    if (packet.rtp.marker && unit.picture && unit.fragment === null) {
      state = { kind: 'idle', intact: true };
      emit(unit, out);
      return;
    }
    if (state.kind !== 'collecting' || state.unit !== unit) state = { kind: 'collecting', unit };
  };

  const lose = (): void => {
    if (state.kind === 'collecting') drop(state.unit.timestamp, false);
    else if (state.kind === 'skipping') state = { ...state, intact: false };
    else state = { kind: 'idle', intact: false };
    lossBefore = true;
    format.broken?.();
  };

  return {
    step: (input) => {
      if (input.kind === 'lost') {
        lose();
        return none;
      }
      // Packets of padding alone probe the bandwidth; they carry no part of any unit.
      if (input.rtp.payload.length === 0) return none;
      hasMarkers ||= input.rtp.marker;
      const out: AccessUnit[] = [];
      take(input, out);
      return out.length === 0 ? none : out;
    },
    flush: () => {
      if (state.kind !== 'collecting') return none;
      const { unit } = state;
      state = { kind: 'idle', intact: false };
      if (!unit.picture || unit.fragment !== null || hasMarkers) {
        droppedUnits++;
        return none;
      }
      const out: AccessUnit[] = [];
      emit(unit, out);
      return out;
    },
    inHand: () => (state.kind === 'collecting' ? state.unit : null),
    counters: () => ({ droppedUnits, malformed }),
  };
};
