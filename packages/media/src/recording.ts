import type { AccessUnit } from './access-unit.ts';
import { arrivalClock, type RtpMoment } from './arrival-clock.ts';
import { crc32 } from './crc32.ts';
import { keyFrameRequests } from './key-frame-requests.ts';
import type { Lane } from './lane.ts';
import { lateness } from './lateness.ts';
import { openSegments } from './open-segments.ts';
import { recordingFiles } from './recording-files.ts';
import { recordingLanes } from './recording-lanes.ts';
import type {
  GapCause,
  Publication,
  RecordingCounters,
  RecordingInput,
  RecordingOptions,
  RecordingOutput,
} from './recording-messages.ts';
import { onOneClock, resumedEndMs, resumedMoments, resumedOrigin, resumedSegments } from './recording-resume.ts';
import { elapsedMs, type RecordingState, wantKeyFrame } from './recording-state.ts';
import type { ResumePoint } from './resume-point.ts';
import { isRtcp, parseRtcp } from './rtcp.ts';
import { ntpToUnixMs } from './rtcp-report.ts';
import { parseRtp, type RtpPacket } from './rtp.ts';
import { closeAll, closeLeft, releaseAudio, takeAudio, tellBreak } from './segment-cutting.ts';
import { takeVideo } from './video-cutting.ts';

/** One recording: packets in; init segments, parts, closed segments and gaps out. Pure; memory is bounded. */
export type RecordingCore = {
  /** Takes one input, gives what follows from it, in the order in which it is to be written. */
  step: (input: RecordingInput) => RecordingOutput[];
  /** Resume points of all tracks that hold with only the synced parts counted: for heartbeats. */
  resumePoints: () => ResumePoint[];
  counters: () => RecordingCounters;
};

const videoPatienceMs = 200;

