import type { RecorderMessage, RecordingTally } from '@weir/contracts';
import type { Log } from '@weir/runtime';
import type { Spool } from '@weir/spool';
import type { PartMemory } from './part-memory.ts';
import type { RecorderCounts } from './recorder-metrics.ts';
import type { Disk } from './segment-file.ts';

/** Bounds and times of recordings, in milliseconds and bytes. */
export type RecordingSettings = {
  segmentMs: number;
  /** How long a recording waits for its publisher. */
  reconnectMs: number;
  /** Wall time after which a recording is rotated; 0 never. */
  maxRecordingMs: number;
  /** Most bytes of one recording that wait for the disk. */
  maxQueuedBytes: number;
  /** How long a disk that fails is left alone before it is tried again. */
  diskRetryMs: number;
};

/** What every recording of a recorder shares. */
export type RecorderDeps = {
  spool: Spool;
  disk: Disk;
  /** `address:port` of the tap. */
  address: string;
  token: string;
  processId: string;
  settings: RecordingSettings;
  counts: RecorderCounts;
  partMemory: PartMemory;
  /** A sync of media took so many seconds. */
  synced(seconds: number): void;
  /** Says something on the control connection. */
  tell(message: RecorderMessage): void;
  /** Wall milliseconds. */
  now(): number;
  monotonicMs(): number;
  log: Log;
};

/** What one recording has. */
export type RecordingDeps = RecorderDeps & {
  /** What its manifest tells has changed. */
  changed(): void;
  /** What it counted so far. */
  tally(): RecordingTally;
};
