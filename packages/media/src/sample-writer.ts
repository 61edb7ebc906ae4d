import type { PartSample } from './part.ts';

/** A sample on its way into a part: its place in the ring beside the media; `hint` is the duration the packet told, or null. */
export type Sample = PartSample & {
  ticks: number;
  hint: number | null;
  rtp: number;
  firstSequence: number;
  firstOrdinal: number;
  arrivalMs: number;
};

/** Which file samples go to, and the codec configuration record they are coded with. */
export type SamplePlace = { segment: number; period: number; configuration: Uint8Array };

/** Samples of one part, durations known, all of one place. */
export type RawPart = { place: SamplePlace; samples: Sample[]; baseDecodeTime: number; duration: number };

/** Bounds of a part: media duration in ticks, bytes, samples, and the waits of `expire` in ms (`stillMs`: see below). */
export type PartLimits = { ticks: number; bytes: number; samples: number; waitMs: number; stillMs: number };

/**
 * Samples of a track to parts. The newest sample waits for the next one's time, which is its end; where the packet
 * itself tells a duration, it waits no longer than `waitMs`, else `stillMs`: a picture that stands still is long, not
 * followed by a hole. At most one part's samples and one more are held.
 */
export type SampleWriter = {
  /** Takes a sample for a place, and owns it; its time must not lie before `end()`. Complete parts go to `emit`. */
  add: (sample: Sample, to: SamplePlace) => void;
  /** Gives out what has waited too long at `nowMs` (arrival clock). */
  expire: (nowMs: number) => void;
  /** Gives out the samples whose duration is known. */
  flush: () => void;
  /** Gives out everything; the last sample ends at `untilTicks`, or lasts as long as the one before. */
  finish: (untilTicks: number | null) => void;
  /** The earliest time the next sample may have, ticks. */
  end: () => number;
  /** The nominal end of the newest sample, ticks: where the next is expected. */
  expected: () => number;
  inHand: () => readonly Sample[];
  /** Wire timestamp of the last sample given out, null before the first. */
  lastRtp: () => number | null;
};

/** Makes a writer; `end` is where the track's timeline stands, `fallback` the duration of a lone sample, ticks. */
export const sampleWriter = (
  limits: PartLimits,
  fallback: number,
  start: { end: number; lastRtp: number | null },
  emit: (part: RawPart) => void,
): SampleWriter => {
  let ready: Sample[] = [];
  let readyTicks = 0;
  let readyBytes = 0;
  let pending: Sample | null = null;
  let place: SamplePlace | null = null;
  let end = start.end;
  let lastDuration = fallback;
  let lastRtp = start.lastRtp;

  const flush = (): void => {
    const first = ready[0];
    if (first === undefined || place === null) return;
    const part = { place, samples: ready, baseDecodeTime: first.ticks, duration: readyTicks };
    lastRtp = ready[ready.length - 1]?.rtp ?? lastRtp;
    ready = [];
    readyTicks = 0;
    readyBytes = 0;
    emit(part);
  };

  const complete = (sample: Sample, duration: number): void => {
    const fits =
      readyTicks + duration <= limits.ticks &&
      readyBytes + sample.size <= limits.bytes &&
      ready.length < limits.samples;
    const contiguous = end === sample.ticks;
    // In place: a copy of each sample is a tenth of what the core allocates.
    sample.duration = duration;
    if (!fits || !contiguous) flushBefore(sample);
    ready.push(sample);
    readyTicks += duration;
    readyBytes += sample.size;
    end = sample.ticks + duration;
    lastDuration = duration;
    if (readyTicks >= limits.ticks || readyBytes >= limits.bytes) flush();
  };

  /** Flushes while `sample` still counts as in hand. */
  const flushBefore = (sample: Sample): void => {
    between = sample;
    flush();
    between = null;
  };
  let between: Sample | null = null;

  const finish = (untilTicks: number | null): void => {
    if (pending !== null) {
      const last = pending;
      pending = null;
      const until = untilTicks !== null && untilTicks > last.ticks ? untilTicks - last.ticks : null;
      complete(last, until ?? last.hint ?? lastDuration);
    }
    flush();
  };

  return {
    add: (sample, to) => {
      const before = pending;
      pending = sample;
      if (before !== null) complete(before, sample.ticks - before.ticks);
      if (place === null || to.segment !== place.segment) {
        flush();
        place = to;
      }
    },
    expire: (nowMs) => {
      const patienceMs = pending?.hint === null ? limits.stillMs : limits.waitMs;
      if (pending !== null && nowMs - pending.arrivalMs >= patienceMs) {
        const last = pending;
        pending = null;
        complete(last, last.hint ?? lastDuration);
      }
      const first = ready[0];
      if (first !== undefined && nowMs - first.arrivalMs >= limits.waitMs) flush();
    },
    flush,
    finish,
    end: () => (pending === null ? end : pending.ticks + 1),
    expected: () => (pending === null ? end : pending.ticks + (pending.hint ?? lastDuration)),
    inHand: () => {
      const held = between === null ? [...ready] : [...ready, between];
      if (pending !== null) held.push(pending);
      return held;
    },
    lastRtp: () => lastRtp,
  };
};
