import type { TrackKind } from './codecs.ts';
import { type Lateness, lateness } from './lateness.ts';
import { senderClock } from './sender-clock.ts';
import { timestampDistance } from './unwrap.ts';

/**
 * Timing: RTP time to the recording's one timeline, per track.
 *
 * - The timeline begins (0) at the first sample written. A track's decode times are ticks of its own clock.
 * - A track is *placed*: where RTP timestamp `rtp` stands at `ticks`. From then on it follows its own RTP clock.
 *   `steer` moves the place by small steps: so sound is kept in step with the picture (`steering.ts`).
 * - Placing takes the sender's own times (RTCP sender reports) where both the track and the reference have them, else
 *   arrival times. Neither is trusted over the other by more than `mostDisagreementMs`.
 * - Wall time is the arrival of the place, smoothed; what all tracks are late by for good is left out (`lateness.ts`).
 * - Only a step from one unit to the next tells that the RTP clock jumped: media that is late, and catches up at
 *   whatever rate, goes on in its place. A track that stays late or early alone is no longer beside the other: it jumps.
 * - Behind a jump the timeline goes on by the time that passed since the unit before (`rejoin`).
 */
export type TrackTimeline = {
  /** Takes a sender report: its wire RTP timestamp and the sender's time in Unix ms. Implausible ones are left out. */
  senderReport: (rtp: number, ntpMs: number) => void;
  /** Whether the RTP clock jumped since the last unit: the track must be placed again, or rejoined. */
  jumps: (rtp: number, arrivalMs: number) => boolean;
  /** Takes note of a unit's wire timestamp and arrival. */
  follow: (rtp: number, arrivalMs: number) => void;
  /** Behind a jump: the timeline goes on at this wire timestamp, not before `notBefore` ticks. */
  rejoin: (rtp: number, arrivalMs: number, notBefore: number) => void;
  /** The clock is another from here on (new SSRC): the place is lost. */
  restart: () => void;
  isPlaced: () => boolean;
  /** Places a wire timestamp relative to the reference, not before `notBefore` ticks; `mediaMs`: when it was to come. */
  placeAt: (rtp: number, mediaMs: number, reference: TimelineReference, notBefore: number) => void;
  /** Moves everything not written yet by these ticks, which may be a fraction. */
  steer: (ticks: number) => void;
  /** Decode time in ticks of a wire timestamp; the track must be placed. May lie below zero. */
  ticksOf: (rtp: number) => number;
  /** Wall time in ms of a decode time in ticks: arrival of the place, continued by the track's clock. */
  wallMsOf: (ticks: number) => number;
  /** The wire timestamp at a decode time, with wall and sender's time; null when not placed. */
  clockAt: (ticks: number) => { rtp: number; wallMs: number; ntpMs: number | null } | null;
  /** A wire timestamp on all clocks; null when not placed. */
  momentOf: (rtp: number) => TimelineReference | null;
  /** The newest unit on all clocks; null when not placed. */
  momentNow: () => TimelineReference | null;
};

/** A point known on all clocks: time on the recording's timeline, arrival (wall), the sender's time (null: unknown), in ms. */
export type TimelineReference = { timeMs: number; wallMs: number; ntpMs: number | null };

/** Where a track stood before a restart: the wire timestamp at a decode time in ticks, and the wall time there. */
export type TimelinePlace = { rtp: number; ticks: number; wallMs: number; ntpMs: number | null };

/** Until the place is known well, a step of RTP time beyond that of arrival by more is a jump; a track late by more is off. */
const mostJumpMs = 5000;
/** A unit cannot come this much before its time, nor lie this much before the one before it. */
const mostEarlyMs = 1000;
/** A track that is off its place for longer than this has lost it. */
const mostOffMs = 5000;
const mostDisagreementMs = 2000;
/** Wall time follows arrival with this time constant, and one unit's delay counts for at most `mostDelayMs`. */
const followMs = 8000;
const mostDelayMs = 40;
const learningUnits = 50;

type Place = { rtp: number; ticks: number; wallMs: number };

/** What of a reference's two clocks tells the time from it to a moment: the sender's, unless arrival contradicts it. */
export const elapsedSince = (
  from: TimelineReference,
  to: { wallMs: number; ntpMs: number | null },
): { ms: number; bySender: boolean } => {
  const byArrival = to.wallMs - from.wallMs;
  if (to.ntpMs === null || from.ntpMs === null) return { ms: byArrival, bySender: false };
  const bySender = to.ntpMs - from.ntpMs;
  const isCredible = Math.abs(bySender - byArrival) <= mostDisagreementMs;
  return { ms: isCredible ? bySender : byArrival, bySender: isCredible };
};

