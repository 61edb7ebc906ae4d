import type { Publication as WirePublication } from '@weir/contracts';
import { type Publication, pointsOfNewest, type ResumePoint } from '@weir/media';

/** A place in a ring to begin at. */
export type RingPlace = { epoch: string; ordinal: number };

/** Where the ring has what these points do not hold yet: the lowest ordinal of the newest publication; null without points. */
export const placeOf = (points: readonly ResumePoint[]): RingPlace | null => {
  const [first, ...others] = pointsOfNewest(points);
  if (first === undefined) return null;
  return { epoch: first.epoch, ordinal: Math.min(first.ordinal, ...others.map(({ ordinal }) => ordinal)) };
};

/** The lowest ordinal that is not durable, of whatever publication; 0 while nothing is. */
export const durableOrdinal = (points: readonly ResumePoint[]): number =>
  points.length === 0 ? 0 : Math.min(...points.map(({ ordinal }) => ordinal));

/** A publication as the core takes it: codec names in upper case. */
export const corePublication = ({ epoch, ordinal, startedAtMs, tracks }: WirePublication): Publication => ({
  epoch,
  ordinal,
  startedAtMs,
  tracks: tracks.map(({ channels, fmtp, codec, ...track }) => ({
    ...track,
    codec: codec.toUpperCase(),
    ...(channels === undefined ? {} : { channels }),
    ...(fmtp === undefined ? {} : { fmtp }),
  })),
});
