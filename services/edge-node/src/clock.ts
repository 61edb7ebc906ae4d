/** Time as the node needs it: wall milliseconds for what is told, monotonic milliseconds for what is measured. */
export type NodeClock = { now(): number; monotonicMs(): number };

/** The clocks of this machine. */
export const machineClock: NodeClock = { now: () => Date.now(), monotonicMs: () => performance.now() };
