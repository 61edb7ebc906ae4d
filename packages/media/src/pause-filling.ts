import type { AccessUnit } from './access-unit.ts';
import type { Lane } from './lane.ts';

/**
 * Pauses in a track of sound: Opus sends a packet each 400 ms while nobody speaks (DTX, RFC 7587 §3.1.3), and lost
 * packets leave holes. A player neither likes a hole nor waits at a sample that is longer than its sound: it plays on
 * and is ahead of the picture by the pause. So a short pause is filled with packets of silence. A long one, of a track
 * that is muted or gone, stays a hole.
 */

const longestFilledMs = 1000;

/** The units of silence between what is written and a unit at `ticks`, with their times; none where there is no pause. */
export const silenceBefore = (lane: Lane, unit: AccessUnit, ticks: number): { unit: AccessUnit; ticks: number }[] => {
  const { codec, writer, files } = lane;
  const expected = writer.expected();
  const pauseMs = ((ticks - expected) * 1000) / codec.clockRate;
  if (lane.segment === 0 || files.configuration === null || pauseMs > longestFilledMs) return [];
  const silence = codec.silence?.(files.configuration) ?? null;
  if (silence === null) return [];
  const { bytes, duration } = silence;
  // What is left of less than one packet makes the last one longer.
  return Array.from({ length: Math.max(0, Math.floor((ticks - expected) / duration)) }, (_, index) => {
    const at = expected + index * duration;
    const timestamp = (unit.timestamp - (ticks - at)) >>> 0;
    const filling = { ...unit, timestamp, pieces: [bytes], size: bytes.length, duration, configuration: null };
    return { unit: { ...filling, lossBefore: false }, ticks: at };
  });
};
