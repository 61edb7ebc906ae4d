import type { TrackKind } from './codecs.ts';
import type { SegmentTrack } from './recording-messages.ts';
import type { ResumePoint } from './resume-point.ts';
import { segmentAllowance } from './segment-allowance.ts';

/**
 * A segment whose files may still grow. `startMs` is on the recording's timeline, `wallMs` the wall time there,
 * `begunAtMs` on the arrival clock (null: before a restart). `hasVideo` once a video sample went to it.
 */
export type OpenSegment = {
  number: number;
  period: number;
  startMs: number;
  wallMs: number;
  begunAtMs: number | null;
  hasVideo: boolean;
  startsWithKeyFrame: boolean;
  tracks: Partial<Record<TrackKind, SegmentTrack>>;
  resume: Partial<Record<TrackKind, ResumePoint>>;
};

/** The open segments in order: the newest, and older ones that a late track has not left yet. */
export type OpenSegments = {
  count: () => number;
  /** Whether another segment may begin now (arrival clock): each costs files, syncs and a row, so there is an allowance. */
  mayBegin: (nowMs: number) => boolean;
  newest: () => OpenSegment | null;
  oldest: () => OpenSegment | null;
  get: (number: number) => OpenSegment | null;
  /** The next open segment behind this number. */
  after: (number: number) => OpenSegment | null;
  begin: (segment: Pick<OpenSegment, 'period' | 'startMs' | 'wallMs' | 'begunAtMs'>) => OpenSegment;
  remove: (segment: OpenSegment) => void;
};

/** Makes the list; `resumed` are segments that were open before a restart, `last` the highest number used. */
export const openSegments = (last: number, resumed: readonly OpenSegment[]): OpenSegments => {
  const open = [...resumed].sort((a, b) => a.number - b.number);
  let highest = Math.max(last, ...open.map((segment) => segment.number));
  const allowance = segmentAllowance();
  return {
    count: () => open.length,
    mayBegin: allowance.isLeft,
    newest: () => open[open.length - 1] ?? null,
    oldest: () => open[0] ?? null,
    get: (number) => open.find((segment) => segment.number === number) ?? null,
    after: (number) => open.find((segment) => segment.number > number) ?? null,
    begin: (start) => {
      highest++;
      if (start.begunAtMs !== null) allowance.take(start.begunAtMs);
      const segment = {
        ...start,
        number: highest,
        hasVideo: false,
        startsWithKeyFrame: true,
        tracks: {},
        resume: {},
      };
      open.push(segment);
      return segment;
    },
    remove: (segment) => {
      open.splice(open.indexOf(segment), 1);
    },
  };
};
