import type { UploadWork, WaitingSegment } from '@weir/spool';

/** The newest segment of each recording that grew since the start, and of each that ran then, as long as it waits. */
export type LiveSegments = {
  /** Reads what was added to the ledger. */
  follow(): void;
  /** Newest first. */
  all(): WaitingSegment[];
  /** It waits no more. */
  done(segment: WaitingSegment): void;
};

const PAGE = 256;
const MAX_RECORDINGS = 4096;

/** Follows the ledger's end; each segment is read once. Beyond the bound the oldest is left to the backlog. */
export const liveSegments = (
  ledger: Pick<UploadWork, 'lastSegment' | 'liveSegments' | 'segmentsAfter'>,
): LiveSegments => {
  const newest = new Map<string, WaitingSegment>();
  let position: number | null = null;
  const note = (segment: WaitingSegment) => {
    // Last in the map is what came last.
    newest.delete(segment.recordingId);
    newest.set(segment.recordingId, segment);
    const [oldest] = newest.keys();
    if (newest.size > MAX_RECORDINGS && oldest !== undefined) newest.delete(oldest);
    position = Math.max(position ?? 0, segment.seq);
  };
  return {
    follow: () => {
      if (position === null) {
        // What is there already is backlog, but for the newest of what is running.
        position = ledger.lastSegment();
        for (const segment of ledger.liveSegments(MAX_RECORDINGS)) note(segment);
      }
      for (const segment of ledger.segmentsAfter(position, PAGE)) note(segment);
    },
    all: () => [...newest.values()].reverse(),
    done: (segment) => {
      if (newest.get(segment.recordingId)?.number === segment.number) newest.delete(segment.recordingId);
    },
  };
};
