import type { PublishedTrack, TrackKind } from './codecs.ts';
import type { ResumePoint } from './resume-point.ts';

/** One publication of a stream: `ordinal` is where it begins in the ring of `epoch`, `startedAtMs` (wall) names it. */
export type Publication = { epoch: string; ordinal: number; startedAtMs: number; tracks: PublishedTrack[] };

/**
 * What a recording is told. Ordinals are those of the ring. `packet`: RTP of a track, or RTCP of its sender (sender
 * reports are used); its bytes are kept until their part is written and must not change. `hole`: ordinals from
 * (inclusive) to (exclusive) that the tap could not deliver. `ended`: the publisher is gone. `tick`: several times a
 * second; only differences of `nowMs` count. `durable`: every part up to this id is synced. `flush`: give out what is
 * complete, the recording goes on later. `finish`: give out everything and close.
 */
export type RecordingInput =
  | { kind: 'publication'; publication: Publication }
  | { kind: 'packet'; ordinal: number; track: TrackKind; arrivalMs: number; bytes: Uint8Array }
  | { kind: 'hole'; from: number; to: number }
  | { kind: 'ended'; ordinal: number; atMs: number }
  | { kind: 'tick'; nowMs: number }
  | { kind: 'durable'; part: number }
  | { kind: 'flush' }
  | { kind: 'finish' };

/** Why a stretch of a recording has no media. */
export type GapCause = 'packet_loss' | 'no_publisher' | 'ring_overflow' | 'edge_restart';

/** A track's share of a segment: decode time and duration in ticks, `bytes` of its parts (without the chain box). */
export type SegmentTrack = {
  track: TrackKind;
  timescale: number;
  baseDecodeTime: number;
  duration: number;
  samples: number;
  bytes: number;
};

/** An init segment, before the first part of its track and period. */
export type InitOutput = {
  kind: 'init';
  track: TrackKind;
  period: number;
  codec: string;
  timescale: number;
  width?: number;
  height?: number;
  sampleRate?: number;
  channels?: number;
  bytes: Uint8Array;
};

/** A part to append to file `segment` of its track; `id` grows over all tracks and is what `durable` names. */
export type PartOutput = {
  kind: 'part';
  id: number;
  track: TrackKind;
  segment: number;
  period: number;
  bytes: Uint8Array;
  samples: number;
  baseDecodeTime: number;
  duration: number;
  keyFrame: boolean;
  resume: ResumePoint[];
};

/**
 * All parts of a segment have been given out; `wallMs` is when it began, `resume` what holds once it is synced.
 * `opensAnew`: what follows can be read without it, because it begins at a key frame or has no picture.
 */
export type SegmentClosedOutput = {
  kind: 'segment-closed';
  segment: number;
  period: number;
  wallMs: number;
  startsWithKeyFrame: boolean;
  opensAnew: boolean;
  tracks: SegmentTrack[];
  resume: ResumePoint[];
};

/** What a recording says. A gap's times are wall milliseconds; `clock-step`: the node's wall clock was set. */
export type RecordingOutput =
  | InitOutput
  | PartOutput
  | SegmentClosedOutput
  | { kind: 'request-key-frame' }
  | { kind: 'clock-step'; byMs: number }
  | { kind: 'gap'; cause: GapCause; fromMs: number; toMs: number }
  | { kind: 'refused-track'; track: TrackKind; codec: string; reason: string };

/** What went through and what was lost, since the core was made. */
export type RecordingCounters = {
  packets: number;
  /** Packets that are not RTP or RTCP, or of no track of the publication. */
  refused: number;
  /** Packets below an ordinal already taken: repeats of a replay. */
  repeated: number;
  /** Packets that came after they were given up, or twice; that never came in time; that filled a hole in time. */
  late: number;
  lost: number;
  recovered: number;
  malformed: number;
  /** Access units of which a packet was missing. */
  droppedUnits: number;
  /** Access units without a place: before the first key frame, without configuration, or before the timeline. */
  skippedUnits: number;
  /** Units decoded later than their time says: pictures shown in another order, sound moved by less than half its length. */
  movedUnits: number;
  samples: number;
  parts: number;
};

/** A track as found on disk: its resume point, its configuration record (null: no file yet), and what its file holds. */
export type ResumedTrack = {
  point: ResumePoint;
  configuration: Uint8Array | null;
  /** Null when the track has no file or its last one is final. */
  open: {
    segment: number;
    baseDecodeTime: number;
    duration: number;
    samples: number;
    bytes: number;
    startsWithKeyFrame: boolean;
  } | null;
};

/** Where a recording goes on after a restart; `lastSegment` and `period` are the highest numbers used so far. */
export type RecordingResume = { tracks: ResumedTrack[]; lastSegment: number; period: number };

/** Ids that go into the files, bounds in milliseconds and bytes, and what a restart found. */
export type RecordingOptions = {
  recordingId: string;
  spoolId: string;
  segmentMs?: number;
  partMs?: number;
  partBytes?: number;
  /** A segment is cut without a key frame after this long. */
  noKeyFrameMs?: number;
  /** A segment is cut without a key frame at this size. */
  segmentBytes?: number;
  /** How long a missing packet is waited for beyond the time that repairs take, at most, and before the first. */
  reorderMs?: number;
  reorderMostMs?: number;
  reorderStartMs?: number;
  reorderPackets?: number;
  /** How long audio waits for the first key frame before it begins alone. */
  videoWaitMs?: number;
  resume?: RecordingResume | null;
  /** How long ago the resumed media stood there, by a clock that never steps; null: not known. */
  absentMs?: number | null;
  /** Where the recording that was rotated into this one left its tracks. */
  handedOver?: readonly ResumePoint[];
  /** CRC-32 of bytes, where the platform has one that is faster than ours. */
  checksum?: (bytes: Uint8Array) => number;
  /** Memory for a part, where the platform has some that it does not fill with zeroes first. */
  memory?: (bytes: number) => Uint8Array;
};
