import type { Log } from '@weir/runtime';
import type { Evicted, Spool } from '@weir/spool';
import type { RecorderCounts } from './recorder-metrics.ts';

/** Lets media go that have been kept at the site long enough. */
export type LocalRetention = {
  /** Looks now; tells how many segments went. */
  look(): number;
};

/** How long and how much is kept, of what the index has; all else stays, whatever its age. */
export type LocalRetentionDeps = {
  spool: Pick<Spool, 'expireOldest' | 'presentBytes'>;
  keepMs: number;
  /** Most bytes of media; null: no bound. */
  keepBytes: number | null;
  counts: Pick<RecorderCounts, 'expirations' | 'expiredBytes' | 'diskErrors'>;
  now(): number;
  monotonicMs(): number;
  log: Log;
};

// Each is three transactions and a deletion, while no media is taken in: what is left goes at the next look.
const MOST_MS = 200;

/** Opens retention at the site. */
export const localRetention = (deps: LocalRetentionDeps): LocalRetention => {
  const { spool, keepMs, keepBytes, counts, now, monotonicMs, log } = deps;
  const next = (): Evicted | null => {
    const old = spool.expireOldest(now() - keepMs);
    if (old !== null || keepBytes === null || spool.presentBytes() <= keepBytes) return old;
    return spool.expireOldest(Number.MAX_SAFE_INTEGER);
  };
  return {
    look: () => {
      const untilMs = monotonicMs() + MOST_MS;
      let segments = 0;
      let bytes = 0;
      try {
        for (let one = next(); one !== null; one = monotonicMs() < untilMs ? next() : null) {
          segments += 1;
          bytes += one.bytes;
        }
      } catch (err) {
        counts.diskErrors += 1;
        log.error({ err }, 'retention could not delete what it may');
      }
      counts.expirations += segments;
      counts.expiredBytes += bytes;
      if (segments > 0) log.debug({ segments, bytes }, 'deleted by retention');
      return segments;
    },
  };
};
