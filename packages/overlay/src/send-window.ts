/**
 * What was sent and is not acknowledged. A message stays here until the peer has it, whatever the broker does to it.
 *
 * Each sending, the first and every repetition, has its place in a growing order. A message is lost when one came that was
 * sent at least `REORDERED` places and a reordering time after it (RACK, RFC 8985): that also finds a repetition that was
 * lost. The time grows where a message that was taken for lost turns out to have been late. What is last, and so has none
 * behind it, is found by time, with a delay that doubles. While the broker is away nothing is lost and no time runs;
 * afterwards everything is sent again.
 */
import type { Acknowledgement } from './receive-window.ts';
import { roundTrip } from './round-trip.ts';
import { windowSize } from './window-size.ts';

type Sent = { sequence: number; packet: Uint8Array; order: number; sentMs: number; times: number; isMeasured: boolean };

/** Counts of one direction. */
export type SendCounts = { sent: number; repeated: number; timeouts: number };

/** The sending half of a connection. */
export type SendWindow = {
  readonly counts: SendCounts;
  /** Bytes that may be sent now; below 0 when more is under way than the window has become. */
  room(): number;
  /** False while as many messages are under way as the peer keeps out of order. */
  hasPlace(): boolean;
  nextSequence(): number;
  /** A message goes out for the first time. */
  sent(packet: Uint8Array, nowMs: number): void;
  /** The next message that was lost, to be sent once more now; null when there is none. */
  takeLost(nowMs: number): { sequence: number; packet: Uint8Array } | null;
  /** The peer says what it has. */
  acknowledge(said: Acknowledgement, nowMs: number): void;
  /** True when an acknowledgement speaks of what was never sent. */
  isBeyond(acknowledged: number): boolean;
  /** Takes everything under way for lost: the broker was away. */
  loseAll(): void;
  /** When `expire` has something to do; infinite when nothing is under way. */
  deadlineMs(): number;
  expire(nowMs: number): void;
  unacknowledged(): number;
};

const REORDERED = 3;
const LEAST_REORDERING_MS = 0.25;
/** As many as {@link file://./receive-window.ts} keeps out of order. */
export const MAX_IN_FLIGHT = 1024;
const MAX_DOUBLINGS = 6;
const MAX_WAIT_MS = 5_000;

