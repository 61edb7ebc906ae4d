/** When to ask for a key frame: at once when wanted, then after 1, 2, 4, 4, … s until one comes. */
export type KeyFrameRequests = {
  /** One is wanted; true when to ask now. */
  want: (nowMs: number) => boolean;
  /** Whether to ask again now. */
  due: (nowMs: number) => boolean;
  /** One came. */
  came: () => void;
};

const firstWaitMs = 1000;
const mostWaitMs = 4000;

/** Makes the request clock of a recording. */
export const keyFrameRequests = (): KeyFrameRequests => {
  let asked: { atMs: number; waitMs: number } | null = null;
  const due = (nowMs: number): boolean => {
    if (asked === null) return false;
    // A clock that was set back counts as time passed.
    if (nowMs >= asked.atMs && nowMs < asked.atMs + asked.waitMs) return false;
    asked = { atMs: nowMs, waitMs: Math.min(asked.waitMs * 2, mostWaitMs) };
    return true;
  };
  return {
    want: (nowMs) => {
      if (asked !== null) return due(nowMs);
      asked = { atMs: nowMs, waitMs: firstWaitMs };
      return true;
    },
    due,
    came: () => {
      asked = null;
    },
  };
};
