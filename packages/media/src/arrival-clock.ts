/**
 * The core's clock. It stands at the newest arrival time seen, and runs on by ticks only while no packet comes: so a
 * replay of old packets is not late, and the clocks of node and recorder need not agree.
 */
export type ArrivalClock = { packet: (arrivalMs: number) => void; tick: (nowMs: number) => void; nowMs: () => number };

const mostTickMs = 2000;
const stepMs = 1000;

/** Makes the clock of a recording; milliseconds. */
export const arrivalClock = (): ArrivalClock => {
  let now = 0;
  let lastTick: number | null = null;
  let heardSinceTick = false;
  return {
    packet: (arrivalMs) => {
      heardSinceTick = true;
      // Arrival times that go back a little are merged tracks; further back, the node's clock was set.
      if (arrivalMs > now || arrivalMs < now - stepMs) now = arrivalMs;
    },
    tick: (nowMs) => {
      const passed = lastTick === null ? 0 : Math.min(Math.max(nowMs - lastTick, 0), mostTickMs);
      if (!heardSinceTick) now += passed;
      heardSinceTick = false;
      lastTick = nowMs;
    },
    nowMs: () => now,
  };
};
