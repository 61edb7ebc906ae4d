/**
 * How far rows were sent, and how far the index told that it has them. `sent` is the highest stamp the broker has
 * taken since the last beginning from a cursor; it is never more than a window ahead of the cursor told, so an index
 * that is away costs one window per repetition.
 */
export type RowWindow = {
  readonly sent: number;
  /** The cursor last told. */
  readonly told: number;
  /** True while as many pages as may wait for the index. */
  isFull(): boolean;
  /** Begins anew: what follows this stamp is sent next. */
  beginAt(stamp: number): void;
  /** Takes the cursor as it stands now: `back` is an index restored from a backup, or another one. */
  follow(cursor: number): 'same' | 'on' | 'back';
  /** A page up to `last` is given to the broker; to be called when it was taken. Says whether it is the first to wait for the index. */
  give(last: number): () => boolean;
};

const WINDOW_PAGES = 32;

/** Makes a window that begins at the cursor told. */
export const rowWindow = (cursor: number): RowWindow => {
  let told = cursor;
  let sent = cursor;
  let pages = 0;
  // Rises with each new beginning, so that a page given before it does not move `sent`.
  let beginning = 0;
  const beginAt = (stamp: number): void => {
    sent = stamp;
    pages = 0;
    beginning += 1;
  };
  return {
    get sent() {
      return sent;
    },
    get told() {
      return told;
    },
    isFull: () => pages >= WINDOW_PAGES,
    beginAt,
    follow: (next) => {
      if (next === told) return 'same';
      const isBack = next < told;
      if (isBack || next > sent) beginAt(next);
      told = next;
      pages = 0;
      return isBack ? 'back' : 'on';
    },
    give: (last) => {
      const mine = beginning;
      return () => {
        if (mine !== beginning) return false;
        const isFirst = sent === told;
        sent = last;
        pages += 1;
        return isFirst;
      };
    },
  };
};