/** Opens the sending half. */
export const sendWindow = (): SendWindow => {
  const counts: SendCounts = { sent: 0, repeated: 0, timeouts: 0 };
  const way = roundTrip();
  const size = windowSize(way);
  // In the order of their latest sending, which is that of insertion.
  const underWay = new Map<number, Sent>();
  const lost = new Map<number, Sent>();
  let [next, order, bytes, highestOrder, doublings] = [1, 0, 0, 0, 0];
  let waitsSinceMs = Number.POSITIVE_INFINITY;
  let newestSentMs = Number.NEGATIVE_INFINITY;
  let reorderingMs = LEAST_REORDERING_MS;

  const forget = (sequence: number): Sent | undefined => {
    const found = underWay.get(sequence);
    if (found !== undefined) {
      underWay.delete(sequence);
      bytes -= found.packet.length;
      return found;
    }
    const again = lost.get(sequence);
    lost.delete(sequence);
    return again;
  };

  const lose = (each: Sent): void => {
    underWay.delete(each.sequence);
    bytes -= each.packet.length;
    lost.set(each.sequence, each);
  };

  const put = (each: Sent): void => {
    underWay.set(each.sequence, each);
    bytes += each.packet.length;
    if (waitsSinceMs === Number.POSITIVE_INFINITY) waitsSinceMs = each.sentMs;
  };

  const deadlineMs = (): number => waitsSinceMs + Math.min(MAX_WAIT_MS, way.timeoutMs() * 2 ** doublings);

  /** The oldest sequence number that is not acknowledged; a message that is lost counts as well. */
  let oldest = 1;
  const newlyAcknowledged = ({ acknowledged, selective }: Acknowledgement): Sent[] => {
    const found: (Sent | undefined)[] = [];
    for (; oldest <= acknowledged; oldest++) found.push(forget(oldest));
    for (let bit = 0; bit < 32; bit++) if (((selective >>> bit) & 1) === 1) found.push(forget(acknowledged + 2 + bit));
    return found.filter((each) => each !== undefined);
  };

  const noteArrival = ({ order: place, sentMs }: Sent): void => {
    highestOrder = Math.max(highestOrder, place);
    newestSentMs = Math.max(newestSentMs, sentMs);
  };

  /** What came sooner than any answer can to its last sending was an earlier one, that was late and not lost. */
  const learnReordering = ({ times, sentMs }: Sent, nowMs: number): void => {
    if (times > 1 && nowMs - sentMs < way.leastMs())
      reorderingMs = Math.min(reorderingMs * 2, Math.max(LEAST_REORDERING_MS, 2 * way.latestMs()));
  };

  // The message that came last alone tells the round trip: others may have waited behind a hole.
  const measure = (latest: number, nowMs: number): void => {
    const found = underWay.get(latest);
    if (found === undefined || found.isMeasured) return;
    found.isMeasured = true;
    // Of a repeated message nobody knows which sending the peer got (Karn).
    if (found.times > 1) return;
    noteArrival(found);
    way.sample(nowMs - found.sentMs, nowMs);
  };

  const learn = (came: readonly Sent[], before: number, nowMs: number): void => {
    for (const each of came) {
      learnReordering(each, nowMs);
      // An earlier sending that came says nothing of what was sent before the last one.
      if (each.times === 1) noteArrival(each);
    }
    const freed = came.reduce((sum, { packet }) => sum + packet.length, 0);
    size.acknowledged(freed, before, nowMs);
    doublings = 0;
    waitsSinceMs = underWay.size === 0 ? Number.POSITIVE_INFINITY : nowMs;
  };

  const findLost = (): void => {
    for (const each of underWay.values()) {
      if (each.order > highestOrder - REORDERED || each.sentMs > newestSentMs - reorderingMs) return;
      lose(each);
    }
  };

  return {
    counts,
    room: () => size.bytes() - bytes,
    hasPlace: () => underWay.size + lost.size < MAX_IN_FLIGHT && next - oldest < MAX_IN_FLIGHT,
    nextSequence: () => next,
    sent: (packet, nowMs) => {
      order += 1;
      counts.sent += 1;
      put({ sequence: next, packet, order, sentMs: nowMs, times: 1, isMeasured: false });
      next += 1;
    },
    takeLost: (nowMs) => {
      const [each] = lost.values();
      if (each === undefined) return null;
      lost.delete(each.sequence);
      order += 1;
      counts.repeated += 1;
      put({ ...each, order, sentMs: nowMs, times: each.times + 1 });
      return { sequence: each.sequence, packet: each.packet };
    },
    acknowledge: (said, nowMs) => {
      const before = bytes;
      measure(said.latest, nowMs);
      const came = newlyAcknowledged(said);
      if (came.length === 0) return;
      learn(came, before, nowMs);
      findLost();
    },
    isBeyond: (acknowledged) => acknowledged >= next,
    loseAll: () => {
      for (const each of [...underWay.values()]) lose(each);
      waitsSinceMs = Number.POSITIVE_INFINITY;
      doublings = 0;
    },
    deadlineMs,
    expire: (nowMs) => {
      const [first] = underWay.values();
      if (first === undefined || nowMs < deadlineMs()) return;
      counts.timeouts += 1;
      doublings = Math.min(MAX_DOUBLINGS, doublings + 1);
      waitsSinceMs = nowMs;
      size.timedOut();
      lose(first);
    },
    unacknowledged: () => underWay.size + lost.size,
  };
};
