/**
 * The frames of one stream, first in, first out, in memory that goes round: nothing is allocated for a frame, so that
 * what lies here for seconds is no work for the garbage collector.
 *
 * Frames keep absolute indexes: `start` is that of the oldest, `end` one behind the newest. The bytes of a frame are
 * together; a frame that does not fit behind the newest goes to the beginning of the memory when there is room before the
 * oldest. The memory grows with what has to be kept, and shrinks when an eighth of it is enough.
 */
export type FrameQueue = {
  readonly start: number;
  readonly end: number;
  /** Of all frames held. */
  readonly bytes: number;
  /** Of the memory that they lie in. */
  readonly capacity: number;
  /** Copies a frame in, with what is known of it. */
  push(frame: Uint8Array, facts: FrameFacts): void;
  /** Lets go of the oldest frame; there must be one. */
  shift(): void;
  ordinalAt(index: number): number;
  atMsAt(index: number): number;
  kindAt(index: number): FrameKind;
  lengthAt(index: number): number;
  /** Copies the frame at `index` and those that lie behind it, together at most `mostBytes` or that one; `next` is the index behind. */
  copy(index: number, mostBytes: number): { frames: Uint8Array; next: number };
};

/** What a frame is: a packet or one of the signals between them. */
export type FrameKind = 'packet' | 'publication' | 'ended';

/** What a queue keeps of a frame beside its bytes. */
export type FrameFacts = { ordinal: number; atMs: number; kind: FrameKind };

const LEAST_BYTES = 65_536;
const LEAST_SLOTS = 256;
const KINDS: readonly FrameKind[] = ['packet', 'publication', 'ended'];

const makeSlots = (count: number) => ({
  count,
  ordinals: new Float64Array(count),
  times: new Float64Array(count),
  offsets: new Uint32Array(count),
  lengths: new Uint32Array(count),
  kinds: new Uint8Array(count),
});

type Slots = ReturnType<typeof makeSlots>;

const copySlots = (from: Slots, to: Slots, start: number, end: number): void => {
  for (let index = start; index < end; index += 1) {
    const [source, target] = [index % from.count, index % to.count];
    to.ordinals[target] = from.ordinals[source] as number;
    to.times[target] = from.times[source] as number;
    to.offsets[target] = from.offsets[source] as number;
    to.lengths[target] = from.lengths[source] as number;
    to.kinds[target] = from.kinds[source] as number;
  }
};

/** Makes an empty queue. */
export const createFrameQueue = (): FrameQueue => {
  let slots = makeSlots(LEAST_SLOTS);
  let memory = new Uint8Array(0);
  let start = 0;
  let end = 0;
  let bytes = 0;
  // Behind the newest frame. It is at or before the oldest exactly when the frames go round the end of the memory.
  let tail = 0;

  const offsetAt = (index: number): number => slots.offsets[index % slots.count] as number;
  const lengthAt = (index: number): number => slots.lengths[index % slots.count] as number;

  /** Where so many bytes have room, null when nowhere. */
  const placeFor = (length: number): number | null => {
    if (start === end) return length <= memory.length ? 0 : null;
    const head = offsetAt(start);
    if (tail <= head) return tail + length <= head ? tail : null;
    if (tail + length <= memory.length) return tail;
    return length <= head ? 0 : null;
  };
  /** Moves all frames, one behind the other, to memory of another size. */
  const move = (capacity: number): void => {
    const moved = new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer);
    let at = 0;
    for (let index = start; index < end; index += 1) {
      const [from, length] = [offsetAt(index), lengthAt(index)];
      moved.set(memory.subarray(from, from + length), at);
      slots.offsets[index % slots.count] = at;
      at += length;
    }
    memory = moved;
    tail = at;
  };
  const makePlace = (length: number): number => {
    move(Math.max(LEAST_BYTES, Math.ceil((bytes + length) * 1.5)));
    return tail;
  };
  const makeSlot = (): number => {
    if (end - start === slots.count) {
      const more = makeSlots(slots.count * 2);
      copySlots(slots, more, start, end);
      slots = more;
    }
    return end % slots.count;
  };

  return {
    get start() {
      return start;
    },
    get end() {
      return end;
    },
    get bytes() {
      return bytes;
    },
    get capacity() {
      return memory.length;
    },
    push: (frame, { ordinal, atMs, kind }) => {
      const offset = placeFor(frame.length) ?? makePlace(frame.length);
      const slot = makeSlot();
      memory.set(frame, offset);
      slots.ordinals[slot] = ordinal;
      slots.times[slot] = atMs;
      slots.offsets[slot] = offset;
      slots.lengths[slot] = frame.length;
      slots.kinds[slot] = KINDS.indexOf(kind);
      tail = offset + frame.length;
      bytes += frame.length;
      end += 1;
    },
    shift: () => {
      bytes -= lengthAt(start);
      start += 1;
      if (memory.length > LEAST_BYTES && bytes * 8 < memory.length) move(Math.max(LEAST_BYTES, bytes * 2));
    },
    ordinalAt: (index) => slots.ordinals[index % slots.count] as number,
    atMsAt: (index) => slots.times[index % slots.count] as number,
    kindAt: (index) => KINDS[slots.kinds[index % slots.count] as number] as FrameKind,
    lengthAt,
    copy: (index, mostBytes) => {
      const from = offsetAt(index);
      let to = from + lengthAt(index);
      let next = index + 1;
      while (next < end && offsetAt(next) === to && to + lengthAt(next) - from <= mostBytes) {
        to += lengthAt(next);
        next += 1;
      }
      return { frames: memory.slice(from, to), next };
    },
  };
};
