import type { TrackKind } from './codecs.ts';

/**
 * How late the media of a recording comes, by the clocks of its tracks. A relay that holds media and hands it on in
 * order, or an encoder that was stopped, makes all tracks late alike: that moves nothing on the timeline, however long
 * it lasts and however fast it catches up. A track that is late or early alone has lost its place beside the other.
 *
 * Wall times are those of an arrival in time, so they do not follow what is caught up with. Media that is late for
 * good, or comes before its time, moves them: `mediaMs` is arrival without what was moved, `wallMs` the way back.
 */
export type Lateness = {
  /** Takes how late a track's unit is by its clock (on the time of `mediaMs`); gives what the other track has not of it. */
  take: (track: TrackKind, lateMs: number, arrivalMs: number) => number;
  /** The track's clock is another from here on. */
  forget: (track: TrackKind) => void;
  /** What all tracks are late by at present; 0 while it is no more than jitter. */
  commonMs: () => number;
  mediaMs: (arrivalMs: number) => number;
  wallMs: (mediaMs: number) => number;
};

const mostLateMs = 5000;
const mostEarlyMs = 1000;
/** Media that has been late for so long, and not caught up by a twentieth of it, is late for good. */
const patienceMs = 3000;
const leastCaughtUpMs = 250;

/** Makes the lateness of a recording whose media comes in time. */
export const lateness = (): Lateness => {
  const tracks = new Map<TrackKind, { lateMs: number; arrivalMs: number }>();
  let common = 0;
  let movedMs = 0;
  let since: { lateMs: number; arrivalMs: number } | null = null;

  const commonOf = (track: TrackKind, lateMs: number, arrivalMs: number): number => {
    const other = tracks.get(track === 'video' ? 'audio' : 'video');
    // A track that is silent says nothing.
    if (other === undefined || Math.abs(arrivalMs - other.arrivalMs) > patienceMs) return lateMs;
    if (lateMs < 0 !== other.lateMs < 0) return 0;
    return Math.abs(other.lateMs) < Math.abs(lateMs) ? other.lateMs : lateMs;
  };

  const isForGood = (arrivalMs: number): boolean => {
    if (common < -mostEarlyMs) return true;
    if (common < mostLateMs) since = null;
    else if (since === null || common < since.lateMs - leastCaughtUpMs) since = { lateMs: common, arrivalMs };
    return since !== null && arrivalMs - since.arrivalMs > patienceMs;
  };

  const move = (): void => {
    movedMs += common;
    for (const each of tracks.values()) each.lateMs -= common;
    common = 0;
    since = null;
  };

  return {
    take: (track, lateMs, arrivalMs) => {
      tracks.set(track, { lateMs, arrivalMs });
      common = commonOf(track, lateMs, arrivalMs);
      const aloneMs = lateMs - common;
      if (isForGood(arrivalMs)) move();
      return aloneMs;
    },
    forget: (track) => {
      tracks.delete(track);
      if (tracks.size === 0) common = 0;
      since = null;
    },
    commonMs: () => (Math.abs(common) > mostEarlyMs ? common : 0),
    mediaMs: (arrivalMs) => arrivalMs - movedMs,
    wallMs: (mediaMs) => mediaMs + movedMs,
  };
};
