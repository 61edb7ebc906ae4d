import { codecs, type PublishedTrack, type TrackKind } from './codecs.ts';
import { endMsOf, type Lane, type LaneFiles, livePoint, noteDurable, openLane } from './lane.ts';
import type { Publication, RecordingCounters, RecordingResume, ResumedTrack } from './recording-messages.ts';
import { resumedLaneFiles, standingTracks } from './recording-resume.ts';
import { type RecordingState, wallMsOf } from './recording-state.ts';
import type { ResumePoint } from './resume-point.ts';

// Half a second of 1,000 frames a second: what comes faster has no time of its own, and is not held for long either.
const mostPartSamples = 512;

type ReceiverCounters = Pick<RecordingCounters, 'late' | 'lost' | 'recovered' | 'malformed' | 'droppedUnits'>;

/** Opens the lanes of publications, and keeps what outlives them. */
export type RecordingLanes = {
  /** Opens the lanes of a new publication; tracks that cannot be recorded are told as refused. */
  open: (publication: Publication) => void;
  /** Whether a publication is the one that was recorded before the restart. */
  continues: (publication: Publication) => boolean;
  /** Opens its lanes where they stood before the restart. */
  resume: (publication: Publication) => void;
  resumedEpoch: () => string | null;
  /** The lowest ordinal that the restart left awaited, 0 when no track has a place. */
  lowestResumed: () => number;
  noteDurable: (part: number) => void;
  /**
   * Resume points of all tracks that hold with only the synced parts counted: also of a track that the present
   * publication does not have, as long as parts of it are not synced.
   */
  durablePoints: (newestOrdinal: number) => ResumePoint[];
  receiverCounters: () => ReceiverCounters;
};

/** Makes the opener of a recording's lanes, on its shared state; `handedOver` are the places of the recording before. */
export const recordingLanes = (
  state: RecordingState,
  resume: RecordingResume | null,
  handedOver: readonly ResumePoint[],
): RecordingLanes => {
  const standing = standingTracks(resume);
  const found = resume?.tracks ?? [];
  const files: Record<TrackKind, LaneFiles> = {
    video: resumedLaneFiles(found.find(({ point }) => point.track === 'video')),
    audio: resumedLaneFiles(found.find(({ point }) => point.track === 'audio')),
  };
  const retired: ReceiverCounters = { late: 0, lost: 0, recovered: 0, malformed: 0, droppedUnits: 0 };
  const { limits } = state;
  const needs = {
    reorder: {
      windowMs: limits.reorderMs,
      mostMs: limits.reorderMostMs,
      startMs: limits.reorderStartMs,
      maxPackets: limits.reorderPackets,
    },
    parts: {
      ms: limits.partMs,
      bytes: limits.partBytes,
      samples: mostPartSamples,
      waitMs: limits.partMs,
      stillMs: limits.noKeyFrameMs,
    },
    lateness: state.lateness,
    wallMs: (mediaMs: number) => wallMsOf(state, mediaMs),
    emit: (lane: Lane, part: Parameters<typeof state.files.part>[1]) => state.files.part(lane, part),
  };

  const retire = (): void => {
    for (const lane of Object.values(state.lanes)) {
      files[lane.kind].endMs = endMsOf(lane);
      files[lane.kind].order = lane.decodeTimes.known();
      addCounters(retired, lane);
      delete state.lanes[lane.kind];
    }
  };

  const openTrack = (publication: Publication, published: PublishedTrack, resumes: boolean): void => {
    const { kind } = published;
    const codec = codecs[published.codec];
    const reason = refusal(published, state.lanes[kind] !== undefined);
    if (codec === undefined || reason !== null) {
      state.say({ kind: 'refused-track', track: kind, codec: published.codec, reason: reason ?? 'unknown codec' });
      return;
    }
    const start = {
      resumed: resumes ? (standing.find(({ point }) => point.track === kind) ?? null) : null,
      before: handedOver.find((point) => point.track === kind && isOf(publication, point)) ?? null,
    };
    const lane = openLane(publication, published, codec, files[kind], start, needs);
    lane.dropBelow = Math.max(lane.dropBelow, publication.ordinal);
    state.lanes[kind] = lane;
  };

  const open = (publication: Publication, resumes: boolean): void => {
    retire();
    for (const published of publication.tracks) openTrack(publication, published, resumes);
  };

  const place = standing[0]?.point ?? null;

  return {
    open: (publication) => {
      state.clock.newPublication();
      open(publication, false);
    },
    continues: ({ epoch, startedAtMs }) => place?.epoch === epoch && place.publishedAtMs === startedAtMs,
    resume: (publication) => {
      open(publication, true);
      joinOpenSegments(state, standing);
    },
    resumedEpoch: () => place?.epoch ?? null,
    lowestResumed: () => (place === null ? 0 : Math.min(...standing.map(({ point }) => point.ordinal))),
    noteDurable: (part) => {
      noteDurable(files.video, part);
      noteDurable(files.audio, part);
    },
    durablePoints: (newestOrdinal) =>
      (['video', 'audio'] as const)
        .map((kind) => {
          const lane = state.lanes[kind];
          return files[kind].undurable[0]?.before ?? (lane === undefined ? null : livePoint(lane, newestOrdinal));
        })
        .filter((point) => point !== null),
    receiverCounters: () => {
      const sum = { ...retired };
      for (const lane of Object.values(state.lanes)) addCounters(sum, lane);
      return sum;
    },
  };
};

const isOf = ({ epoch, startedAtMs }: Publication, point: ResumePoint): boolean =>
  point.epoch === epoch && point.publishedAtMs === startedAtMs;

const refusal = (published: PublishedTrack, taken: boolean): string | null => {
  const codec = codecs[published.codec];
  if (codec === undefined) return `${published.codec} is not one of ${Object.keys(codecs).join(', ')}`;
  if (codec.kind !== published.kind) return `${published.codec} is no ${published.kind} codec`;
  if (published.clockRate !== codec.clockRate) {
    return `a clock of ${published.clockRate} Hz is not the ${codec.clockRate} Hz of ${published.codec}`;
  }
  return taken ? `a recording has one ${published.kind} track` : codec.refusal(published);
};

const addCounters = (sum: ReceiverCounters, lane: Lane): void => {
  const counters = lane.receiver.counters();
  sum.late += counters.late;
  sum.lost += counters.lost;
  sum.recovered += counters.recovered;
  sum.malformed += counters.malformed;
  sum.droppedUnits += counters.droppedUnits;
};

/** Lets the resumed lanes go on in the segments that were open, and sets the clocks by them. */
const joinOpenSegments = (state: RecordingState, standing: readonly ResumedTrack[]): void => {
  const newest = state.segments.newest();
  if (newest !== null) state.phase = { kind: 'running' };
  for (const { point, open } of standing) {
    const lane = state.lanes[point.track];
    if (lane === undefined) continue;
    lane.segment = open?.segment ?? (hasWritten(point) ? (state.segments.oldest()?.number ?? 0) : 0);
    if (lane.kind === 'video') state.videoMs = endMsOf(lane);
  }
};

const hasWritten = (point: ResumePoint): boolean => point.segment > 0;
