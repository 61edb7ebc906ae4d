/** When a disk will be full, by how fast it filled within the last hour. */
export type DiskForecast = {
  /** Takes free bytes as they were at that moment of a clock that never steps. */
  note(freeBytes: number, atMs: number): void;
  /** Milliseconds from the last note until free bytes fall to the reserve; Infinity while they do not fall. */
  fullInMs(): number;
};

const WINDOW_MS = 3_600_000;
// One in so many milliseconds is kept, so that an hour is 60 samples.
const SAMPLE_MS = 60_000;

/** Makes a forecast for a disk of which `reserveBytes` stay free. */
export const diskForecast = (reserveBytes: number): DiskForecast => {
  const samples: { free: number; atMs: number }[] = [];
  let last: { free: number; atMs: number } | undefined;
  return {
    note: (free, atMs) => {
      last = { free, atMs };
      const newest = samples.at(-1);
      if (newest === undefined || atMs - newest.atMs >= SAMPLE_MS) samples.push(last);
      while ((samples[0]?.atMs ?? atMs) < atMs - WINDOW_MS) samples.shift();
    },
    fullInMs: () => {
      const [first] = samples;
      if (first === undefined || last === undefined) return Number.POSITIVE_INFINITY;
      const room = last.free - reserveBytes;
      if (room <= 0) return 0;
      const fell = first.free - last.free;
      return fell <= 0 ? Number.POSITIVE_INFINITY : (room * (last.atMs - first.atMs)) / fell;
    },
  };
};
