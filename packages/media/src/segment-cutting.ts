import type { AccessUnit } from './access-unit.ts';
import { sameBytes } from './byte-equality.ts';
import { endMsOf, type Lane } from './lane.ts';
import type { OpenSegment } from './open-segments.ts';
import { silenceBefore } from './pause-filling.ts';
import type { GapCause } from './recording-messages.ts';
import { elapsedMs, hasVideo, type RecordingState, wallMsOf, wantKeyFrame } from './recording-state.ts';
import type { TimelineReference } from './timing.ts';
import { timestampDistance } from './unwrap.ts';

/**
 * Cutting: which segment a sample goes to.
 *
 * A segment begins at a boundary in time, made by the track that leads: video at its key frames, audio where there is
 * no video (or none for very long). Each track crosses a boundary with its first sample at or behind it, so a segment
 * has at most one file per track; it is closed when every track has crossed its end, or a late one has had its time.
 */

/** Audio waits at most this long for the video it is cut by, ms. */
const audioPatienceMs = 500;
/** A track that has not crossed a boundary by then has nothing more for the segment before it, ms. */
const lateTrackMs = 1000;
/** So many segments are open at most, whatever the clocks of the tracks say. */
const mostOpenSegments = 4;
/** A hole shorter than this is counted, not written as a gap, ms. */
const leastGapMs = 200;
/** A hole behind samples that are all given out is no longer than this if it is a loss, ms. */
const mostLossMs = 2000;
/** The clocks that a recording before a rotation had are not believed against arrival by more, ms. */
const mostHandedMs = 2000;
/** Audio units held at most while nothing can be written. */
const mostHeldAudio = 2000;

/** Gives the unit's decode time in ticks; places the track on the timeline if it has no place yet. */
export const placeUnit = (state: RecordingState, lane: Lane, unit: AccessUnit): number => {
  const { timeline } = lane;
  if (!timeline.isPlaced()) {
    const mediaMs = state.lateness.mediaMs(unit.arrivalMs) - state.lateness.commonMs();
    const [reference, notBefore] = referenceFor(state, lane, unit.timestamp, mediaMs);
    timeline.placeAt(unit.timestamp, mediaMs, reference, notBefore);
    state.origin ??= { timeMs: 0, wallMs: mediaMs };
  }
  return timeline.ticksOf(unit.timestamp);
};

/** What a wire timestamp that was to come at `mediaMs` is placed by, and the ticks it must not lie before. */
const referenceFor = (
  state: RecordingState,
  lane: Lane,
  rtp: number,
  mediaMs: number,
): readonly [TimelineReference, number] => {
  const other = Object.values(state.lanes).find((each) => each !== lane && each.timeline.isPlaced());
  const clock = other?.timeline.clockAt(other.writer.end()) ?? null;
  if (other !== undefined && clock !== null) {
    // Audio that would lie before its end is dropped, not moved: it stays in step with the picture.
    const notBefore = lane.kind === 'video' ? lane.writer.end() : Number.NEGATIVE_INFINITY;
    const handedMs = handedBetween(other, clock.rtp, lane, rtp);
    if (handedMs !== null && Math.abs(mediaMs - clock.wallMs - handedMs) <= mostHandedMs) {
      return [{ timeMs: endMsOf(other) + handedMs, wallMs: mediaMs, ntpMs: null }, notBefore];
    }
    return [{ timeMs: endMsOf(other), wallMs: clock.wallMs, ntpMs: clock.ntpMs }, notBefore];
  }
  if (state.origin === null) return [{ timeMs: 0, wallMs: mediaMs, ntpMs: null }, 0];
  const endMs = Math.max(0, ...Object.values(state.lanes).map(endMsOf), state.origin.timeMs);
  return [{ ...state.origin, ntpMs: null }, Math.ceil((endMs * lane.codec.clockRate) / 1000)];
};

/**
 * The time from a wire timestamp of one track to one of another as the recording before a rotation had it: what it left
 * out at its end because it lay behind, this one must not leave out because it lies before. Null when it is not known.
 */
