import { timestampDistance } from './unwrap.ts';

/**
 * Timing: RTP time to the recording's one timeline, per track.
 *
 * - The timeline begins (0) at the first sample written. A track's decode times are ticks of its own clock.
 * - A track is *placed* once: where RTP timestamp `rtp` stands at `ticks`. From then on it follows its own RTP clock.
 *   (Steering against drift between the clocks would move the place, here.)
 * - Placing takes the sender's own times (RTCP sender reports) where both the track and the reference have them, else
 *   arrival times. Neither is trusted over the other by more than `mostDisagreementMs`.
 * - A jump of the RTP clock against arrival is a discontinuity: the track must be placed again.
 */
export type TrackTimeline = {
  /** Takes a sender report: its wire RTP timestamp and the sender's time in Unix ms. Implausible ones are left out. */
  senderReport: (rtp: number, ntpMs: number) => void;
  /** Whether the RTP clock jumped against arrival since the last unit: the track must be placed again. */
  jumps: (rtp: number, arrivalMs: number) => boolean;
  /** Takes note of a unit's wire timestamp and arrival. */
  follow: (rtp: number, arrivalMs: number) => void;
  /** The clock is another from here on (new SSRC): the place is lost. */
  restart: () => void;
  isPlaced: () => boolean;
  /** Places a wire timestamp relative to the reference, not before `notBefore` ticks. */
  placeAt: (rtp: number, arrivalMs: number, reference: TimelineReference, notBefore: number) => void;
  /** Decode time in ticks of a wire timestamp; the track must be placed. May lie below zero. */
  ticksOf: (rtp: number) => number;
  /** Wall time in ms of a decode time in ticks: arrival of the place, continued by the track's clock. */
  wallMsOf: (ticks: number) => number;
  /** The wire timestamp at a decode time, with wall and sender's time; null when not placed. */
  clockAt: (ticks: number) => { rtp: number; wallMs: number; ntpMs: number | null } | null;
};

/** A point known on all clocks: time on the recording's timeline, arrival (wall), the sender's time (null: unknown), in ms. */
export type TimelineReference = { timeMs: number; wallMs: number; ntpMs: number | null };

/** Where a track stood before a restart: the wire timestamp at a decode time in ticks, and the wall time there. */
export type TimelinePlace = { rtp: number; ticks: number; wallMs: number; ntpMs: number | null };

const mostJumpMs = 5000;
const mostDisagreementMs = 5000;
const mostReportDistanceMs = 60_000;

type Place = { rtp: number; ticks: number; wallMs: number };

/** Makes a track's timeline; `resumed` is its place before a restart. */
export const trackTimeline = (clockRate: number, resumed: TimelinePlace | null = null): TrackTimeline => {
  const perMs = clockRate / 1000;
  let place: Place | null =
    resumed === null ? null : { rtp: resumed.rtp, ticks: resumed.ticks, wallMs: resumed.wallMs };
  let report: { rtp: number; ntpMs: number } | null =
    resumed === null || resumed.ntpMs === null ? null : { rtp: resumed.rtp, ntpMs: resumed.ntpMs };
  let last: { rtp: number; arrivalMs: number } | null =
    resumed === null ? null : { rtp: resumed.rtp, arrivalMs: resumed.wallMs };

  const ntpMsOf = (rtp: number): number | null => {
    if (report === null) return null;
    const distanceMs = timestampDistance(report.rtp, rtp) / perMs;
    return Math.abs(distanceMs) > mostReportDistanceMs ? null : report.ntpMs + distanceMs;
  };

  const ticksOf = (rtp: number): number => {
    if (place === null) return 0;
    const ticks = place.ticks + timestampDistance(place.rtp, rtp);
    // The place moves along, so that the distance to it stays far below the wrap.
    if (ticks - place.ticks > clockRate) {
      place = { rtp, ticks, wallMs: place.wallMs + (ticks - place.ticks) / perMs };
    }
    return ticks;
  };

  const wallMsOf = (ticks: number): number => (place === null ? 0 : place.wallMs + (ticks - place.ticks) / perMs);

  const restart = (): void => {
    place = null;
    report = null;
    last = null;
  };

  return {
    senderReport: (rtp, ntpMs) => {
      // Some senders fill in all ones, or an unset clock, before they know better.
      const unset = rtp === 0xffff_ffff || ntpMs <= 0;
      const far = last !== null && Math.abs(timestampDistance(last.rtp, rtp)) > mostReportDistanceMs * perMs;
      if (!unset && !far) report = { rtp, ntpMs };
    },
    jumps: (rtp, arrivalMs) =>
      last !== null && Math.abs(timestampDistance(last.rtp, rtp) / perMs - (arrivalMs - last.arrivalMs)) > mostJumpMs,
    follow: (rtp, arrivalMs) => {
      last = { rtp, arrivalMs };
      // Wall time follows arrival slowly: the sender's clock drifts by seconds a day, jitter is gone in a second.
      if (place !== null) place.wallMs += (arrivalMs - wallMsOf(ticksOf(rtp))) / 256;
    },
    restart,
    isPlaced: () => place !== null,
    placeAt: (rtp, arrivalMs, reference, notBefore) => {
      const byArrival = arrivalMs - reference.wallMs;
      const ntpMs = ntpMsOf(rtp);
      const bySender = ntpMs === null || reference.ntpMs === null ? byArrival : ntpMs - reference.ntpMs;
      const offsetMs = Math.abs(bySender - byArrival) > mostDisagreementMs ? byArrival : bySender;
      const ticks = Math.max(Math.round((reference.timeMs + offsetMs) * perMs), notBefore);
      place = { rtp, ticks, wallMs: arrivalMs };
    },
    ticksOf,
    wallMsOf,
    clockAt: (ticks) => {
      if (place === null) return null;
      const rtp = (place.rtp + ((ticks - place.ticks) % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
      return { rtp, wallMs: wallMsOf(ticks), ntpMs: ntpMsOf(rtp) };
    },
  };
};
