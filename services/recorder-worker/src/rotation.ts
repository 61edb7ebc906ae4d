import type { PartOutput, SegmentClosedOutput } from '@weir/media';
import { placeOf, type RingPlace } from './ring-place.ts';

/**
 * When a recording is rotated, and what must stay in the ring for the next one.
 *
 * It is rotated at the end of the first segment that makes it as old as it may become, if what follows can begin a
 * recording: at a key frame, or with sound alone. What the old recording has written behind that boundary by then is
 * thrown away and comes again, from the ring, into the new one: so from the first part of a segment that begins at that
 * age the node is told of nothing durable behind the segment's beginning.
 */
export type Rotation = {
  part(part: PartOutput): void;
  /** A segment ended `ageMs` after the recording's start; where the next recording begins, or null to go on. */
  closed(segment: Pick<SegmentClosedOutput, 'segment' | 'resume' | 'opensAnew'>, ageMs: number): RingPlace | null;
  /** What is told to be durable at most; null: all that is. */
  holdFrom(): number | null;
};

/** What a restart found of a recording: the highest number of a segment, and where the ring has what follows. */
type Found = { segment: number; place: RingPlace | null };

/** Makes the rotation of one recording; `maxMs` 0 is never, `startMs` tells when its first frame came (wall). */
export const rotation = (
  maxMs: number,
  startMs: () => number,
  found: Found = { segment: 0, place: null },
): Rotation => {
  let newest = found.segment;
  let last = found.place;
  let hold: number | null = null;
  return {
    part: ({ track, segment, resume }) => {
      const wallMs = resume.find((point) => point.track === track)?.clock?.wallMs ?? 0;
      const isDue = maxMs > 0 && wallMs - startMs() >= maxMs;
      if (segment > newest) {
        newest = segment;
        hold = isDue ? (last?.ordinal ?? null) : null;
      }
      last = placeOf(resume);
    },
    closed: ({ segment, resume, opensAnew }, ageMs) => {
      // What a restart found behind a boundary was told to be durable: it stays in this recording.
      const isHeld = segment >= found.segment;
      const place = maxMs > 0 && ageMs >= maxMs && opensAnew && isHeld ? placeOf(resume) : null;
      // The point of a track that was late is old; the ring need not have it any more.
      return place === null ? null : { ...place, ordinal: Math.max(place.ordinal, hold ?? 0) };
    },
    holdFrom: () => hold,
  };
};