/** Makes the core of a recording; with `resume` it goes on in the middle of the segments found open. */
export const recordingCore = (options: RecordingOptions): RecordingCore => {
  const resume = onOneClock(options.resume ?? null);
  let out: RecordingOutput[] = [];
  let newestOrdinal: number;
  let current: Publication | null = null;
  let packets = 0;
  let refused = 0;
  let repeated = 0;

  const limits = {
    segmentMs: options.segmentMs ?? 4000,
    partMs: options.partMs ?? 500,
    partBytes: options.partBytes ?? 1_000_000,
    noKeyFrameMs: options.noKeyFrameMs ?? 15_000,
    segmentBytes: options.segmentBytes ?? 67_108_864,
    reorderMs: options.reorderMs ?? 200,
    reorderMostMs: options.reorderMostMs ?? 1000,
    reorderStartMs: options.reorderStartMs ?? 250,
    reorderPackets: options.reorderPackets ?? 2048,
    videoWaitMs: options.videoWaitMs ?? 1500,
  };
  const say = (output: RecordingOutput): void => {
    out.push(output);
  };
  const lanes: RecordingState['lanes'] = {};
  const segments = openSegments(resume?.lastSegment ?? 0, resumedSegments(resume));
  const ids = { recordingId: options.recordingId, spoolId: options.spoolId };
  const checksum = options.checksum ?? crc32;
  const { memory } = options;
  const files = recordingFiles({ ids, lanes, segments, newestOrdinal: () => newestOrdinal, checksum, memory, say });
  const state: RecordingState = {
    limits,
    lateness: lateness(),
    clock: arrivalClock((byMs) => say({ kind: 'clock-step', byMs }), resumedMoments(resume), options.absentMs ?? null),
    requests: keyFrameRequests(),
    segments,
    files,
    say,
    lanes,
    phase: resume === null ? { kind: 'absent' } : { kind: 'resuming', missing: false },
    period: resume?.period ?? 0,
    periodDue: resume === null,
    origin: resumedOrigin(resume),
    gap: null,
    endWallMs: resumedEndMs(resume) ?? 0,
    videoMs: 0,
    skippedUnits: 0,
    movedUnits: 0,
    samples: 0,
  };
  const opener = recordingLanes(state, resume, options.handedOver ?? []);
  newestOrdinal = opener.lowestResumed() - 1;

  const takeUnits = (lane: Lane, units: readonly AccessUnit[]): void => {
    if (units.length === 0) return;
    for (const unit of units) {
      if (lane.kind === 'audio') takeAudio(state, lane, unit);
      else lane.inbox.push(unit);
    }
    if (lane.kind === 'video') {
      for (let unit = lane.inbox[0]; unit !== undefined; unit = lane.inbox[0]) {
        takeVideo(state, lane, unit);
        lane.inbox.shift();
      }
    }
    settle();
  };

  /** What may go on now that units came or time passed. */
  const settle = (): void => {
    beginAudioAlone();
    releaseAudio(state, false);
    closeLeft(state);
  };

  /** Without video, or when none comes, audio begins by itself. */
  const beginAudioAlone = (): void => {
    if (state.phase.kind !== 'waiting' || (lanes.audio?.inbox.length ?? 0) === 0) return;
    if (lanes.video !== undefined && elapsedMs(state, state.phase.sinceMs) < limits.videoWaitMs) return;
    state.phase = { kind: 'running' };
  };

  const drain = (): void => {
    for (const lane of Object.values(lanes)) takeUnits(lane, lane.receiver.flush());
  };

  const wait = (): void => {
    state.phase = { kind: 'waiting', sinceMs: null };
  };

  /** Something is missing: everything so far is closed, and the recording begins again. */
  const breakOff = (cause: GapCause): void => {
    drain();
    closeAll(state);
    tellBreak(state);
    if (state.endWallMs > 0) state.gap ??= { cause, fromMs: state.endWallMs };
  };

  const publish = (publication: Publication): void => {
    if (isRepeated(current, publication)) return;
    const before = current;
    current = publication;
    if (state.phase.kind === 'resuming' && opener.continues(publication)) {
      const { missing } = state.phase;
      opener.resume(publication);
      if (missing) breakOff('ring_overflow');
      if (missing || segments.newest() === null) wait();
      return;
    }
    const epoch = before?.epoch ?? opener.resumedEpoch() ?? publication.epoch;
    const restarted = epoch !== publication.epoch;
    breakOff(restarted ? 'edge_restart' : 'no_publisher');
    if (restarted) newestOrdinal = publication.ordinal - 1;
    if (restarted && state.gap !== null) state.gap.cause = 'edge_restart';
    state.periodDue = true;
    opener.open(publication);
    wait();
  };

  const takeReport = (lane: Lane, bytes: Uint8Array): void => {
    for (const packet of parseRtcp(bytes) ?? []) {
      if (packet.kind !== 'sender-report' || packet.ssrc !== lane.receiver.ssrc()) continue;
      lane.timeline.senderReport(packet.rtpTimestamp, ntpToUnixMs(packet.ntpSeconds, packet.ntpFraction));
    }
  };

  const takePacket = (input: Extract<RecordingInput, { kind: 'packet' }>): void => {
    packets++;
    newestOrdinal = Math.max(newestOrdinal, input.ordinal);
    const lane = lanes[input.track];
    if (lane === undefined) {
      refused++;
      return;
    }
    if (input.ordinal < lane.dropBelow) {
      repeated++;
      return;
    }
    lane.dropBelow = input.ordinal + 1;
    const rtp = isRtcp(input.bytes) ? null : parseRtp(input.bytes);
    const arrivalMs = state.clock.packet(input.arrivalMs, rtp === null ? null : momentOf(lane, rtp));
    if (state.phase.kind === 'waiting') state.phase.sinceMs ??= state.clock.nowMs();
    if (isRtcp(input.bytes)) {
      takeReport(lane, input.bytes);
      return;
    }
    if (rtp === null || rtp.payloadType !== lane.published.payloadType) {
      refused++;
      return;
    }
    takeUnits(lane, lane.receiver.receive(rtp, input.ordinal, arrivalMs));
  };

  const takeHole = (from: number, to: number): void => {
    if (state.phase.kind === 'resuming') {
      if (to > opener.lowestResumed()) state.phase = { kind: 'resuming', missing: true };
      return;
    }
    if (to <= Math.max(from, newestOrdinal + 1)) return;
    breakOff('ring_overflow');
    newestOrdinal = Math.max(newestOrdinal, to - 1);
    if (state.phase.kind !== 'absent') wait();
  };

  const tick = (nowMs: number): void => {
    state.clock.tick(nowMs);
    const now = state.clock.nowMs();
    for (const lane of Object.values(lanes)) {
      takeUnits(lane, lane.receiver.expire(now));
      lane.writer.expire(now);
    }
    settle();
    if (state.phase.kind === 'waiting' && lanes.video !== undefined) {
      if (elapsedMs(state, state.phase.sinceMs) >= videoPatienceMs) wantKeyFrame(state);
    } else if (state.requests.due(now)) say({ kind: 'request-key-frame' });
  };

  const end = (): void => {
    breakOff('no_publisher');
    state.requests.came();
    state.phase = { kind: 'absent' };
  };

  const take = (input: RecordingInput): void => {
    switch (input.kind) {
      case 'publication':
        publish(input.publication);
        break;
      case 'packet':
        takePacket(input);
        break;
      case 'hole':
        takeHole(input.from, input.to);
        break;
      case 'ended':
        if (current !== null && input.ordinal > current.ordinal && state.phase.kind !== 'absent') end();
        break;
      case 'tick':
        tick(input.nowMs);
        break;
      case 'durable':
        opener.noteDurable(input.part);
        break;
      case 'flush':
        for (const lane of Object.values(lanes)) lane.writer.flush();
        break;
      case 'finish':
        end();
        break;
    }
  };

  return {
    step: (input) => {
      out = [];
      take(input);
      return out;
    },
    resumePoints: () => opener.durablePoints(newestOrdinal),
    counters: () => ({
      packets,
      refused,
      repeated,
      ...opener.receiverCounters(),
      skippedUnits: state.skippedUnits,
      movedUnits: state.movedUnits,
      samples: state.samples,
      parts: files.parts(),
    }),
  };
};

const momentOf = (lane: Lane, { ssrc, timestamp }: RtpPacket): RtpMoment => ({
  track: lane.kind,
  ssrc,
  timestamp,
  perMs: lane.codec.clockRate / 1000,
});

/** Whether a replay tells of a publication that is known already, or is over. */
const isRepeated = (current: Publication | null, { epoch, ordinal, startedAtMs }: Publication): boolean =>
  current !== null && current.epoch === epoch && (ordinal < current.ordinal || startedAtMs === current.startedAtMs);
