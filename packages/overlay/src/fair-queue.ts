/**
 * Whose turn it is to send. A stream that has been quiet goes before those that are busy, up to one quantum; the busy
 * ones take turns of a quantum each (the two lists of fq_codel, RFC 8290 §4.1). So a small request never waits behind a
 * bulk stream, and no bulk stream behind another.
 */
export type FairQueue = {
  /** The stream has something to send; nothing when it is in a list already. */
  add(stream: number): void;
  remove(stream: number): void;
  /** The stream whose turn it is, and how many bytes it may send; null when nobody has anything. */
  next(): { stream: number; bytes: number } | null;
  /** The stream sent so much; `isDone` when it has nothing more. */
  sent(stream: number, bytes: number, isDone: boolean): void;
  readonly size: number;
};

const QUANTUM_BYTES = 65_536;

/** Opens an empty queue. */
export const fairQueue = (): FairQueue => {
  // Streams by what is left of their quantum, in the order of their turns.
  const fresh = new Map<number, number>();
  const busy = new Map<number, number>();
  return {
    get size() {
      return fresh.size + busy.size;
    },
    add: (stream) => {
      if (!fresh.has(stream) && !busy.has(stream)) fresh.set(stream, QUANTUM_BYTES);
    },
    remove: (stream) => {
      fresh.delete(stream);
      busy.delete(stream);
    },
    next: () => {
      for (const list of [fresh, busy]) {
        const [turn] = list;
        if (turn !== undefined) return { stream: turn[0], bytes: turn[1] };
      }
      return null;
    },
    sent: (stream, bytes, isDone) => {
      const list = fresh.has(stream) ? fresh : busy;
      const left = (list.get(stream) ?? 0) - bytes;
      if (left > 0 && !isDone) {
        list.set(stream, left);
        return;
      }
      list.delete(stream);
      if (!isDone) busy.set(stream, QUANTUM_BYTES);
    },
  };
};