const handedBetween = (from: Lane, fromRtp: number, to: Lane, toRtp: number): number | null => {
  if (from.before === null || to.before === null) return null;
  const timeOf = ({ rtp, timeMs }: NonNullable<Lane['before']>, at: number, { codec }: Lane) =>
    timeMs + (timestampDistance(rtp, at) * 1000) / codec.clockRate;
  return timeOf(to.before, toRtp, to) - timeOf(from.before, fromRtp, from);
};

/** Begins a segment at a timeline time, in a new period when one is due, and tells the gap before it. */
export const beginSegment = (state: RecordingState, lane: Lane, ticks: number): OpenSegment => {
  const startMs = (ticks * 1000) / lane.codec.clockRate;
  const steadyMs = lane.timeline.wallMsOf(ticks);
  const wallMs = wallMsOf(state, steadyMs);
  if (state.periodDue) {
    state.period++;
    state.periodDue = false;
  }
  if (state.gap !== null) {
    tellGap(state, state.gap.cause, state.gap.fromMs, steadyMs);
    state.gap = null;
  }
  state.phase = { kind: 'running' };
  return state.segments.begin({ period: state.period, startMs, wallMs, begunAtMs: state.clock.nowMs() });
};

const tellGap = (state: RecordingState, cause: GapCause, fromMs: number, toMs: number): void => {
  if (toMs - fromMs < leastGapMs) return;
  const [from, to] = [fromMs, toMs].map((ms) => Math.round(wallMsOf(state, ms))) as [number, number];
  state.say({ kind: 'gap', cause, fromMs: from, toMs: to });
};

/** Tells the gap before a unit in front of which something was lost. */
const tellLoss = (state: RecordingState, lane: Lane, unit: AccessUnit, at: number): void => {
  const { writer, timeline } = lane;
  if (!unit.lossBefore || lane.segment === 0) return;
  const expected = writer.expected();
  const holeMs = ((at - expected) * 1000) / lane.codec.clockRate;
  // A track that was silent before something of it was lost has not lost the silence.
  if (holeMs < leastGapMs || (writer.inHand().length === 0 && holeMs > mostLossMs)) return;
  tellGap(state, 'packet_loss', timeline.wallMsOf(expected), timeline.wallMsOf(at));
};

/** Takes note of a unit's codec configuration; true when it differs from that of the files so far. */
export const configure = (lane: Lane, unit: AccessUnit): boolean => {
  const before = lane.files.configuration;
  if (unit.configuration === null || unit.configuration === before) return false;
  const changed = before !== null && !sameBytes(before, unit.configuration);
  lane.files.configuration = unit.configuration;
  return changed;
};

/** Moves a lane over the boundaries at or before a time: the segment its sample there goes to. */
export const segmentAt = (state: RecordingState, lane: Lane, timeMs: number): OpenSegment | null => {
  for (;;) {
    const next = state.segments.after(lane.segment);
    if (next === null || (lane.segment > 0 && next.startMs > timeMs)) break;
    lane.segment = next.number;
  }
  return state.segments.get(lane.segment);
};

/** Writes a unit as a sample of a segment: shown at these ticks, decoded then or right behind what is written. */
export const writeUnit = (
  state: RecordingState,
  lane: Lane,
  unit: AccessUnit,
  ticks: number,
  segment: OpenSegment,
): void => {
  const { writer, timeline, files } = lane;
  const configuration = files.configuration ?? unit.configuration;
  if (configuration === null) return;
  const at = lane.kind === 'video' ? lane.decodeTimes.next(ticks, writer.end()) : Math.max(ticks, writer.end());
  if (at !== ticks) state.movedUnits++;
  if (lane.kind === 'video' && writer.inHand().length > 0) tellLoss(state, lane, unit, at);
  if (lane.kind === 'video' && !segment.hasVideo) {
    segment.hasVideo = true;
    segment.startsWithKeyFrame = unit.key;
  }
  lane.segment = segment.number;
  state.samples++;
  const { key, size, pieces, firstSequence, firstOrdinal, arrivalMs } = unit;
  const offset = lane.kind === 'video' ? ticks - at : 0;
  const clocks = { hint: unit.duration, rtp: unit.timestamp };
  const place = { segment: segment.number, period: segment.period, configuration };
  writer.add(
    { ticks: at, offset, duration: 0, ...clocks, key, size, pieces, firstSequence, firstOrdinal, arrivalMs },
    place,
  );
  state.endWallMs = Math.max(state.endWallMs, timeline.wallMsOf(writer.expected()));
};

