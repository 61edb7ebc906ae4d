import { timestampDistance } from './unwrap.ts';

/**
 * The core's clock. It stands at the newest arrival time seen, and runs on by ticks only while no packet comes: so a
 * replay of old packets is not late, and the clocks of node and recorder need not agree.
 *
 * Arrival times are wall times of the node, whose clock may be set. What is measured here is steady: a step of the
 * wall clock is taken out, and put in again where a time is told (`wallMs`).
 *
 * - Ring order is order of arrival, so a time that goes back by more than a second is a step. Where no RTP clock tells
 *   how long it was since the packet before, the ticks do: so the time a node was away is not lost with its clock.
 * - A time that leaps forward is a step when the RTP clock of the track did not leap with it: live, where ticks would
 *   have shown a silence; in a replay only beyond `longestStallMs`, for a publisher's network may stall that long.
 */
export type ArrivalClock = {
  /** Takes a packet's arrival; gives it on the steady clock. `rtp` is null for RTCP. */
  packet: (arrivalMs: number, rtp: RtpMoment | null) => number;
  tick: (nowMs: number) => void;
  nowMs: () => number;
  /** The wall time of a steady time, by the wall clock as it is set now. */
  wallMs: (steadyMs: number) => number;
  /** The RTP clocks are others from here on. */
  newPublication: () => void;
};

/** A packet's wire timestamp in ticks of `perMs` to a millisecond, of the source `ssrc` (null: not known). */
export type RtpMoment = { track: string; ssrc: number | null; timestamp: number; perMs: number };

const mostTickMs = 2000;
/** Wall times that are further apart than they should be are of two settings of a clock. */
export const stepMs = 1000;
const longestStallMs = 30_000;
/** What an absence of unknown length counts for at least: a gap tells of it. */
const leastAbsenceMs = 1000;

/**
 * Makes the clock of a recording; `resumed` are the moments at which its tracks stood; `stepped` is told of steps.
 * `absentMs` is how long ago that was, by a clock that never steps; null: not known.
 */
export const arrivalClock = (
  stepped: (byMs: number) => void = () => {},
  resumed: readonly { rtp: RtpMoment; arrivalMs: number }[] = [],
  absentMs: number | null = null,
): ArrivalClock => {
  const lasts = new Map(resumed.map((moment) => [moment.rtp.track, moment]));
  const resumedMs = Math.max(0, ...resumed.map(({ arrivalMs }) => arrivalMs));
  let now = 0;
  let newest: number | null = null;
  let offset = 0;
  let lastTick: number | null = null;
  let heardSinceTick = false;
  let newestAtTick = 0;
  let replays = true;

  /** The steady time at which the packet should have come by its track's RTP clock; null when that is not known. */
  const byRtp = (rtp: RtpMoment): number | null => {
    const last = lasts.get(rtp.track);
    if (last === undefined || (last.rtp.ssrc !== null && last.rtp.ssrc !== rtp.ssrc)) return null;
    return last.arrivalMs + timestampDistance(last.rtp.timestamp, rtp.timestamp) / rtp.perMs;
  };

  /** Whether the first packet may have come then: the ring has it from before the absence at the earliest. */
  const isPossible = (seemsMs: number): boolean =>
    resumed.length === 0 ||
    (seemsMs >= resumedMs - stepMs && (absentMs === null || seemsMs <= resumedMs + absentMs + longestStallMs));

  /**
   * The first packet after a restart: a leap away from its RTP clock is a step, unless the network may have stalled.
   * Where another publication begins, which no RTP clock ties to the one before, all of the absence is taken to have passed.
   */
  const firstSteadyOf = (seemsMs: number, meant: number | null): number => {
    if (meant === null) return isPossible(seemsMs) ? seemsMs : resumedMs + Math.max(leastAbsenceMs, absentMs ?? 0);
    const isStep = Math.abs(seemsMs - meant) > longestStallMs && meant < resumedMs + longestStallMs;
    return isStep ? meant : seemsMs;
  };

  const forwardSteadyOf = (seemsMs: number, meant: number | null, latest: number): number => {
    const leastMs = replays ? longestStallMs : stepMs;
    const stepped = meant !== null && seemsMs - meant > leastMs && meant < latest + stepMs;
    return stepped ? Math.max(meant, latest) : seemsMs;
  };

  /** The steady time of a packet that seems to come at `seemsMs`. */
  const steadyOf = (seemsMs: number, rtp: RtpMoment | null): number => {
    const meant = rtp === null ? null : byRtp(rtp);
    // A report alone decides nothing: the packet behind it has an RTP clock that may.
    if (newest === null) return rtp === null ? seemsMs : firstSteadyOf(seemsMs, meant);
    const latest = Math.max(now, newest);
    if (seemsMs < newest - stepMs) return meant !== null && meant < latest + stepMs ? Math.max(meant, newest) : latest;
    if (seemsMs <= latest + stepMs) return seemsMs;
    return rtp === null ? latest : forwardSteadyOf(seemsMs, meant, latest);
  };

  return {
    packet: (arrivalMs, rtp) => {
      heardSinceTick = true;
      const seemsMs = arrivalMs - offset;
      const steadyMs = steadyOf(seemsMs, rtp);
      if (steadyMs !== seemsMs && (rtp !== null || seemsMs < steadyMs)) {
        offset += seemsMs - steadyMs;
        stepped(seemsMs - steadyMs);
      }
      if (steadyMs > now || steadyMs < now - stepMs) now = steadyMs;
      if (newest !== null || rtp !== null) newest = Math.max(newest ?? steadyMs, steadyMs);
      if (rtp !== null) lasts.set(rtp.track, { rtp, arrivalMs: steadyMs });
      return steadyMs;
    },
    tick: (nowMs) => {
      const passed = lastTick === null ? 0 : Math.min(Math.max(nowMs - lastTick, 0), mostTickMs);
      if (!heardSinceTick) now += passed;
      replays = !heardSinceTick || newest === null || newest - newestAtTick > 3 * passed + 100;
      newestAtTick = newest ?? 0;
      heardSinceTick = false;
      lastTick = nowMs;
    },
    nowMs: () => now,
    wallMs: (steadyMs) => steadyMs + offset,
    newPublication: () => lasts.clear(),
  };
};
