import { randomUUID } from 'node:crypto';
import {
  type AttachedSpool,
  type NodeCommand,
  type RecorderMessage,
  splitListen,
  type WeirConfig,
} from '@weir/contracts';
import {
  createMetrics,
  fileError,
  type Log,
  nodeAlias,
  openHttp,
  retry,
  type Scope,
  type Secrets,
  stopKind,
  systemCode,
  WeirError,
} from '@weir/runtime';
import { isSpoolError, openSpool, recordingManifest, type Spool } from '@weir/spool';
import { openControlConnection } from './control-connection.ts';
import { diskForecast } from './disk-forecast.ts';
import { diskRoom } from './disk-room.ts';
import { type FreeBytes, freeBytesOf, watchDiskSpace } from './disk-space.ts';
import { answerLedgerRequest } from './ledger-requests.ts';
import { localRetention } from './local-retention.ts';
import { manifestFile } from './manifest-file.ts';
import { repairManifests } from './manifest-repair.ts';
import { createPartMemory } from './part-memory.ts';
import { recorderCounts, registerRecorderMetrics } from './recorder-metrics.ts';
import type { RecordingSettings } from './recording-deps.ts';
import { openRecordings } from './recordings.ts';
import { type Disk, systemDisk } from './segment-file.ts';

/** What a recorder is opened with; disk and free space are seams for tests. */
export type RecorderOptions = {
  config: WeirConfig;
  secrets: Pick<Secrets, 'tapToken'>;
  scope: Scope;
  signal: AbortSignal;
  log: Log;
  disk?: Disk;
  freeBytes?: FreeBytes;
  /** Overrides what the configuration says. */
  settings?: Partial<RecordingSettings>;
};

/** Where a recorder listens, and its spool. */
export type Recorder = { port: number; spool: string };

const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
const DISK_RETRY_MS = 1_000;
const HOUSEKEEPING_MS = 10_000;
const STAND_BY_MS = 1_000;
const LOG_LEVELS = { ok: 'info', low: 'warn', full: 'error' } as const;

/** Opens the spool; while another recorder process has it, this one stands by. */
const takeSpool = async (dir: string, signal: AbortSignal, log: Log): Promise<Spool> => {
  let said = false;
  const open = async () => {
    try {
      return openSpool(dir);
    } catch (error) {
      if (isSpoolError(error, 'ledger_damaged') || isSpoolError(error, 'ledger_newer')) {
        throw new WeirError('ledger_damaged', error.message, { cause: error });
      }
      if (isSpoolError(error) || systemCode(error) === undefined) throw error;
      throw fileError(error, dir);
    }
  };
  return retry(open, signal, {
    baseMs: STAND_BY_MS,
    capMs: STAND_BY_MS,
    retryable: (error) => isSpoolError(error, 'spool_held'),
    onRetry: (error) => {
      if (!said) log.warn({ err: error }, 'standing by: the spool is held by another recorder process');
      said = true;
    },
  });
};

const settingsOf = ({ recorder }: WeirConfig): RecordingSettings => ({
  segmentMs: recorder.segment_seconds * 1000,
  reconnectMs: recorder.reconnect_seconds * 1000,
  maxRecordingMs: recorder.max_recording_seconds * 1000,
  maxQueuedBytes: MAX_QUEUED_BYTES,
  diskRetryMs: DISK_RETRY_MS,
});

/** Opens health, readiness and metrics; ready once `checks` say so. */
const openHealth = async ({ config, scope, log }: RecorderOptions) => {
  const metrics = createMetrics('recorder-worker');
  const listen = splitListen(config.recorder.listen);
  const http = scope.use(openHttp({ name: 'recorder-worker', listen, log, metrics }), 'http');
  const { port } = await http.listen();
  return { http, metrics, port };
};

