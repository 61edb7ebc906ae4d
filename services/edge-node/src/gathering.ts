/** Calls all who asked at the same moment, so that one turn of the event loop serves every stream. */
export type Gathering = Disposable & {
  /** Calls `work` at the next moment, once however often it is asked. */
  soon(work: () => void): void;
  /** Forgets it. */
  never(work: () => void): void;
};

/** A gathering that calls at most every `everyMs`, and rests while nobody asks. */
export const createGathering = (everyMs: number): Gathering => {
  const asked = new Set<() => void>();
  let timer: NodeJS.Timeout | null = null;
  const call = () => {
    timer = null;
    const now = [...asked];
    asked.clear();
    for (const work of now) work();
  };
  return {
    soon: (work) => {
      asked.add(work);
      timer ??= setTimeout(call, everyMs);
    },
    never: (work) => asked.delete(work),
    [Symbol.dispose]: () => {
      if (timer !== null) clearTimeout(timer);
      asked.clear();
    },
  };
};
