/**
 * A sweep goes through what waits, oldest first, from where it was: each row is read once, however many wait behind it.
 * What it passed over may go later, so from time to time it begins again: not before it took a row or came to the end, for
 * what cannot go must not hide what is behind it; and the more it passed over, the seldomer, so that looking at what cannot
 * go costs a bounded part of the time.
 */

/** Goes through rows by their place in the ledger. */
export type WaitingSweep<T> = {
  /**
   * Visits the next rows until one was `taken`, there is none any more, or `budget` of them were visited. Tells
   * whether one was taken, and how many were visited.
   */
  next(visit: (row: T) => 'taken' | 'passed', budget: number): { isTaken: boolean; visited: number };
};

const PAGE = 64;
const MIN_AGAIN_MS = 250;
// A visit takes some tens of microseconds: with one a millisecond at most, a hundredth of the time or so.
const AGAIN_MS_PER_PASSED = 1;

/** Makes a sweep over what `read` gives out. */
export const waitingSweep = <T extends { seq: number }>(
  read: (afterSeq: number, limit: number) => T[],
  monotonicMs: () => number,
): WaitingSweep<T> => {
  let position = 0;
  let page: T[] = [];
  let passed = 0;
  let beganMs = monotonicMs();
  let mayBeginAgain = false;
  const beginAgainWhenDue = () => {
    const nowMs = monotonicMs();
    if (!mayBeginAgain || nowMs - beganMs < Math.max(MIN_AGAIN_MS, passed * AGAIN_MS_PER_PASSED)) return;
    position = 0;
    page = [];
    passed = 0;
    beganMs = nowMs;
    mayBeginAgain = false;
  };
  const row = (): T | undefined => {
    if (page.length === 0) page = read(position, PAGE).reverse();
    const next = page.pop();
    if (next !== undefined) position = next.seq;
    return next;
  };
  return {
    next: (visit, budget) => {
      beginAgainWhenDue();
      for (let visited = 0; visited < budget; visited += 1) {
        const next = row();
        const isTaken = next !== undefined && visit(next) === 'taken';
        if (next === undefined || isTaken) mayBeginAgain = true;
        if (next === undefined) return { isTaken, visited };
        if (isTaken) return { isTaken, visited: visited + 1 };
        passed += 1;
      }
      return { isTaken: false, visited: budget };
    },
  };
};
