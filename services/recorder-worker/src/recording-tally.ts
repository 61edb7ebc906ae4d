import type { RecordingTally } from '@weir/contracts';
import { type RecorderCounts, recorderCounts } from './recorder-metrics.ts';
import type { Disk } from './segment-file.ts';

/** Counts of one recording that are counted in those of its recorder as well. */
export const countsWithin = (all: RecorderCounts): RecorderCounts => {
  const own = recorderCounts();
  const both = recorderCounts();
  for (const key of Object.keys(own) as (keyof RecorderCounts)[]) {
    Object.defineProperty(both, key, {
      enumerable: true,
      get: () => own[key],
      set: (value: number) => {
        all[key] += value - own[key];
        own[key] = value;
      },
    });
  }
  return both;
};

/** A disk that knows how many of the files opened through it are open. */
export type CountedDisk = Disk & { openFiles(): number };

/** Counts the open files of one user of a disk. */
export const countedDisk = (disk: Disk): CountedDisk => {
  let open = 0;
  return {
    ...disk,
    open: async (path, flags) => {
      const file = await disk.open(path, flags);
      open += 1;
      return {
        ...file,
        close: async () => {
          open -= 1;
          await file.close();
        },
      };
    },
    openFiles: () => open,
  };
};

/** What a recording tells of itself in heartbeats and metrics. */
export const tallyOf = (counts: RecorderCounts, openFiles: number, secondsSinceDurable: number): RecordingTally => ({
  packets: counts.packets,
  frames: counts.samples,
  lost: counts.lostPackets,
  recovered: counts.recoveredPackets,
  dropped_units: counts.droppedUnits,
  skipped_units: counts.skippedUnits,
  malformed: counts.malformed,
  parts: counts.parts,
  open_files: openFiles,
  seconds_since_durable: Math.round(secondsSinceDurable * 1000) / 1000,
});
