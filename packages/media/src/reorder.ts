import type { LostPackets, ReceivedPacket } from './access-unit.ts';
import { repairTime } from './repair-time.ts';

/** What comes out of the window: packets in sequence order, and in their place those that never came. */
export type Ordered = ReceivedPacket | LostPackets;

/**
 * Bounds of the window: how long a missing packet is waited for beyond the time that repairs take, how long at most,
 * and how many packets wait behind it at most. Where nobody knows which packet is the first, those that come within
 * `startMs` are put in order before the first is given out.
 */
export type ReorderLimits = { windowMs: number; mostMs: number; startMs: number; maxPackets: number };

/** Counters of the window: `late` came after they were given up or twice, `lost` never came in time, `recovered` did. */
export type ReorderCounters = { late: number; lost: number; recovered: number };

/** A window that brings packets into sequence order, by arrival time and number; a sequence number it gives up is lost. */
export type ReorderWindow = {
  step: (packet: ReceivedPacket) => readonly Ordered[];
  /** Gives up what has been missing for longer than the window at `nowMs` (arrival clock). */
  expire: (nowMs: number) => readonly Ordered[];
  /** Gives everything out, and begins anew with the next packet, whatever its number. */
  flush: () => readonly Ordered[];
  /** The next sequence number awaited, null before the first packet; and the lowest ordinal that waits. */
  inHand: () => { next: number | null; firstOrdinal: number | null };
  counters: () => ReorderCounters;
};

const none: readonly Ordered[] = [];
// RFC 3550 §A.1: a jump back by more than MAX_MISORDER that goes on in sequence is a sender that restarted.
const maxMisorder = 100;

/** Makes a reorder window; `next` is the sequence number to begin with after a restart, null to take the first that comes. */
export const reorderWindow = (limits: ReorderLimits, start: number | null = null): ReorderWindow => {
  const waiting = new Map<number, ReceivedPacket>();
  const repairs = repairTime();
  let next = start;
  let highest = start === null ? null : start - 1;
  let restartCandidate: number | null = null;
  let late = 0;
  let lost = 0;
  let recovered = 0;

  const drain = (out: Ordered[]): void => {
    while (next !== null && waiting.size > 0) {
      const packet = waiting.get(next);
      if (packet === undefined) return;
      waiting.delete(next);
      out.push(packet);
      next++;
    }
  };

  /** Gives up what is missing before the lowest waiting packet. */
  const giveUp = (out: Ordered[]): void => {
    let lowest = Number.POSITIVE_INFINITY;
    for (const sequence of waiting.keys()) if (sequence < lowest) lowest = sequence;
    if (next !== null && lowest > next) {
      lost += lowest - next;
      out.push({ kind: 'lost', count: lowest - next });
    }
    next = lowest;
    drain(out);
  };

  const expireInto = (nowMs: number, out: Ordered[]): void => {
    const windowMs = next === null ? limits.startMs : Math.min(limits.windowMs + repairs.waitMs(), limits.mostMs);
    while (waiting.size > 0 && (waiting.size > limits.maxPackets || oldest() + windowMs < nowMs)) giveUp(out);
  };

  /** Takes note of a hole that the packet shows, or of the one that it fills. */
  const noteHole = ({ sequence, arrivalMs }: ReceivedPacket): boolean => {
    if (highest !== null && sequence <= highest) return repairs.came(sequence, arrivalMs);
    if (highest !== null) repairs.missing(highest + 1, sequence, arrivalMs);
    highest = sequence;
    return false;
  };

  // A Map keeps the order of insertion, which is that of arrival.
  const oldest = (): number => {
    for (const packet of waiting.values()) return packet.arrivalMs;
    return Number.POSITIVE_INFINITY;
  };

  const behind = (packet: ReceivedPacket): readonly Ordered[] => {
    noteHole(packet);
    const restarts = packet.sequence === restartCandidate && (next ?? 0) - packet.sequence > maxMisorder;
    restartCandidate = packet.sequence + 1;
    if (!restarts) {
      late++;
      return none;
    }
    const out = [...flush(), { kind: 'lost', count: 1 } as const, packet];
    next = packet.sequence + 1;
    highest = packet.sequence;
    restartCandidate = null;
    return out;
  };

  const flush = (): readonly Ordered[] => {
    const out: Ordered[] = [];
    while (waiting.size > 0) giveUp(out);
    next = null;
    highest = null;
    repairs.restart();
    return out;
  };

  return {
    step: (packet) => {
      if (next === null && limits.startMs === 0) next = packet.sequence;
      if (next !== null && packet.sequence < next) return behind(packet);
      if (packet.sequence === next && waiting.size === 0) {
        highest = next;
        next++;
        return [packet];
      }
      if (waiting.has(packet.sequence)) {
        late++;
        return none;
      }
      if (noteHole(packet)) recovered++;
      const out: Ordered[] = [];
      waiting.set(packet.sequence, packet);
      drain(out);
      expireInto(packet.arrivalMs, out);
      return out;
    },
    expire: (nowMs) => {
      if (waiting.size === 0) return none;
      const out: Ordered[] = [];
      expireInto(nowMs, out);
      return out;
    },
    flush,
    inHand: () => {
      let firstOrdinal: number | null = null;
      let lowest: number | null = null;
      for (const packet of waiting.values()) {
        if (firstOrdinal === null || packet.ordinal < firstOrdinal) firstOrdinal = packet.ordinal;
        if (lowest === null || packet.sequence < lowest) lowest = packet.sequence;
      }
      return { next: next ?? lowest, firstOrdinal };
    },
    counters: () => ({ late, lost, recovered }),
  };
};
