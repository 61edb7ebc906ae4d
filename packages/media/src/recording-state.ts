import type { ArrivalClock } from './arrival-clock.ts';
import type { TrackKind } from './codecs.ts';
import type { KeyFrameRequests } from './key-frame-requests.ts';
import type { Lane } from './lane.ts';
import type { Lateness } from './lateness.ts';
import type { OpenSegments } from './open-segments.ts';
import type { RecordingFiles } from './recording-files.ts';
import type { GapCause, RecordingOptions, RecordingOutput } from './recording-messages.ts';

/**
 * - `absent`: nobody publishes.
 * - `resuming`: after a restart, until the tap says which publication is there; the open segments are those found on disk.
 * - `waiting`: for the first video key frame, or, after `videoWaitMs`, for audio alone. No segment is open.
 *   `sinceMs` is the first packet's arrival, null before it.
 * - `running`: samples are written; the first of a run opens its segment.
 */
export type Phase =
  | { kind: 'absent' }
  | { kind: 'resuming'; missing: boolean }
  | { kind: 'waiting'; sinceMs: number | null }
  | { kind: 'running' };

/** All that the decisions of one recording share. Times on the timeline and the wall in ms. */
export type RecordingState = {
  readonly limits: Required<
    Omit<RecordingOptions, 'recordingId' | 'spoolId' | 'resume' | 'absentMs' | 'handedOver' | 'checksum' | 'memory'>
  >;
  readonly clock: ArrivalClock;
  readonly lateness: Lateness;
  readonly requests: KeyFrameRequests;
  readonly segments: OpenSegments;
  readonly files: RecordingFiles;
  readonly say: (output: RecordingOutput) => void;
  readonly lanes: Partial<Record<TrackKind, Lane>>;
  phase: Phase;
  period: number;
  /** The next segment begins a new period. */
  periodDue: boolean;
  /** A point of the timeline by which a new publication is placed; null before the first sample. */
  origin: { timeMs: number; wallMs: number } | null;
  /** Media ended here; the gap is told when it begins again. */
  gap: { cause: GapCause; fromMs: number } | null;
  /** Wall time at the end of the newest sample written. */
  endWallMs: number;
  /** Timeline time of the newest video sample: audio up to it can be given to its segment. */
  videoMs: number;
  skippedUnits: number;
  movedUnits: number;
  samples: number;
};

/** Asks for a key frame unless asked lately. */
export const wantKeyFrame = (state: RecordingState): void => {
  if (state.requests.want(state.clock.nowMs())) state.say({ kind: 'request-key-frame' });
};

/** The wall time to be told for a time of the tracks' timelines. */
export const wallMsOf = (state: RecordingState, mediaMs: number): number =>
  state.clock.wallMs(state.lateness.wallMs(mediaMs));

/** Whether video takes part in the segments of this run. */
export const hasVideo = (state: RecordingState): boolean => (state.lanes.video?.segment ?? 0) > 0;

/** Time since a moment of the arrival clock, 0 when it has not come (null); a clock set back counts as a long time. */
export const elapsedMs = (state: RecordingState, sinceMs: number | null): number => {
  if (sinceMs === null) return 0;
  const elapsed = state.clock.nowMs() - sinceMs;
  return elapsed < -1000 ? Number.POSITIVE_INFINITY : elapsed;
};
