import type { AccessUnit } from './access-unit.ts';
import type { Lane } from './lane.ts';
import type { OpenSegment } from './open-segments.ts';
import { elapsedMs, hasVideo, type RecordingState, wantKeyFrame } from './recording-state.ts';
import { beginSegment, closeAll, configure, noteJump, placeUnit, segmentAt, writeUnit } from './segment-cutting.ts';

/** Takes note of a unit's clock; true when it jumped, and pictures go on as they were coded. */
const followClock = (state: RecordingState, lane: Lane, unit: AccessUnit): boolean => {
  const { timeline } = lane;
  const jumps = unit.newClock !== true && timeline.jumps(unit.timestamp, unit.arrivalMs);
  const goesOn = jumps && hasVideo(state);
  if (goesOn) timeline.rejoin(unit.timestamp, unit.arrivalMs, lane.writer.end());
  else if (jumps || unit.newClock === true) {
    if (hasVideo(state)) breakVideo(state, lane);
    timeline.restart();
  }
  if (jumps || unit.newClock === true) {
    lane.before = null;
    state.periodDue = true;
    if (!unit.key) wantKeyFrame(state);
  }
  timeline.follow(unit.timestamp, unit.arrivalMs);
  return goesOn;
};

/** Takes the next video unit: begins with it, cuts before it, or goes on. It stays in the lane's inbox meanwhile. */
export const takeVideo = (state: RecordingState, lane: Lane, unit: AccessUnit): void => {
  const jumped = followClock(state, lane, unit);
  if (hasVideo(state) ? !hasReferences(lane, unit) : !canBegin(state, lane, unit)) {
    state.skippedUnits++;
    wantKeyFrame(state);
    return;
  }
  if (unit.key) state.requests.came();
  else if (unit.lossBefore) wantKeyFrame(state);
  const isCodedAnew = unit.key && configure(lane, unit);
  if (isCodedAnew) state.periodDue = true;
  if (hasVideo(state) && isCodedAnew && !mayBegin(state)) {
    breakVideo(state, lane);
    state.skippedUnits++;
    return;
  }
  const ticks = placeUnit(state, lane, unit);
  const written = lane.awaitsKey === null && !jumped ? unit : { ...unit, lossBefore: true };
  lane.awaitsKey = null;
  writeUnit(state, lane, written, ticks, segmentFor(state, lane, unit, ticks));
  state.videoMs = ((lane.writer.end() - 1) * 1000) / lane.codec.clockRate;
};

/** The video is of another source, or its coding changes too often: what came before is closed, what comes begins a new period. */
const breakVideo = (state: RecordingState, lane: Lane): void => {
  noteJump(state, lane);
  closeAll(state);
  state.phase = { kind: 'waiting', sinceMs: state.clock.nowMs() };
};

/** Whether all that a unit refers to is there: behind a loss only a key frame is sure of it, unless its decoders need not be. */
const hasReferences = (lane: Lane, unit: AccessUnit): boolean => {
  if (unit.key || lane.codec.toleratesLoss) return true;
  if (unit.lossBefore) {
    // One before its first packet, so that a restart finds the loss again.
    lane.awaitsKey ??= { firstSequence: unit.firstSequence - 1, firstOrdinal: unit.firstOrdinal };
  }
  return lane.awaitsKey === null;
};

const canBegin = (state: RecordingState, lane: Lane, unit: AccessUnit): boolean =>
  unit.key && unit.configuration !== null && lane.codec.describe(unit.configuration) !== null && mayBegin(state);

const mayBegin = (state: RecordingState): boolean => state.segments.mayBegin(state.clock.nowMs());

const segmentFor = (state: RecordingState, lane: Lane, unit: AccessUnit, ticks: number): OpenSegment => {
  const current = state.segments.get(lane.segment);
  // Nothing open, or audio alone so far: video begins a segment of its own.
  if (current === null) return beginSegment(state, lane, ticks);
  const { segmentMs } = state.limits;
  const timeMs = (ticks * 1000) / lane.codec.clockRate;
  const full = timeMs - current.startMs >= segmentMs;
  const begun = state.segments.after(lane.segment);
  const opensPeriod = unit.key && state.periodDue && mayBegin(state);
  if (begun !== null && !opensPeriod) {
    // Audio has begun the next segment already; video joins it at its time, or at the key frame it was begun for.
    if (unit.key && full) begun.startMs = Math.min(begun.startMs, timeMs);
    return segmentAt(state, lane, timeMs) ?? current;
  }
  if (opensPeriod) return beginSegment(state, lane, ticks);
  const isDue = (unit.key && full) || isOverdue(state, current, timeMs);
  if (isDue && mayBegin(state)) return beginSegment(state, lane, ticks);
  if (full && !unit.key) wantKeyFrame(state);
  return current;
};

/** Whether a segment is cut without a key frame: by its time, by the clock where timestamps stand still, or by its size. */
const isOverdue = (state: RecordingState, current: OpenSegment, timeMs: number): boolean => {
  const { noKeyFrameMs, segmentBytes } = state.limits;
  current.begunAtMs ??= state.clock.nowMs();
  const ageMs = Math.max(timeMs - current.startMs, elapsedMs(state, current.begunAtMs));
  return ageMs >= noKeyFrameMs || (current.tracks.video?.bytes ?? 0) >= segmentBytes;
};
