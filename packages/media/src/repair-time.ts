/**
 * How long a missing packet takes to come after all: from the packet that showed the hole to the one that fills it.
 * That is the round trip of a NACK and what the asking adds; repairs that come too late are measured too, so that a
 * window that was too short grows. Bounded: the last `mostMissing` missing numbers are remembered.
 */
export type RepairTime = {
  /** The numbers from `from` to below `to` are missing, as a packet that came at `atMs` shows. */
  missing: (from: number, to: number, atMs: number) => void;
  /** A packet below the highest came; true when it was missing. */
  came: (sequence: number, atMs: number) => boolean;
  /** The next packet need not continue the numbers: forgets what is missing, not how long it takes. */
  restart: () => void;
  /** How long to wait for a repair, ms: the longest lately, sinking slowly. */
  waitMs: () => number;
};

const mostMissing = 512;
/** Until something was repaired, a publisher a continent away is reckoned with, ms. */
const firstWaitMs = 300;
/** What comes sooner was out of order, nobody asked for it: the node asks at its next 20 ms tick. */
const leastRepairMs = 20;
/** Each repair that was quicker takes this part off: one that needed several requests is remembered for some dozens. */
const sinking = 64;

/** Makes a measure without history. */
export const repairTime = (): RepairTime => {
  const shownAt = new Map<number, number>();
  let waitMs = firstWaitMs;
  return {
    missing: (from, to, atMs) => {
      for (let sequence = Math.max(from, to - mostMissing); sequence < to; sequence++) shownAt.set(sequence, atMs);
      for (const sequence of shownAt.keys()) {
        if (shownAt.size <= mostMissing) return;
        shownAt.delete(sequence);
      }
    },
    came: (sequence, atMs) => {
      const shownMs = shownAt.get(sequence);
      if (shownMs === undefined) return false;
      shownAt.delete(sequence);
      const tookMs = atMs - shownMs;
      if (tookMs >= leastRepairMs) waitMs = tookMs > waitMs ? tookMs : waitMs + (tookMs - waitMs) / sinking;
      return true;
    },
    restart: () => shownAt.clear(),
    waitMs: () => waitMs,
  };
};
