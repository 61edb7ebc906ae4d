/**
 * The uploader: moves segments from the spool to the bucket, and tells the index what the ledger says. It works from
 * the ledger alone, so it may be killed at any instant; neither broker nor index is needed for it to put.
 */
import { join } from 'node:path';
import { splitListen } from '@weir/contracts';
import {
  type Bus,
  brokerAccess,
  type Check,
  type Clock,
  connectBus,
  isAbort,
  nodeAlias,
  openHttp,
  type Scope,
  type ServiceStart,
  Stop,
  systemClock,
} from '@weir/runtime';
import { type InstanceName, takeInstanceName } from './instance-name.ts';
import { openOwnStorage } from './own-storage.ts';
import { presignedStorage } from './presigned-storage.ts';
import { awaitLedger, ledgerIfThere } from './spool-opening.ts';
import { workOnSpool } from './spool-work.ts';
import type { Target } from './target.ts';
import { type UploaderState, uploaderMetrics } from './uploader-metrics.ts';

/** What an uploader is made of; whatever it opens goes on the scope. */
export type UploaderDeps = ServiceStart & {
  scope: Scope;
  signal: AbortSignal;
  /** Told of a failure after the start that the uploader cannot live with; default: the process ends by it. */
  failed?: (error: unknown) => void;
  clock?: Clock;
  /** Milliseconds that never step: what waits are measured by. */
  monotonicMs?: () => number;
  random?: () => number;
  /** Time of one put by its bytes, in milliseconds. */
  putTimeoutMs?: (bytes: number) => number;
  /** Time for an acknowledgement before rows are sent again. */
  ackTimeoutMs?: number;
};

/** An uploader that runs: the port of its health and metrics. */
export type Uploader = { port: number };

// A recording's first segment is to be in the bucket soon, however seldom the configuration has us look.
const MAX_PERIOD_MS = 500;

type Parts = UploaderDeps & Required<Pick<UploaderDeps, 'clock' | 'monotonicMs' | 'random'>>;

const openTarget = async ({ config, secrets, scope, signal, log, clock, random }: Parts): Promise<Target> => {
  const { storage, upload } = config.recorder;
  const { now } = clock;
  if (upload.queue_path !== undefined)
    log.info({ queue_path: upload.queue_path }, 'queue_path is not used: the queue is the ledger in the spool');
  if (!upload.enabled) {
    return openOwnStorage({ storage, spoolDir: upload.local_dir, scope, log, now, random });
  }
  const token = upload.liveman_token ?? secrets.apiToken;
  const ttlSeconds = upload.presign_ttl_seconds;
  const onUnsupported = (header: string) =>
    log.warn({ header }, 'the bucket does not take this header; puts go on without');
  return presignedStorage({ gatewayUrl: upload.liveman_url, token, ttlSeconds, now, signal, onUnsupported });
};

const openBus = async (deps: Parts, instance: string): Promise<Bus | null> => {
  const { config, scope, signal, log } = deps;
  const access = brokerAccess(deps, 'uploader');
  if (access === null) {
    log.warn('no broker in [net4mqtt]: the index learns of rows only when it asks the node');
    return null;
  }
  const clientId = `uploader-${nodeAlias(config)}-${instance}`;
  return scope.use(await connectBus({ ...access, clientId, log, signal }), 'bus');
};

const checksOf = (dir: string, state: () => UploaderState | null): Record<string, Check> => ({
  spool: async () => (state() === null ? { reason: `${dir} has no ledger yet: its recorder makes it` } : 'ok'),
  storage: async () => (state()?.circuit.isOpen === true ? { reason: 'storage does not answer' } : 'ok'),
});

const scrubOf = ({ data_dir, uploader }: ServiceStart['config'], { isFirst }: InstanceName) => {
  const { scrub_days: days, scrub_bytes_per_second: bytesPerSecond } = uploader;
  // One process of a site reads everything again.
  return days === 0 || !isFirst ? null : { days, bytesPerSecond, progressPath: join(data_dir, 'uploader-scrub.json') };
};

const endProcess = (error: unknown): void => {
  setImmediate(() => {
    throw error;
  });
};

/** Runs `work` in the background until it ends or the scope closes, which waits for it. */
const inBackground = (scope: Scope, failed: (error: unknown) => void, work: (signal: AbortSignal) => Promise<void>) => {
  const closing = new AbortController();
  const running = work(closing.signal).catch((error: unknown) => {
    if (!isAbort(error)) failed(error);
  });
  scope.defer(() => {
    closing.abort(new Stop('term'));
    return running;
  }, 'uploads');
};

/**
 * Opens the uploader: storage is asked first, and what only an operator can mend is one line. A spool whose recorder
 * has not started yet is waited for.
 */
export const openUploader = async (deps: UploaderDeps): Promise<Uploader> => {
  const { config, scope, log, signal, clock = systemClock, random = Math.random, failed = endProcess } = deps;
  const { monotonicMs = () => performance.now() } = deps;
  const parts: Parts = { ...deps, clock, monotonicMs, random };
  const {
    local_dir: dir,
    concurrency: places,
    interval_ms: intervalMs,
    max_bitrate_bps: maxBitrateBps,
  } = config.recorder.upload;
  const instance = scope.use(await takeInstanceName(config.data_dir), 'name');
  const target = await openTarget(parts);
  const bus = await openBus(parts, instance.name);
  let state: UploaderState | null = null;
  const metrics = uploaderMetrics(() => state, clock.now);
  const checks = checksOf(dir, () => state);
  const listen = splitListen(config.uploader.listen);
  const http = scope.use(openHttp({ name: 'uploader', listen, log, metrics: metrics.metrics, checks }), 'http');
  const { port } = await http.listen();
  const there = ledgerIfThere(dir, clock.now);
  inBackground(scope, failed, async (closing) => {
    const ends = AbortSignal.any([signal, closing]);
    using ledger = there ?? (await awaitLedger(dir, clock, log, ends));
    const names = {
      holder: `uploader-${instance.name}`,
      prefix: config.net4mqtt.topic_prefix,
      alias: nodeAlias(config),
    };
    const opened = (next: UploaderState) => {
      state = next;
    };
    const periodMs = Math.min(intervalMs, MAX_PERIOD_MS);
    try {
      const scrub = scrubOf(config, instance);
      const work = { ...parts, ...names, ledger, target, bus, metrics, places, maxBitrateBps, periodMs, scrub, opened };
      await workOnSpool({ ...work, signal: ends });
    } finally {
      state = null;
    }
  });
  return { port };
};
