/** The recordings of a recorder: it takes what the node offers, stops what the node stops, and says how each ended. */
import {
  baseDirFault,
  type NodeCommand,
  type RecorderMessage,
  type RecordingStarted,
  type RecordingTally,
  type TapWelcome,
} from '@weir/contracts';
import { oneLine } from '@weir/runtime';
import { isSpoolError } from '@weir/spool';
import { isDiskFull } from './disk-complaint.ts';
import type { Absence } from './recording-absence.ts';
import { type RecordingRun, type RunDeps, runRecording, startedOf } from './recording-run.ts';

type Offer = Extract<NodeCommand, { kind: 'offer' }>;
type Stop = Extract<NodeCommand, { kind: 'stop' }>;
type Declined = Extract<RecorderMessage, { kind: 'declined' }>;

/** What the recordings need beside what each does. */
export type RecordingsDeps = RunDeps & {
  capacity: number;
  /** True while the disk has no room for anything new. */
  isFull(): boolean;
};

/** The node that a recorder is attached to. */
export type AttachedNode = { node_id: string; alias: string };

/** See the top of this file. */
export type Recordings = AsyncDisposable & {
  readonly count: number;
  /** Takes up what the ledger has open. */
  takeUp(): void;
  attached(node: AttachedNode): void;
  offer(offer: Offer): RecorderMessage;
  stop(stop: Stop): Promise<RecorderMessage>;
  /** Ends what the node says was stopped, or superseded, while we were away. */
  drop(stopped: Extract<TapWelcome, { use: 'control' }>['stopped']): void;
  /** The disk is full: everything waits. */
  pause(): void;
  /** How the disposal leaves recordings: ended, or open to be continued. */
  closeAs(kind: 'orderly' | 'term'): void;
  secondsSinceDurable(): number;
  /** The streams whose recording could not be written and has not gone on since. */
  failing(): string[];
  /** What each running recording counted. */
  tallies(): { stream: string; tally: RecordingTally }[];
};

const TICK_MS = 200;
const TICKS_PER_HEARTBEAT = 5;

const declineOf = (error: unknown): Pick<Declined, 'code' | 'message'> => {
  if (isSpoolError(error, 'base_dir_taken')) return { code: 'base_dir_taken', message: error.message };
  if (isSpoolError(error, 'invalid_path')) return { code: 'invalid_path', message: error.message };
  if (isDiskFull(error)) return { code: 'disk_full', message: 'the spool has no room for a directory' };
  // What the system says names directories of this machine: it is for the log.
  return { code: 'disk_error', message: 'the spool could not take the recording: see the log of the recorder' };
};