/** Opens the recorder: health, spool, recordings, and the control connection to the node. */
export const openRecorder = async (options: RecorderOptions): Promise<Recorder> => {
  const { config, secrets, scope, signal, log, disk = systemDisk, freeBytes = freeBytesOf } = options;
  const address = config.tap.connect ?? config.tap.listen;
  const processId = randomUUID();
  const counts = recorderCounts();
  const { http, metrics, port } = await openHealth(options);
  const dir = config.recorder.upload.local_dir;
  let hasSpool = false;
  http.addCheck('spool', async () => (hasSpool ? 'ok' : { reason: 'another recorder process holds the spool' }));
  const spool = scope.use(await takeSpool(dir, signal, log), 'spool');
  hasSpool = true;

  spool.finishEviction();
  const tell = (message: RecorderMessage) => control.tell(message);
  const monotonicMs = () => performance.now();
  const room = diskRoom({ spool, scope: config.recorder.evict, counts, tell, monotonicMs, log });
  const space = scope.use(
    await watchDiskSpace({
      dir,
      reserveBytes: config.recorder.reserve_bytes,
      freeBytes,
      changed: (level, free) => {
        log[LOG_LEVELS[level]]({ level, freeBytes: free }, 'spool level');
        control.tell({ kind: 'spool', spool: attached() });
        if (level === 'full') recordings.pause();
      },
      makeRoom: room.make,
    }),
  );
  const forecast = diskForecast(config.recorder.reserve_bytes);
  const { local_retention_seconds: keepSeconds, local_retention_bytes: keepBytes = null } = config.recorder;
  const bounds = { keepMs: keepSeconds * 1000, keepBytes };
  const retention = localRetention({ ...bounds, spool, counts, now: Date.now, monotonicMs, log });
  const keepHouse = () => {
    forecast.note(space.freeBytes(), monotonicMs());
    retention.look();
  };
  keepHouse();
  const housekeeping = setInterval(keepHouse, HOUSEKEEPING_MS).unref();
  scope.defer(() => clearInterval(housekeeping), 'retention');
  const attached = (): AttachedSpool => ({
    spool: spool.spoolId,
    last_stamp: spool.lastStamp(),
    free_bytes: Math.max(0, Math.floor(space.freeBytes())),
    level: space.level(),
  });
  const synced = registerRecorderMetrics(metrics, counts, {
    recordings: () => recordings.count,
    freeBytes: () => space.freeBytes(),
    presentBytes: () => spool.presentBytes(),
    diskFullAt: () => (Date.now() + forecast.fullInMs()) / 1000,
    isAttached: () => control.isOpen(),
    secondsSinceDurable: () => recordings.secondsSinceDurable(),
    tallies: () => recordings.tallies(),
  });
  const recordings = openRecordings({
    spool,
    disk,
    address,
    token: secrets.tapToken,
    processId,
    settings: { ...settingsOf(config), ...options.settings },
    counts,
    partMemory: createPartMemory(),
    synced,
    tell,
    now: Date.now,
    monotonicMs,
    log,
    room: space.room,
    full: space.full,
    manifest: (id, path) =>
      manifestFile(
        path,
        () => recordingManifest(spool.manifestOf(id, 'present')),
        monotonicMs,
        (err) => log.warn({ err, recording_id: id }, 'manifest not written'),
      ),
    capacity: config.recorder.max_streams,
    isFull: () => space.level() === 'full',
  });

  const command = async (asked: NodeCommand): Promise<RecorderMessage> => {
    if (asked.kind === 'offer') return recordings.offer(asked);
    if (asked.kind === 'stop') return recordings.stop(asked);
    return { kind: 'response', id: asked.id, ...answerLedgerRequest(spool, asked.path, asked.body) };
  };
  // The last word on an ended recording goes over the control connection: it closes after the recordings.
  const control = scope.use(
    openControlConnection({
      address,
      hello: () => ({
        weir_tap: 1,
        token: secrets.tapToken,
        process_id: processId,
        use: 'control',
        spool: attached(),
        alias: nodeAlias(config),
        capacity: config.recorder.max_streams,
        orders: spool.orders(),
      }),
      welcomed: ({ node_id, alias, stopped }) => {
        recordings.attached({ node_id, alias });
        recordings.drop(stopped);
      },
      command,
      log,
    }),
    'control connection',
  );
  scope.defer(async () => {
    recordings.closeAs(stopKind(signal) === 'orderly' ? 'orderly' : 'term');
    await recordings[Symbol.asyncDispose]();
  }, 'recordings');
  recordings.takeUp();
  const repair = repairManifests(spool, signal, (recording_id, reason) =>
    log.warn({ recording_id, reason }, 'manifest not made anew'),
  );
  scope.defer(async () => void (await repair), 'manifests');
  http.addCheck('node', async () => (control.isOpen() ? 'ok' : { reason: `no control connection to ${address}` }));
  http.addCheck('recordings', async () => {
    const failing = recordings.failing();
    return failing.length === 0 ? 'ok' : { reason: `cannot be written: ${failing.slice(0, 10).join(', ')}` };
  });
  http.addCheck('disk', async () => (space.level() === 'full' ? { reason: 'free disk is below the reserve' } : 'ok'));
  return { port, spool: spool.spoolId };
};
