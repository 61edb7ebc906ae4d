import type { Bus, Clock, Log } from '@weir/runtime';
import type { Ledger } from '@weir/spool';
import { type Circuit, openCircuit } from './circuit.ts';
import { documentUploads } from './document-uploads.ts';
import { ledgerBatch } from './ledger-batch.ts';
import { fileMemory } from './local-file.ts';
import { mediaUploads } from './media-uploads.ts';
import { objectSender } from './object-sender.ts';
import { openPulse } from './pulse.ts';
import { LEASE_MS, putLane } from './put-lane.ts';
import { type RetryTable, retryTable } from './retry-table.ts';
import { openRowReplication, type RowReplication } from './row-replication.ts';
import { scrubForever } from './scrub.ts';
import { openScrubProgress } from './scrub-progress.ts';
import { scrubReport } from './scrub-report.ts';
import type { Target } from './target.ts';
import { uploadBudget } from './upload-budget.ts';
import type { UploaderMetrics, UploaderState } from './uploader-metrics.ts';

/** What working on one spool needs. */
export type SpoolWorkDeps = {
  ledger: Ledger;
  target: Target;
  bus: Bus | null;
  metrics: UploaderMetrics;
  /** Under which leases are held: this process's alone, and its successor's. */
  holder: string;
  prefix: string;
  alias: string;
  /** Objects put at the same time. */
  places: number;
  /** Most bits a second that the puts take; 0: no bound. */
  maxBitrateBps: number;
  /** How often the ledger is looked at. */
  periodMs: number;
  log: Log;
  /** Wall time, which steps on a site. */
  clock: Clock;
  /** Milliseconds that never step: what waits are measured by. */
  monotonicMs: () => number;
  random: () => number;
  signal: AbortSignal;
  putTimeoutMs?: (bytes: number) => number;
  ackTimeoutMs?: number;
  /** How everything stored is read again, and the file that says where that stands; null: not at all. */
  scrub: { days: number; bytesPerSecond: number; progressPath: string } | null;
  /** Told once everything is open. */
  opened: (state: UploaderState) => void;
};

const RENEW_MS = 4_000;

const circuitOf = ({ log, monotonicMs, random }: SpoolWorkDeps, retries: RetryTable): Circuit =>
  openCircuit({ monotonicMs, random }, (isOpen) => {
    if (isOpen) {
      log.error('storage does not answer; the spool keeps everything, one probe at a time');
      return;
    }
    log.info('storage answers again');
    retries.forgive();
  });

const openPuts = (deps: SpoolWorkDeps, retries: RetryTable, circuit: Circuit, freed: () => void) => {
  const { ledger, target, metrics, holder, places, log, clock, signal } = deps;
  const counted = metrics.putEnded;
  const budget = uploadBudget(deps.maxBitrateBps, deps.monotonicMs);
  const shared = { ledger, holder, retries, circuit, budget, log, now: clock.now, signal, counted, freed };
  const answered = (result: string, bytes: number) => {
    metrics.putEnded(result);
    if (result !== 'exists-different') metrics.putBytes(bytes);
  };
  const send = objectSender(target, { begun: budget.spend, answered }, deps.putTimeoutMs);
  // Documents have places of their own: a backlog of segments must not keep the newest from being seen.
  const lanes = [putLane(places, shared), putLane(places, shared)] as const;
  const { monotonicMs } = deps;
  const lookForMedia = mediaUploads(
    { ledger, batch: ledgerBatch(ledger), lane: lanes[0], memory: fileMemory(places), send, log, monotonicMs },
    freed,
  );
  const lookForDocuments = documentUploads({ ledger, lane: lanes[1], send, monotonicMs });
  return {
    look: () => {
      lookForMedia();
      lookForDocuments();
    },
    idle: async () => {
      for (const lane of lanes) await lane.idle();
    },
  };
};

const openRows = async (deps: SpoolWorkDeps): Promise<RowReplication | null> => {
  const { ledger, bus, prefix, alias, log, clock, monotonicMs, random, ackTimeoutMs } = deps;
  if (bus === null) return null;
  const patience = ackTimeoutMs === undefined ? {} : { ackTimeoutMs };
  return openRowReplication({
    ...{ ledger, bus, prefix, alias, log, monotonicMs, random },
    now: clock.now,
    ...patience,
  });
};

/** Reads again what is stored, until the signal aborts; a failure ends the scrub alone. */
const startScrub = async (deps: SpoolWorkDeps, circuit: Circuit): Promise<void> => {
  const { ledger, scrub, metrics, clock, log, signal } = deps;
  if (scrub === null) return;
  const progress = openScrubProgress(scrub.progressPath, ledger.spoolId, clock.now(), log);
  const found = scrubReport({ ...deps, spool: ledger.spoolId, now: clock.now });
  try {
    await scrubForever({
      ...deps,
      ...scrub,
      progress,
      found,
      read: metrics.scrubbed,
      failed: metrics.scrubFailed,
      isResting: () => circuit.isOpen,
    });
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, 'the scrub ended; it begins again with the uploader');
  }
};

/** Keeps the leases of this process while it lives; a clock that was set is made good by the next renewal. */
const renewLeases = ({ ledger, holder, clock, log }: SpoolWorkDeps): Disposable => {
  const renew = () => {
    try {
      ledger.renewAll(holder, clock.now() + LEASE_MS);
    } catch (error) {
      log.error({ err: error }, 'leases were not renewed; another uploader may take them');
    }
  };
  const timer = setInterval(renew, RENEW_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
};

/** Puts and replicates what the ledger has until the signal aborts; resolves when nothing is under way any more. */
export const workOnSpool = async (deps: SpoolWorkDeps): Promise<void> => {
  const { ledger, log, signal } = deps;
  const retries = retryTable(deps);
  const circuit = circuitOf(deps, retries);
  // What the process of this name had when it was killed.
  ledger.releaseAll(deps.holder);
  using replication = await openRows(deps);
  const puts = openPuts(deps, retries, circuit, () => pulse.wake());
  const look = () => {
    puts.look();
    replication?.look();
  };
  const failed = (error: unknown) => log.error({ err: error }, 'the ledger could not be read');
  using _renewing = renewLeases(deps);
  const pulse = openPulse(look, deps.periodMs, signal, failed);
  deps.opened({ ledger, circuit, retries, replication });
  log.info({ spool: ledger.spoolId, dir: ledger.dir }, 'uploading');
  const scrubbing = startScrub(deps, circuit);
  await pulse.ended;
  await scrubbing;
  await puts.idle();
};
