import { type RecordingOutput, stepMs } from '@weir/media';
import type { NewGap, Spool } from '@weir/spool';

/** Why the media were not taken for a while, and where the gap begins that was written for it (null: none was). */
export type Absence = { cause: 'recorder_restart' | 'disk_full' | 'disk_error'; gapFromMs: number | null };

/** Settles the gap of an absence when the media go on: it gets its end, or is withdrawn. */
export type AbsenceGap = {
  /** The gap to write where the core tells of one; what has another cause would be there without the absence. */
  gapOf(output: Extract<RecordingOutput, { kind: 'gap' }>): NewGap;
  /** Media follow: without a gap before them the ring had all that was missed. */
  mediaCame(): void;
};

/** Makes the settling of one session's absence; `settled` is told once, when it is over. */
export const absenceGap = (
  spool: Pick<Spool, 'withdrawGap'>,
  recordingId: string,
  absence: Absence | null,
  settled: () => void,
): AbsenceGap => {
  let standing = absence;
  const settle = (): Absence | null => {
    const was = standing;
    standing = null;
    if (was !== null) settled();
    return was;
  };
  const withdraw = (was: Absence | null): void => {
    const gapFromMs = was?.gapFromMs ?? null;
    if (gapFromMs !== null) spool.withdrawGap(recordingId, gapFromMs);
  };
  return {
    gapOf: ({ cause, fromMs, toMs }) => {
      const was = settle();
      const isOfAbsence = was !== null && cause === 'ring_overflow';
      const gap = { cause: isOfAbsence ? was.cause : cause, from_ms: fromMs, to_ms: toMs };
      const noted = was?.gapFromMs ?? null;
      // What was noted is by the clock as it was set then: a gap has both its ends by one.
      if (isOfAbsence && noted !== null && Math.abs(noted - fromMs) < stepMs) return { ...gap, from_ms: noted };
      withdraw(was);
      return gap;
    },
    mediaCame: () => withdraw(settle()),
  };
};
