import { encodeEvent, encodeTopic } from '@weir/contracts';
import type { Bus, Log } from '@weir/runtime';
import type { ScrubFault } from './scrub.ts';
import type { UploaderMetrics } from './uploader-metrics.ts';

/** What telling of faults needs. */
export type ScrubReportDeps = {
  bus: Pick<Bus, 'publish'> | null;
  metrics: Pick<UploaderMetrics, 'scrubFault'>;
  prefix: string;
  alias: string;
  spool: string;
  log: Log;
  now: () => number;
};

// A bucket that lost everything is one message, not a million.
const MAX_TOLD = 100;
const AGAIN_MS = 3_600_000;

const wordsOf = (what: ScrubFault['what'], remedy: ScrubFault['remedy']): string => {
  if (what === 'unreadable') return 'a stored object cannot be read; the next pass tries it again';
  return remedy === 'put_again'
    ? 'a stored object is missing or damaged; it is put again'
    : 'a stored object is missing or damaged, and the spool cannot put it again';
};

/** Tells of each fault: all in the metrics, a hundred an hour in the log and on the bus. */
export const scrubReport = (deps: ScrubReportDeps): ((fault: ScrubFault) => void) => {
  const { bus, metrics, prefix, alias, spool, log, now } = deps;
  let told = 0;
  let sinceMs = Number.NEGATIVE_INFINITY;
  return ({ recordingId, recordDir, stream, key, what, remedy, expected, got }) => {
    metrics.scrubFault(what, remedy);
    if (Math.abs(now() - sinceMs) >= AGAIN_MS) {
      sinceMs = now();
      told = 0;
    }
    told += 1;
    if (told > MAX_TOLD) return;
    const words = wordsOf(what, remedy);
    log.error({ key, what, expected, got, ...(told === MAX_TOLD ? { more: 'in the metrics alone' } : {}) }, words);
    const event = encodeEvent({
      id: `${spool}-scrub-${Math.floor(now())}-${told}`,
      source: `/node/${alias}`,
      type: 'weir.object.fault',
      time: new Date(now()).toISOString(),
      data: {
        stream,
        recording_id: recordingId,
        record_dir: recordDir,
        key,
        what,
        remedy,
        expected_sha256: expected,
        got_sha256: got,
      },
    });
    void bus?.publish(encodeTopic(prefix, { kind: 'event', alias, type: 'weir.object.fault' }), event);
  };
};
