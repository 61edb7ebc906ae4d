import { createMetrics, type Metrics } from '@weir/runtime';
import type { Ledger } from '@weir/spool';
import type { Circuit } from './circuit.ts';
import type { RetryTable } from './retry-table.ts';
import type { RowReplication } from './row-replication.ts';

/** What the metrics are read from; absent while there is no ledger yet. */
export type UploaderState = {
  ledger: Pick<Ledger, 'backlog' | 'oldestWaitingMs' | 'refusedCount' | 'lastStamp' | 'cursor'>;
  circuit: Pick<Circuit, 'isOpen'>;
  retries: Pick<RetryTable, 'size' | 'forgotten'>;
  replication: Pick<RowReplication, 'counts'> | null;
};

/** The uploader's numbers and the two counters that its puts move. */
export type UploaderMetrics = {
  metrics: Metrics;
  /** A put ended: `stored`, `exists-same`, `exists-different`, or the cause of its failure. */
  putEnded(result: string): void;
  putBytes(bytes: number): void;
  /** The scrub read an object, or found that there is none. */
  scrubbed(bytes: number): void;
  scrubFault(what: 'missing' | 'damaged' | 'unreadable', remedy: 'put_again' | 'none'): void;
  /** The scrub could not read an object. */
  scrubFailed(): void;
};

// Counting takes 0.5 µs a segment, 0.1 s after a week's outage of ten streams: not at each question of everybody.
const COUNT_AGAIN_MS = 10_000;

const countedSeldom = (now: () => number) => {
  let counted = { segments: 0, bytes: 0 };
  let againMs = Number.NEGATIVE_INFINITY;
  return ({ ledger }: UploaderState) => {
    if (now() < againMs && now() >= againMs - COUNT_AGAIN_MS) return counted;
    againMs = now() + COUNT_AGAIN_MS;
    counted = ledger.backlog();
    return counted;
  };
};

/** Makes the metrics; `state` is asked when they are read. */
export const uploaderMetrics = (
  state: () => UploaderState | null,
  now: () => number,
  { processMetrics = true } = {},
): UploaderMetrics => {
  const metrics = createMetrics('uploader', { processMetrics });
  const puts = metrics.counter('uploader_puts_total', 'Puts by how they ended', ['result']);
  const bytes = metrics.counter('uploader_put_bytes_total', 'Bytes of the objects that were stored');
  const scrubbed = metrics.counter('uploader_scrubbed_objects_total', 'Stored objects that were read again');
  const scrubbedBytes = metrics.counter('uploader_scrubbed_bytes_total', 'Their bytes');
  const faults = metrics.counter(
    'uploader_scrub_faults_total',
    'Stored objects found missing, damaged or not to be read in five tries, by whether the spool still has them to be put again',
    ['what', 'remedy'],
  );
  const failedReads = metrics.counter('uploader_scrub_failed_reads_total', 'Times that one could not be read');
  const gauge = (name: string, help: string, read: (from: UploaderState) => number) =>
    metrics.gauge(`uploader_${name}`, help, [], (target) => {
      const from = state();
      if (from !== null) target.set(read(from));
    });
  const count = (name: string, help: string, read: (from: UploaderState) => number) =>
    metrics.counted(`uploader_${name}_total`, help, () => {
      const from = state();
      return from === null ? 0 : read(from);
    });
  const backlog = countedSeldom(now);
  gauge('backlog_segments', 'Segments that wait', (from) => backlog(from).segments);
  gauge('backlog_bytes', 'Their bytes', (from) => backlog(from).bytes);
  gauge('oldest_unsent_seconds', 'Age of the oldest segment that waits', ({ ledger }) => {
    const startMs = ledger.oldestWaitingMs();
    return startMs === null ? 0 : Math.max(0, now() - startMs) / 1000;
  });
  gauge(
    'refused_segments',
    'Segments of the spool that never will be stored: see weir spool refused',
    (from) => from.ledger.refusedCount().segments,
  );
  gauge('refused_inits', 'Init files likewise', (from) => from.ledger.refusedCount().inits);
  // Stamps are microseconds, but for a clock that was set back.
  gauge('cursor_lag_seconds', 'Stamp of the newest row less the cursor that the index told', ({ ledger }) => {
    const cursor = ledger.cursor()?.cursor ?? 0;
    return cursor === 0 ? 0 : Math.max(0, ledger.lastStamp() - cursor) / 1e6;
  });
  gauge('circuit_open', '1 while storage does not answer', ({ circuit }) => (circuit.isOpen ? 1 : 0));
  gauge('retries_waiting', 'Objects that wait for another try', ({ retries }) => retries.size);
  count('retries_forgotten', 'Waits cut short by the bound', ({ retries }) => retries.forgotten);
  count('rows_published', 'Ledger rows that the broker took', ({ replication }) => replication?.counts.rows ?? 0);
  count('rows_repeats', 'Times rows were sent again', ({ replication }) => replication?.counts.repeats ?? 0);
  count('acks', 'Acknowledgements of an index', ({ replication }) => replication?.counts.acks ?? 0);
  count('acks_ignored', 'Acknowledgements of rows we never had', (s) => s.replication?.counts.ignoredAcks ?? 0);
  return {
    metrics,
    putEnded: (result) => puts.inc({ result }),
    putBytes: (size) => bytes.inc(size),
    scrubbed: (size) => {
      scrubbed.inc();
      scrubbedBytes.inc(size);
    },
    scrubFault: (what, remedy) => faults.inc({ what, remedy }),
    scrubFailed: () => failedReads.inc(),
  };
};
