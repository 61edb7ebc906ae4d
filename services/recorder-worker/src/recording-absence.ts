import type { RecordingOutput } from '@weir/media';
import type { NewGap, Spool } from '@weir/spool';

/** Why the media were not taken for a while, and where the gap begins that was written for it (null: none was). */
export type Absence = { cause: 'recorder_restart' | 'disk_full' | 'disk_error'; gapFromMs: number | null };

/** Settles the gap of an absence when the media go on: it gets its end, or is withdrawn. */
export type AbsenceGap = {
  /** The gap to write where the core tells of one. */
  gapOf(output: Extract<RecordingOutput, { kind: 'gap' }>): NewGap;
  /** Media follow: without a gap before them the ring had all that was missed. */
  mediaCame(): void;
};

/** Makes the settling of one session's absence. */
export const absenceGap = (
  spool: Pick<Spool, 'withdrawGap'>,
  recordingId: string,
  absence: Absence | null,
): AbsenceGap => {
  let standingMs = absence?.gapFromMs ?? null;
  return {
    gapOf: ({ cause, fromMs, toMs }) => {
      const begunMs = standingMs;
      standingMs = null;
      if (absence === null || cause !== 'ring_overflow') return { cause, from_ms: fromMs, to_ms: toMs };
      return { cause: absence.cause, from_ms: begunMs ?? fromMs, to_ms: toMs };
    },
    mediaCame: () => {
      if (standingMs !== null) spool.withdrawGap(recordingId, standingMs);
      standingMs = null;
    },
  };
};