/** Opens the recordings; nothing runs until `takeUp` or an offer. */
export const openRecordings = (deps: RecordingsDeps): Recordings => {
  const { spool, log } = deps;
  const runs = new Map<string, RecordingRun>();
  let node: AttachedNode | null = null;
  let closing: 'orderly' | 'term' | null = null;
  let closeKind: 'orderly' | 'term' = 'term';
  let ticks = 0;

  const begin = (stream: string, recordingId: string, absence: Absence | null): RecordingRun => {
    const run = runRecording(deps, stream, recordingId, absence);
    runs.set(stream, run);
    run.done
      .then((summary) => {
        if (summary === null) return;
        const { recordingId } = run;
        const cause = spool.recording(recordingId)?.end_cause ?? 'deleted';
        deps.tell({ kind: 'ended', stream, recording_id: recordingId, cause });
      })
      .catch((err) => log.error({ err, stream }, 'recording failed'))
      .finally(() => {
        if (runs.get(stream) === run) runs.delete(stream);
      });
    return run;
  };

  /** What runs, or what the ledger has open since its run gave up for want of a disk. */
  const runOf = (stream: string): RecordingRun | undefined => {
    const order = runs.has(stream) ? undefined : spool.recordingOf(stream);
    if (order === undefined || closing !== null) return runs.get(stream);
    return begin(stream, order.recording_id, { cause: 'recorder_restart', gapFromMs: null });
  };

  const running = (offer: Offer): RecordingStarted | null => {
    const run = runOf(offer.stream);
    if (run === undefined) return null;
    const started = startedOf(run, deps);
    return offer.base_dir === null || offer.base_dir === started.record_dir ? started : null;
  };

  const refusal = (offer: Offer): Pick<Declined, 'code' | 'message'> | null => {
    if (closing !== null) return { code: 'stopping', message: 'the recorder stops' };
    if (deps.isFull()) return { code: 'disk_full', message: 'free disk is below recorder.reserve_bytes' };
    if (runs.size >= deps.capacity) {
      return { code: 'capacity', message: `${runs.size} streams are recorded, at most recorder.max_streams` };
    }
    const fault = offer.base_dir === null ? null : baseDirFault(offer.base_dir);
    if (fault !== null) return { code: 'invalid_path', message: `base_dir ${fault}` };
    return runs.has(offer.stream) ? { code: 'base_dir_taken', message: 'recorded already, elsewhere' } : null;
  };

  const timer = setInterval(() => {
    ticks += 1;
    for (const run of runs.values()) {
      run.tick();
      if (ticks % TICKS_PER_HEARTBEAT === 0) run.heartbeat();
    }
  }, TICK_MS);

  return {
    get count() {
      return runs.size;
    },
    takeUp: () => {
      for (const { stream, recording_id } of spool.orders()) {
        begin(stream, recording_id, { cause: 'recorder_restart', gapFromMs: null });
      }
    },
    attached: (to) => {
      node = to;
    },
    offer: (offer) => {
      const { id, stream, base_dir: baseDir, cause } = offer;
      const there = running(offer);
      if (there !== null && closing === null) return { kind: 'accepted', id, recording: there };
      const declined = refusal(offer);
      if (declined !== null || node === null) {
        return { kind: 'declined', id, ...(declined ?? { code: 'stopping', message: 'not attached' }) };
      }
      try {
        const { node_id: nodeId, alias: nodeAlias } = node;
        const recording = spool.startRecording({ stream, nodeId, nodeAlias, baseDir, cause });
        begin(stream, recording.recording_id, null);
        log.info({ stream, record_dir: recording.record_dir, cause }, 'recording started');
        return { kind: 'accepted', id, recording };
      } catch (error) {
        const decline = declineOf(error);
        log.warn({ stream, code: decline.code, reason: oneLine(error) }, 'offer declined');
        return { kind: 'declined', id, ...decline };
      }
    },
    stop: async ({ id, stream, recording_id, until }) => {
      const run = runs.get(stream);
      if (run === undefined || run.recordingId !== recording_id) return { kind: 'not_recording', id };
      const summary = await run.end('deleted', until ?? null);
      return summary === null ? { kind: 'not_recording', id } : { kind: 'stopped', id, summary };
    },
    drop: (stopped) => {
      for (const { stream, recording_id, cause } of stopped) {
        const run = runs.get(stream);
        if (run?.recordingId === recording_id) run.end(cause).catch(() => undefined);
      }
    },
    pause: () => {
      for (const run of runs.values()) run.pause();
    },
    closeAs: (kind) => {
      closeKind = kind;
    },
    tallies: () => [...runs.values()].map((run) => ({ stream: run.stream, tally: run.tally() })),
    failing: () => [...runs.values()].flatMap((run) => (run.isFailing() ? [run.stream] : [])),
    secondsSinceDurable: () => Math.max(0, ...[...runs.values()].map((run) => run.secondsSinceDurable())),
    [Symbol.asyncDispose]: async () => {
      closing = closeKind;
      const all = [...runs.values()];
      await Promise.all(all.map((run) => (closing === 'orderly' ? run.end('orderly_stop') : run.suspend())));
      clearInterval(timer);
    },
  };
};