/** Makes a track's timeline; `resumed` is its place before a restart, `common` what its recording's tracks share. */
export const trackTimeline = (
  clockRate: number,
  resumed: TimelinePlace | null = null,
  track: TrackKind = 'video',
  common: Lateness = lateness(),
): TrackTimeline => {
  const perMs = clockRate / 1000;
  const knownReport = resumed === null || resumed.ntpMs === null ? null : { rtp: resumed.rtp, ntpMs: resumed.ntpMs };
  let place: Place | null =
    resumed === null ? null : { rtp: resumed.rtp, ticks: resumed.ticks, wallMs: resumed.wallMs };
  let sender = senderClock(perMs, knownReport);
  let last: { rtp: number; arrivalMs: number } | null =
    resumed === null ? null : { rtp: resumed.rtp, arrivalMs: resumed.wallMs };
  let learnt = resumed === null ? 0 : learningUnits;
  let offSinceMs: number | null = null;
  /** Where a unit that jumps is to be, ticks. */
  let jumpsTo = 0;
  common.forget(track);

  const exactTicksOf = (rtp: number): number => {
    if (place === null) return 0;
    const distance = timestampDistance(place.rtp, rtp);
    const ticks = place.ticks + distance;
    // The place moves along, so that the distance to it stays far below the wrap.
    if (distance > clockRate) place = { rtp, ticks, wallMs: place.wallMs + distance / perMs };
    return ticks;
  };

  const wallMsOf = (ticks: number): number => (place === null ? 0 : place.wallMs + (ticks - place.ticks) / perMs);

  /** Whether the track has been off its place alone for so long that it must leave it. */
  const staysOff = (aloneMs: number, arrivalMs: number): boolean => {
    if (aloneMs <= mostJumpMs && (aloneMs >= -mostEarlyMs || learnt < learningUnits)) offSinceMs = null;
    else offSinceMs ??= arrivalMs;
    return offSinceMs !== null && arrivalMs - offSinceMs > mostOffMs;
  };

  const momentOf = (rtp: number): TimelineReference | null => {
    if (place === null) return null;
    const ticks = exactTicksOf(rtp);
    return { timeMs: ticks / perMs, wallMs: wallMsOf(ticks), ntpMs: sender.ntpMsOf(rtp) };
  };

  const jumps = (rtp: number, arrivalMs: number): boolean => {
    if (last === null) return false;
    const stepMs = timestampDistance(last.rtp, rtp) / perMs;
    const passedMs = Math.max(0, arrivalMs - last.arrivalMs);
    const aheadMs = stepMs - passedMs;
    if (place === null) return stepMs < -mostEarlyMs || aheadMs > mostJumpMs;
    const lastTicks = place.ticks + timestampDistance(place.rtp, last.rtp);
    const ticks = lastTicks + stepMs * perMs;
    const lateMs = common.mediaMs(arrivalMs) - wallMsOf(ticks);
    const most = learnt < learningUnits ? mostJumpMs : mostEarlyMs;
    // What is held up together may have been sent far apart: it is late, not ahead of its time.
    if (stepMs < -mostEarlyMs || (aheadMs > most && lateMs < -most)) {
      jumpsTo = lastTicks + passedMs * perMs;
      return true;
    }
    const aloneMs = common.take(track, lateMs, arrivalMs);
    jumpsTo = ticks + aloneMs * perMs;
    return staysOff(aloneMs, arrivalMs);
  };

  const follow = (rtp: number, arrivalMs: number): void => {
    const sinceMs = last === null ? 0 : Math.max(0, timestampDistance(last.rtp, rtp) / perMs);
    last = { rtp, arrivalMs };
    if (place === null) return;
    const delayMs = common.mediaMs(arrivalMs) - wallMsOf(exactTicksOf(rtp));
    learnt = Math.min(learnt + 1, learningUnits);
    // The sender's clock drifts by seconds a day, jitter is gone in a second; both tracks follow at the same pace.
    const isLearning = learnt < learningUnits;
    const most = isLearning ? mostEarlyMs : mostDelayMs;
    const pace = Math.max(Math.min(sinceMs / followMs, 1), isLearning ? 1 / (learnt + 1) : 0);
    place.wallMs += Math.min(Math.max(delayMs, -most), most) * pace;
  };

  return {
    senderReport: (rtp, ntpMs) => sender.report(rtp, ntpMs, last?.rtp ?? null),
    jumps,
    follow,
    rejoin: (rtp, arrivalMs, notBefore) => {
      const wallMs = common.mediaMs(arrivalMs) - common.commonMs();
      place = { rtp, ticks: Math.max(Math.round(jumpsTo), notBefore), wallMs };
      offSinceMs = null;
      sender = senderClock(perMs);
      common.forget(track);
    },
    restart: () => {
      place = null;
      last = null;
      learnt = 0;
      offSinceMs = null;
      sender = senderClock(perMs);
      common.forget(track);
    },
    isPlaced: () => place !== null,
    placeAt: (rtp, mediaMs, reference, notBefore) => {
      const { ms } = elapsedSince(reference, { wallMs: mediaMs, ntpMs: sender.ntpMsOf(rtp) });
      const ticks = Math.max(Math.round((reference.timeMs + ms) * perMs), notBefore);
      place = { rtp, ticks, wallMs: mediaMs };
    },
    steer: (ticks) => {
      if (place !== null) place.ticks += ticks;
    },
    ticksOf: (rtp) => Math.round(exactTicksOf(rtp)),
    wallMsOf,
    clockAt: (ticks) => {
      if (place === null) return null;
      const distance = Math.round(ticks - place.ticks);
      const rtp = (place.rtp + (distance % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
      return { rtp, wallMs: wallMsOf(ticks), ntpMs: sender.ntpMsOf(rtp) };
    },
    momentOf,
    momentNow: () => (last === null ? null : momentOf(last.rtp)),
  };
};
