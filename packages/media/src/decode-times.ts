/**
 * Decode times of pictures that come in the order of decoding with the times of their presentation: RTP tells no
 * others (RFC 6184 §5.1), and a sender with B-frames lets these go back. Pictures are decoded when they are shown, until
 * one goes back: it is decoded as soon behind the one before as may be, later than it is shown, which a signed
 * composition offset can say. From then on all are decoded that much earlier, so that soon none is shown too early.
 */
export type DecodeTimes = {
  /** The decode time in ticks of a picture shown at `shown`, not before `notBefore`. */
  next: (shown: number, notBefore: number) => number;
  /** What is known of the order, null while no picture went back. */
  known: () => PictureOrder | null;
};

/** How far ahead of being shown pictures are decoded, and the least distance between two that are shown; in ticks. */
export type PictureOrder = { ahead: number; distance: number };

/** Makes the decode times of a track, of which `start` is known already. */
export const decodeTimes = (start: PictureOrder | null = null): DecodeTimes => {
  let lastShown: number | null = null;
  let highest = Number.NEGATIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  let ahead = start?.ahead ?? 0;
  /** The least distance between two pictures since one went back, 0 before. */
  let distance = start?.distance ?? 0;

  const measure = (shown: number): void => {
    const step = lastShown === null ? 0 : Math.abs(shown - lastShown);
    if (distance > 0) distance = step === 0 ? distance : Math.min(distance, step);
    else if (shown < highest) distance = step;
    lastShown = shown;
    highest = Math.max(highest, shown);
  };

  return {
    next: (shown, notBefore) => {
      measure(shown);
      last = Math.max(shown - ahead, notBefore, last + Math.max(1, Math.floor(distance / 2)));
      if (distance > 0) ahead = Math.max(ahead, last - shown);
      return last;
    },
    known: () => (distance > 0 ? { ahead, distance } : null),
  };
};
