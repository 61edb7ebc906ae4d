/** The two documents that are derived from a recording's facts, for the spool and for the bucket alike. */
import { encodeObjectName, type InitRow, type RowsDocument, type SegmentRow, type TrackKind } from '@weir/contracts';
import { encodeMpd, endOfPeriods, type ManifestInit, recordingPeriods } from '@weir/media';
import type { ManifestFacts } from './manifest-facts.ts';

/** A row without what the document around it says. */
const inDocument = <T extends { kind: string; recording_id: string }>({ kind: _, recording_id: __, ...row }: T) => row;

/** `record.json` of a recording: all its facts but for the media; needs facts of scope `all`. */
export const recordDocumentOf = (spoolId: string, facts: ManifestFacts): RowsDocument => ({
  weir_record: 2,
  spool_id: spoolId,
  recording: facts.recording,
  inits: facts.inits.map(inDocument),
  segments: facts.segments.map(inDocument),
  gaps: facts.gaps.map(inDocument),
  chain_heads: chainHeads(facts),
});

/** Number and hash of each track's last file: what the next file's chain box would name. */
const chainHeads = ({ segments }: ManifestFacts): RowsDocument['chain_heads'] => {
  const heads = new Map<TrackKind, RowsDocument['chain_heads'][number]>();
  for (const { number, tracks } of segments)
    for (const { track, sha256 } of tracks) heads.set(track, { track, number, sha256 });
  return [...heads.values()];
};

const UPDATE_PERIOD_MS = 2_000;
const BUFFER_MS = 2_000;
// All of a recording can be played while it goes on, also when its manifest is not written for days: longer than any.
const TIME_SHIFT_MS = 400 * 86_400_000;
// The server that has the manifest tells the time, whichever it is, in the Date of its answer.
const UTC_TIMING = { schemeIdUri: 'urn:mpeg:dash:utc:http-head:2014', value: encodeObjectName({ kind: 'manifest' }) };

/** Frames per second as DASH writes them: a whole number where it is one but for the jitter of a live source. */
const frameRateOf = (segments: readonly SegmentRow[], period: number): { frameRate?: string } => {
  const video = segments.flatMap((segment) =>
    segment.period === period ? segment.tracks.filter(({ track }) => track === 'video') : [],
  );
  const seconds = video.reduce((sum, { duration, timescale }) => sum + duration / timescale, 0);
  if (seconds === 0) return {};
  const fps = video.reduce((sum, { samples }) => sum + samples, 0) / seconds;
  const whole = Math.max(1, Math.round(fps));
  const frameRate = Math.abs(fps - whole) < whole * 0.02 ? `${whole}` : `${Math.max(1, Math.round(fps * 1000))}/1000`;
  return { frameRate };
};

const manifestInit = (init: InitRow, segments: readonly SegmentRow[]): ManifestInit => ({
  track: init.track,
  period: init.period,
  codec: init.codec,
  timescale: init.timescale,
  initialization: encodeObjectName({ kind: 'init', track: init.track, period: init.period }),
  ...(init.width === null ? {} : { width: init.width }),
  ...(init.height === null ? {} : { height: init.height }),
  ...(init.sample_rate === null ? {} : { sampleRate: init.sample_rate }),
  ...(init.channels === null ? {} : { channels: init.channels }),
  ...(init.track === 'video' ? frameRateOf(segments, init.period) : {}),
});

/** Milliseconds on the recording's timeline at which a segment begins. */
const mediaMsOf = ({ tracks: [lead] }: SegmentRow): number =>
  lead === undefined ? 0 : (lead.base_time * 1000) / lead.timescale;

/**
 * The text of a recording's manifest, of the segments in the facts: dynamic while segments may still come, static
 * once it ended and they are all there or given up; a new period at each hole. Null while nothing of it can be played.
 */
export const recordingManifest = (facts: ManifestFacts): string | null => {
  const { recording, segments } = facts;
  const [first] = segments;
  if (first === undefined) return null;
  const isLive = !facts.isFinal;
  const periods = recordingPeriods({
    id: String(recording.record),
    // A finished presentation begins at 0, whatever of its beginning is missing; a live one is placed by wall time.
    offsetMs: isLive ? 0 : -mediaMsOf(first),
    segments: segments.map(({ number, period, key_frame, tracks }) => ({
      number,
      period,
      startsWithKeyFrame: key_frame,
      tracks: tracks.map(({ track, base_time, duration, bytes }) => ({
        track,
        baseDecodeTime: base_time,
        duration,
        bytes,
      })),
    })),
    inits: facts.inits.map((init) => manifestInit(init, segments)),
    media: { video: 'v_seg_$Number%04d$.m4s', audio: 'a_seg_$Number%04d$.m4s' },
  });
  if (periods.length === 0) return null;
  return encodeMpd({
    type: isLive ? 'dynamic' : 'static',
    publishTimeMs: Math.floor(facts.version / 1000),
    maxSegmentDurationMs: Math.max(1, ...segments.map(({ duration_ms }) => duration_ms)),
    minBufferTimeMs: BUFFER_MS,
    ...(isLive
      ? {
          availabilityStartTimeMs: Math.round(first.start_ms - mediaMsOf(first)),
          minimumUpdatePeriodMs: UPDATE_PERIOD_MS,
          timeShiftBufferDepthMs: TIME_SHIFT_MS,
          utcTiming: UTC_TIMING,
        }
      : { mediaPresentationDurationMs: endOfPeriods(periods) }),
    periods,
  });
};
