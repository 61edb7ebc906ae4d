/**
 * The packets that the node keeps of one stream for replay.
 *
 * Items are tap frames, encoded once; readers get copies of several at a time. Packets have ordinals, contiguous in
 * arrival order; the signals between them (a publication begins, it ended) stand at the ordinal of the packet that comes next.
 * Invariants: ordinals never go down; what is held is a run without holes; `firstOrdinal <= nextOrdinal`; the signal in
 * force at the oldest item is never lost. What leaves before it was durable is counted. Times are monotonic.
 */
import { createFrameQueue, type FrameKind, type FrameQueue } from './frame-queue.ts';

/** Bounds of a ring. */
export type RingBounds = { maxAgeMs: number; maxBytes: number };

/** Where a reader stands; made by `cursorAt`, moved by `take`. */
export type Cursor = { index: number; ordinal: number; pending: Uint8Array | null };

/** Packets `from` up to, not including, `to` left the ring before the reader got to them. */
export type Hole = { from: number; to: number };

/** See the top of this file. */
export type Ring = {
  readonly firstOrdinal: number;
  readonly nextOrdinal: number;
  readonly bytes: number;
  /** Milliseconds between the oldest and the newest of what is held. */
  readonly spanMs: number;
  readonly items: number;
  /** Packets that left by age or size before they were durable. */
  readonly overflowed: number;
  /** A publication begins; `keyed` when its key frames will be marked. */
  begin(frame: Uint8Array, keyed: boolean, atMs: number): void;
  /** The next packet; its ordinal is `nextOrdinal`. */
  packet(frame: Uint8Array, keyFrame: boolean, atMs: number): void;
  /** The publication ended. */
  end(frame: Uint8Array, atMs: number): void;
  /** Everything below `ordinal` is durable: lets go of what no recorder can need, back to the key frame before it. */
  durable(ordinal: number): void;
  /** Lets go of what is too old. */
  expire(nowMs: number): void;
  /** A reader's place: at `ordinal` or, when that is no longer or not yet held or null, at the oldest. */
  cursorAt(ordinal: number | null): Cursor;
  /**
   * The next frames for a reader, as one piece of memory of its own of at most `mostBytes` or one frame; a hole when
   * frames were lost to it, null when it has all there is.
   */
  take(cursor: Cursor, mostBytes?: number): Uint8Array | Hole | null;
};

/** Index of the first item at or behind `ordinal`, signals that stand there included. */
const lowerBound = (queue: FrameQueue, ordinal: number): number => {
  let low = queue.start;
  let high = queue.end;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (queue.ordinalAt(middle) < ordinal) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Makes an empty ring whose first packet will have `startOrdinal`. */
export const createRing = (startOrdinal: number, bounds: RingBounds): Ring => {
  const queue = createFrameQueue();
  let keyFrames: number[] = [];
  let nextOrdinal = startOrdinal;
  let durableOrdinal = startOrdinal;
  let overflowed = 0;
  let keyed = false;
  let isEnded = false;
  let signalBefore: Uint8Array | null = null;

  const ordinalAt = (index: number) => (index < queue.end ? queue.ordinalAt(index) : nextOrdinal);
  const firstOrdinal = () => ordinalAt(queue.start);
  const frameAt = (index: number) => queue.copy(index, 0).frames;
  const add = (kind: FrameKind, frame: Uint8Array, atMs: number) =>
    queue.push(frame, { ordinal: nextOrdinal, atMs, kind });
  const dropOldest = () => {
    const { start } = queue;
    if (queue.kindAt(start) !== 'packet') signalBefore = frameAt(start);
    else {
      const ordinal = queue.ordinalAt(start);
      if (ordinal >= durableOrdinal) overflowed += 1;
      if (keyFrames[0] === ordinal) keyFrames.shift();
    }
    queue.shift();
  };
  const expire = (nowMs: number) => {
    while (queue.start < queue.end) {
      if (queue.bytes <= bounds.maxBytes && nowMs - queue.atMsAt(queue.start) <= bounds.maxAgeMs) return;
      dropOldest();
    }
  };
  /** The ordinal below which nothing is needed any more. */
  const neededFrom = (): number => {
    if ((isEnded && durableOrdinal >= nextOrdinal) || !keyed) return durableOrdinal;
    return keyFrames.findLast((ordinal) => ordinal <= durableOrdinal) ?? firstOrdinal();
  };
  /** The last signal in front of an item: what a reader that begins there has to know. */
  const signalInForce = (index: number): Uint8Array | null => {
    for (let at = index - 1; at >= queue.start; at -= 1) if (queue.kindAt(at) !== 'packet') return frameAt(at);
    return signalBefore;
  };

  return {
    get firstOrdinal() {
      return firstOrdinal();
    },
    get nextOrdinal() {
      return nextOrdinal;
    },
    get spanMs() {
      return queue.start < queue.end ? queue.atMsAt(queue.end - 1) - queue.atMsAt(queue.start) : 0;
    },
    get bytes() {
      return queue.bytes;
    },
    get items() {
      return queue.end - queue.start;
    },
    get overflowed() {
      return overflowed;
    },
    begin(frame, isKeyed, atMs) {
      keyed = isKeyed;
      isEnded = false;
      add('publication', frame, atMs);
    },
    packet(frame, keyFrame, atMs) {
      if (keyFrame) keyFrames.push(nextOrdinal);
      add('packet', frame, atMs);
      nextOrdinal += 1;
      expire(atMs);
    },
    end(frame, atMs) {
      isEnded = true;
      add('ended', frame, atMs);
    },
    durable(ordinal) {
      durableOrdinal = Math.max(durableOrdinal, Math.min(ordinal, nextOrdinal));
      const needed = neededFrom();
      while (queue.start < queue.end && queue.ordinalAt(queue.start) < needed) dropOldest();
      keyFrames = keyFrames.filter((key) => key >= needed);
    },
    expire,
    cursorAt(ordinal) {
      const isHeld = ordinal !== null && ordinal >= firstOrdinal() && ordinal <= nextOrdinal;
      const index = isHeld ? lowerBound(queue, ordinal) : queue.start;
      return { index, ordinal: ordinalAt(index), pending: signalInForce(index) };
    },
    take(cursor, mostBytes = 0) {
      if (cursor.index < queue.start) {
        const hole = { from: cursor.ordinal, to: firstOrdinal() };
        cursor.index = queue.start;
        cursor.ordinal = hole.to;
        cursor.pending = signalBefore;
        if (hole.from < hole.to) return hole;
      }
      if (cursor.pending !== null) {
        const frame = cursor.pending;
        cursor.pending = null;
        return frame;
      }
      if (cursor.index >= queue.end) return null;
      const { frames, next } = queue.copy(cursor.index, mostBytes);
      cursor.index = next;
      // Ordinals have no holes: behind the last packet comes the next item's, signals between them or not.
      cursor.ordinal = queue.kindAt(next - 1) === 'packet' ? queue.ordinalAt(next - 1) + 1 : queue.ordinalAt(next - 1);
      return frames;
    },
  };
};