/** The clock of the track that leads jumped: what may be missing begins where it stood. */
export const noteJump = (state: RecordingState, lane: Lane): void => {
  if (lane.segment === 0) return;
  state.gap = { cause: 'packet_loss', fromMs: lane.timeline.wallMsOf(lane.writer.expected()) };
};

/** Takes the next audio unit into the inbox, where it waits for the video it is cut by. */
export const takeAudio = (state: RecordingState, lane: Lane, unit: AccessUnit): void => {
  const { timeline, inbox } = lane;
  const jumps = unit.newClock !== true && timeline.jumps(unit.timestamp, unit.arrivalMs);
  if (jumps || unit.newClock === true) {
    releaseAudio(state, true);
    if (!hasVideo(state)) noteJump(state, lane);
    // Beside a picture it is placed by that.
    if (jumps && timeline.isPlaced() && !hasVideo(state)) {
      timeline.rejoin(unit.timestamp, unit.arrivalMs, lane.writer.end());
    } else timeline.restart();
    lane.before = null;
    state.periodDue = true;
  }
  timeline.follow(unit.timestamp, unit.arrivalMs);
  inbox.push(unit);
  if (inbox.length <= mostHeldAudio) return;
  inbox.shift();
  state.skippedUnits++;
};

/** Gives held audio to its segments, as far as video has come; all of it with `force`. */
export const releaseAudio = (state: RecordingState, force: boolean): void => {
  const lane = state.lanes.audio;
  if (lane === undefined || state.phase.kind !== 'running') return;
  const upToMs = hasVideo(state) ? state.videoMs : Number.POSITIVE_INFINITY;
  for (let unit = lane.inbox[0]; unit !== undefined; unit = lane.inbox[0]) {
    const ticks = placeUnit(state, lane, unit);
    const timeMs = (ticks * 1000) / lane.codec.clockRate;
    if (!force && timeMs >= upToMs && elapsedMs(state, unit.arrivalMs) < audioPatienceMs) return;
    if (isDue(lane, unit, ticks)) {
      tellLoss(state, lane, unit, ticks);
      for (const silence of silenceBefore(lane, unit, ticks)) writeAudio(state, lane, silence.unit, silence.ticks);
      writeAudio(state, lane, unit, ticks);
      steer(state, lane, unit);
    } else state.skippedUnits++;
    lane.inbox.shift();
  }
};

/**
 * Whether audio belongs behind what is written, but for less than half of it. What the recording before a rotation has
 * not written may lie a little before the beginning of this one.
 */
const isDue = ({ writer, before }: Lane, unit: AccessUnit, ticks: number): boolean =>
  (ticks >= 0 || before !== null) && ticks + (unit.duration ?? 0) / 2 >= writer.end();

/** Moves the audio behind this unit towards the video that was taken with it. */
const steer = (state: RecordingState, lane: Lane, unit: AccessUnit): void => {
  const picture = state.lanes.video?.timeline ?? null;
  const sound = lane.timeline.momentOf(unit.timestamp);
  const reference = picture?.momentNow() ?? null;
  if (!hasVideo(state) || sound === null || reference === null) return;
  const perMs = lane.codec.clockRate / 1000;
  const durationMs = (unit.duration ?? lane.codec.sampleDuration) / perMs;
  lane.timeline.steer(lane.steering.step(sound, reference, durationMs) * perMs);
};

