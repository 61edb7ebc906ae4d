/**
 * The packets that the node keeps of one stream for replay.
 *
 * Items are tap frames, encoded once and shared with the sockets. Packets have ordinals, contiguous in arrival order;
 * the signals between them (a publication begins, it ended) stand at the ordinal of the packet that comes next.
 * Invariants: ordinals never go down; what is held is a run without holes; `firstOrdinal <= nextOrdinal`; the signal in
 * force at the oldest item is never lost. What leaves before it was durable is counted. Times are monotonic.
 */

/** Bounds of a ring. */
export type RingBounds = { maxAgeMs: number; maxBytes: number };

/** Where a reader stands; made by `cursorAt`, moved by `take`. */
export type Cursor = { index: number; ordinal: number; pending: Uint8Array | null };

/** Packets `from` up to, not including, `to` left the ring before the reader got to them. */
export type Hole = { from: number; to: number };

type Item = { ordinal: number; atMs: number; frame: Uint8Array; kind: 'packet' | 'publication' | 'ended' };

/** See the top of this file. */
export type Ring = {
  readonly firstOrdinal: number;
  readonly nextOrdinal: number;
  readonly bytes: number;
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
  /** The next frame for a reader, a hole when frames were lost to it, null when it has all there is. */
  take(cursor: Cursor): Uint8Array | Hole | null;
};

const dropped: Item = { ordinal: -1, atMs: 0, frame: new Uint8Array(0), kind: 'packet' };
const COMPACT_AT = 512;

/** A first-in first-out list that keeps absolute indexes: `start` is that of the oldest item, `end` one behind the newest. */
const itemQueue = () => {
  let slots: Item[] = [];
  let head = 0;
  let start = 0;
  return {
    start: () => start,
    end: () => start + slots.length - head,
    push: (item: Item) => slots.push(item),
    at: (index: number) => slots[head + index - start],
    oldest: () => slots[head],
    shift: () => {
      const item = slots[head] as Item;
      slots[head] = dropped;
      head += 1;
      start += 1;
      if (head >= COMPACT_AT && head * 2 >= slots.length) {
        slots = slots.slice(head);
        head = 0;
      }
      return item;
    },
  };
};

/** Index of the first item at or behind `ordinal`, signals that stand there included. */
const lowerBound = (queue: ReturnType<typeof itemQueue>, ordinal: number): number => {
  let low = queue.start();
  let high = queue.end();
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((queue.at(middle) as Item).ordinal < ordinal) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Makes an empty ring whose first packet will have `startOrdinal`. */
export const createRing = (startOrdinal: number, bounds: RingBounds): Ring => {
  const queue = itemQueue();
  let keyFrames: number[] = [];
  let nextOrdinal = startOrdinal;
  let durableOrdinal = startOrdinal;
  let bytes = 0;
  let overflowed = 0;
  let keyed = false;
  let isEnded = false;
  let signalBefore: Item | null = null;

  const firstOrdinal = () => queue.oldest()?.ordinal ?? nextOrdinal;
  const add = (kind: Item['kind'], frame: Uint8Array, atMs: number) => {
    queue.push({ ordinal: nextOrdinal, atMs, frame, kind });
    bytes += frame.length;
  };
  const dropOldest = () => {
    const item = queue.shift();
    bytes -= item.frame.length;
    if (item.kind !== 'packet') signalBefore = item;
    else {
      if (item.ordinal >= durableOrdinal) overflowed += 1;
      if (keyFrames[0] === item.ordinal) keyFrames.shift();
    }
  };
  const expire = (nowMs: number) => {
    for (let item = queue.oldest(); item !== undefined; item = queue.oldest()) {
      if (bytes <= bounds.maxBytes && nowMs - item.atMs <= bounds.maxAgeMs) return;
      dropOldest();
    }
  };
  /** The ordinal below which nothing is needed any more. */
  const neededFrom = (): number => {
    if ((isEnded && durableOrdinal >= nextOrdinal) || !keyed) return durableOrdinal;
    return keyFrames.findLast((ordinal) => ordinal <= durableOrdinal) ?? firstOrdinal();
  };
  /** The last signal in front of an item: what a reader that begins there has to know. */
  const signalInForce = (index: number): Item | null => {
    for (let at = index - 1; at >= queue.start(); at -= 1) {
      const item = queue.at(at) as Item;
      if (item.kind !== 'packet') return item;
    }
    return signalBefore;
  };

  return {
    get firstOrdinal() {
      return firstOrdinal();
    },
    get nextOrdinal() {
      return nextOrdinal;
    },
    get bytes() {
      return bytes;
    },
    get items() {
      return queue.end() - queue.start();
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
      for (let item = queue.oldest(); item !== undefined && item.ordinal < needed; item = queue.oldest()) dropOldest();
      keyFrames = keyFrames.filter((key) => key >= needed);
    },
    expire,
    cursorAt(ordinal) {
      const isHeld = ordinal !== null && ordinal >= firstOrdinal() && ordinal <= nextOrdinal;
      const index = isHeld ? lowerBound(queue, ordinal) : queue.start();
      const at = queue.at(index)?.ordinal ?? nextOrdinal;
      return { index, ordinal: at, pending: signalInForce(index)?.frame ?? null };
    },
    take(cursor) {
      if (cursor.index < queue.start()) {
        const hole = { from: cursor.ordinal, to: firstOrdinal() };
        cursor.index = queue.start();
        cursor.ordinal = hole.to;
        cursor.pending = signalBefore?.frame ?? null;
        if (hole.from < hole.to) return hole;
      }
      if (cursor.pending !== null) {
        const frame = cursor.pending;
        cursor.pending = null;
        return frame;
      }
      const item = queue.at(cursor.index);
      if (item === undefined) return null;
      cursor.index += 1;
      if (item.kind === 'packet') cursor.ordinal = item.ordinal + 1;
      return item.frame;
    },
  };
};
