import { elapsedSince, type TimelineReference } from './timing.ts';

/**
 * Steering: keeps sound in step with the picture, whose clock leads the timeline.
 *
 * The two RTP clocks drift apart, by some hundred ticks a minute; and where sound was placed by arrival, the first
 * sender reports may tell of a better place. Each packet of sound is made a little longer or shorter than it says, by
 * at most a twentieth, until its time is that of the picture taken with it. So samples stay next to one another:
 * no hole, no overlap, nothing dropped, and a correction of 100 ms takes about two seconds.
 *
 * An error that leaps is not believed until it has stayed for `patienceMs`: the reports of the two tracks come at
 * different moments, and when the sender sets its clock they contradict one another in between. The first error that
 * reports tell is believed at once.
 */
export type Steering = {
  /** By how many ms the sound behind this moment is to be moved, given a moment of sound and one of the picture. */
  step: (sound: TimelineReference, picture: TimelineReference, durationMs: number) => number;
};

const mostShare = 1 / 20;
/** The correction's time constant. */
const settleMs = 1000;
const mostLeapMs = 40;
const patienceMs = 10_000;

/** Makes the steering of a track of sound. */
export const soundSteering = (): Steering => {
  let bySender = false;
  let believedMs: number | null = null;
  let leapMs = 0;
  return {
    step: (sound, picture, durationMs) => {
      const elapsed = elapsedSince(picture, sound);
      const errorMs = picture.timeMs + elapsed.ms - sound.timeMs;
      const leaps = believedMs !== null && elapsed.bySender === bySender && Math.abs(errorMs - believedMs) > mostLeapMs;
      leapMs = leaps ? leapMs + durationMs : 0;
      if (!leaps || leapMs >= patienceMs) {
        believedMs = errorMs;
        bySender = elapsed.bySender;
        leapMs = 0;
      }
      const wanted = ((believedMs ?? 0) * durationMs) / settleMs;
      const most = durationMs * mostShare;
      const correction = Math.min(Math.max(wanted, -most), most);
      if (believedMs !== null) believedMs -= correction;
      return correction;
    },
  };
};