const writeAudio = (state: RecordingState, lane: Lane, unit: AccessUnit, ticks: number): void => {
  const timeMs = (ticks * 1000) / lane.codec.clockRate;
  if (configure(lane, unit)) {
    state.periodDue = true;
    if (hasVideo(state)) wantKeyFrame(state);
  }
  const newest = state.segments.newest();
  const mostMs = hasVideo(state) ? state.limits.noKeyFrameMs : state.limits.segmentMs;
  const periodDue = state.periodDue && !hasVideo(state);
  const isFull = newest !== null && timeMs - newest.startMs >= mostMs;
  if (newest === null || periodDue || isFull) {
    if (state.segments.mayBegin(state.clock.nowMs())) beginSegment(state, lane, ticks);
    else if (!isFull || periodDue) {
      state.skippedUnits++;
      return;
    }
  }
  const segment = segmentAt(state, lane, timeMs);
  if (segment !== null) writeUnit(state, lane, unit, ticks, segment);
};

/** Whether a segment can be the first of a recording; one that sound began waits for the picture it was begun without. */
const opensAnew = (state: RecordingState, segment: OpenSegment | null): boolean => {
  if (segment === null) return true;
  if (segment.hasVideo) return segment.startsWithKeyFrame;
  return !hasVideo(state) || segment.startMs - state.videoMs >= state.limits.noKeyFrameMs;
};

/** Closes the segments that all tracks have left; a late track is made to leave. */
export const closeLeft = (state: RecordingState): void => {
  for (;;) {
    const oldest = state.segments.oldest();
    const next = oldest === null ? null : state.segments.after(oldest.number);
    if (oldest === null || next === null) return;
    next.begunAtMs ??= state.clock.nowMs();
    const staying = Object.values(state.lanes).filter((lane) => lane.segment > 0 && lane.segment <= oldest.number);
    const isInTime = elapsedMs(state, next.begunAtMs) < lateTrackMs && state.segments.count() <= mostOpenSegments;
    if (staying.length > 0 && isInTime) return;
    for (const lane of staying) {
      lane.writer.finish(Math.round((next.startMs * lane.codec.clockRate) / 1000));
      lane.segment = next.number;
    }
    state.files.close(oldest, opensAnew(state, next));
  }
};

/** Tells the pictures that were left out behind a loss, where nothing that could be written came behind them. */
const tellTail = (state: RecordingState, lane: Lane): number => {
  const newest = lane.timeline.momentNow();
  if (lane.awaitsKey === null || lane.segment === 0 || newest === null || state.gap !== null) return state.endWallMs;
  tellGap(state, 'packet_loss', lane.timeline.wallMsOf(lane.writer.expected()), newest.wallMs);
  return Math.max(state.endWallMs, newest.wallMs);
};

/** Gives everything out and closes all segments; what comes next begins anew. */
export const closeAll = (state: RecordingState): void => {
  releaseAudio(state, true);
  const wallMs = state.endWallMs;
  const wasOpen = state.segments.oldest() !== null;
  for (const lane of Object.values(state.lanes)) {
    state.endWallMs = tellTail(state, lane);
    lane.writer.finish(null);
    lane.segment = 0;
    lane.awaitsKey = null;
  }
  for (let segment = state.segments.oldest(); segment !== null; segment = state.segments.oldest()) {
    state.files.close(segment, opensAnew(state, state.segments.after(segment.number)));
  }
  const endMs = Math.max(0, ...Object.values(state.lanes).map(endMsOf));
  if (endMs > 0 && wasOpen) state.origin = { timeMs: endMs, wallMs };
};

/** Tells what was lost behind a break of the video up to now: no key frame came with which it could have gone on. */
export const tellBreak = (state: RecordingState): void => {
  if (state.gap === null || state.gap.cause !== 'packet_loss') return;
  const nowMs = state.lateness.mediaMs(state.clock.nowMs());
  tellGap(state, 'packet_loss', state.gap.fromMs, nowMs);
  state.endWallMs = Math.max(state.endWallMs, nowMs);
  state.gap = null;
};
