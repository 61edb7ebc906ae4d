/** How often segments may begin; times on the arrival clock, ms. */
export type SegmentAllowance = { isLeft: (nowMs: number) => boolean; take: (nowMs: number) => void };

const mostAtOnce = 16;
const restoredEveryMs = 250;

/**
 * So many segments at once, and then one each quarter of a second. No encoder asks for more; a publisher whose clock or
 * parameter sets jump with each frame would else make files, syncs and a row of each.
 */
export const segmentAllowance = (): SegmentAllowance => {
  let left = mostAtOnce;
  let lastMs: number | null = null;
  const restore = (nowMs: number): void => {
    const passedMs = lastMs === null ? 0 : nowMs - lastMs;
    // A clock that was set back restores nothing, and counts from there.
    if (passedMs > 0) left = Math.min(mostAtOnce, left + passedMs / restoredEveryMs);
    lastMs = nowMs;
  };
  return {
    isLeft: (nowMs) => {
      restore(nowMs);
      return left >= 1;
    },
    take: (nowMs) => {
      restore(nowMs);
      left = Math.max(0, left - 1);
    },
  };
};
