import type { RecorderMessage } from '@weir/contracts';
import type { Log } from '@weir/runtime';
import { type Evicted, type EvictionScope, evictionOrder, type Spool } from '@weir/spool';
import type { RecorderCounts } from './recorder-metrics.ts';

/** Makes room on the spool's disk by the full-disk policy. */
export type DiskRoom = {
  /** Evicts segments until about so many bytes went or nothing more may go; tells how many went. */
  make(bytes: number): number;
};

/** What it needs; `scope` is how far it may go. */
export type DiskRoomDeps = {
  spool: Pick<Spool, 'evictOldest'>;
  scope: EvictionScope;
  counts: RecorderCounts;
  tell(message: RecorderMessage): void;
  monotonicMs(): number;
  log: Log;
};

// Each is three transactions and a deletion, while no media is taken in. A slow disk has the rest go at the next look.
const MOST_MS = 500;

/** Opens the making of room. Every call says in one line what it did. */
export const diskRoom = ({ spool, scope, counts, tell, monotonicMs, log }: DiskRoomDeps): DiskRoom => {
  const note = ({ stream, recordingId, recordDir, startMs, durationMs, bytes, gap: cause }: Evicted): void => {
    counts.evictions += 1;
    counts.evictedBytes += bytes;
    if (cause === null) return;
    counts.evictionsLost += 1;
    counts.gaps += 1;
    const gap = { cause, from_ms: startMs, to_ms: startMs + durationMs } as const;
    tell({ kind: 'gap', stream, recording_id: recordingId, record_dir: recordDir, ...gap });
  };
  /** Evicts as much of one kind as is wanted, there is, and time allows. */
  const evictKind = (kind: EvictionScope, bytes: number, untilMs: number, evicted: Evicted[]): void => {
    for (let short = bytes; short > 0 && monotonicMs() < untilMs; ) {
      const one = spool.evictOldest(kind);
      if (one === null) return;
      note(one);
      evicted.push(one);
      short -= one.bytes;
    }
  };
  return {
    make: (bytes) => {
      const evicted: Evicted[] = [];
      const untilMs = monotonicMs() + MOST_MS;
      const freed = () => evicted.reduce((sum, one) => sum + one.bytes, 0);
      try {
        for (const kind of evictionOrder(scope)) evictKind(kind, bytes - freed(), untilMs, evicted);
      } catch (err) {
        counts.diskErrors += 1;
        log.error({ err }, 'no room could be made on the disk');
      }
      if (evicted.length > 0) {
        const lost = evicted.filter(({ gap }) => gap !== null).length;
        log[lost > 0 ? 'error' : 'warn']({ segments: evicted.length, bytes: freed(), lost }, 'evicted to make room');
      }
      return freed();
    },
  };
};
