/** Time as the overlay needs it: milliseconds that never step back, and one call later, with its undoing. */
export type OverlayClock = { nowMs(): number; after(ms: number, call: () => void): () => void };

/** The clock of this machine; what waits keeps no process alive. */
export const machineClock: OverlayClock = {
  nowMs: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms).unref();
    return () => clearTimeout(timer);
  },
};
