import type { AccessUnit, Depacketizer, ReceivedPacket } from './access-unit.ts';
import { parameterSetKeeper } from './h264-parameter-set-keeper.ts';
import type { ParameterSets } from './h264-parameter-sets.ts';
import { addPayload, beginUnit, isPictureStart, type Unit } from './h264-unit.ts';

/**
 * Depacketizer of H.264 (RFC 6184, packetization modes 0 and 1). A packet missing drops its whole access unit.
 *
 * - `idle`: between units. Where something was lost just before (`intact` false), or nothing came before at all, the
 *   next unit must show that its first packet is there.
 * - `collecting`: every packet of the unit so far is there, in order.
 * - `skipping`: a packet of this unit is missing or not valid: its rest is dropped. `intact` is false while something
 *   may be missing behind it too, so that the next timestamp need not be the first packet of its unit.
 */
type State =
  | { kind: 'idle'; intact: boolean }
  | { kind: 'collecting'; unit: Unit }
  | { kind: 'skipping'; timestamp: number; intact: boolean };

/** What a depacketizer knows before the first packet: parameter sets out of band, and that it goes on without a hole. */
export type H264Start = { parameterSets?: ParameterSets | null; intact?: boolean };

const none: readonly AccessUnit[] = [];

/** H.264 packets in order to access units of 4-byte length prefixed NAL units, without SPS, PPS, AUD and filler. */
export const h264Depacketizer = (start: H264Start = {}): Depacketizer => {
  const keeper = parameterSetKeeper(start.parameterSets ?? null);
  let state: State = { kind: 'idle', intact: start.intact ?? false };
  let lossBefore = false;
  // RFC 6184 §5.1 sets the marker on the last packet of an access unit; a sender that never does is taken at its word.
  let hasMarkers = false;
  let droppedUnits = 0;
  let malformed = 0;

  const drop = (timestamp: number, intact: boolean): void => {
    droppedUnits++;
    lossBefore = true;
    state = { kind: 'skipping', timestamp, intact };
  };

  const emit = (unit: Unit): AccessUnit => {
    const configuration = keeper.configurationFor(unit);
    const made = {
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
    };
    lossBefore = false;
    return made;
  };

  /** Ends a unit at a timestamp change: the access unit, or null when it was cut off in mid-fragment. */
  const endAtChange = (unit: Unit): AccessUnit | null => {
    if (unit.fragment === null) return emit(unit);
    malformed++;
    droppedUnits++;
    lossBefore = true;
    return null;
  };

  const begin = (packet: ReceivedPacket, intact: boolean): Unit | null => {
    if (intact || isPictureStart(packet.rtp.payload, keeper.inBand())) return beginUnit(packet);
    drop(packet.rtp.timestamp, true);
    if (packet.rtp.marker) state = { kind: 'idle', intact: true };
    return null;
  };

  /** The unit this packet belongs to, null when the packet is dropped; a unit ended by it goes to `out`. */
  const unitFor = (packet: ReceivedPacket, out: AccessUnit[]): Unit | null => {
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
        const ended = endAtChange(unit);
        if (ended !== null) out.push(ended);
        return beginUnit(packet);
      }
    }
  };

  const take = (packet: ReceivedPacket, out: AccessUnit[]): void => {
    const unit = unitFor(packet, out);
    if (unit === null) return;
    unit.firstOrdinal = Math.min(unit.firstOrdinal, packet.ordinal);
    if (!addPayload(unit, packet.rtp.payload)) {
      malformed++;
      drop(packet.rtp.timestamp, true);
      if (packet.rtp.marker) state = { kind: 'idle', intact: true };
      return;
    }
    if (packet.rtp.marker && unit.picture && unit.fragment === null) {
      state = { kind: 'idle', intact: true };
      out.push(emit(unit));
      return;
    }
    if (state.kind !== 'collecting' || state.unit !== unit) state = { kind: 'collecting', unit };
  };

  const lose = (): void => {
    if (state.kind === 'collecting') drop(state.unit.timestamp, false);
    else if (state.kind === 'skipping') state = { ...state, intact: false };
    else state = { kind: 'idle', intact: false };
    lossBefore = true;
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
      return [emit(unit)];
    },
    inHand: () => (state.kind === 'collecting' ? state.unit : null),
    counters: () => ({ droppedUnits, malformed }),
  };
};
