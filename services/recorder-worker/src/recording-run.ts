/**
 * A stream's recording in this process: session after session, each from what the disk has. Between sessions the disk
 * may be full or failing, and a rotation changes which recording it is. Nothing here ends a process.
 */
import { join } from 'node:path';
import type { RecordingStarted, RecordingSummary, RecordingTally } from '@weir/contracts';
import { diskComplaint, isDiskFull } from './disk-complaint.ts';
import type { ManifestFile } from './manifest-file.ts';
import type { Absence } from './recording-absence.ts';
import type { RecorderDeps } from './recording-deps.ts';
import { type EndCause, openRecordingSession, type RecordingSession, type SessionEnd } from './recording-session.ts';
import { countedDisk, countsWithin, tallyOf } from './recording-tally.ts';
import { type Recovered, recoverRecording } from './recovery.ts';
import type { RingPlace } from './ring-place.ts';
import { settingAside } from './stray-file.ts';
import { recoveryReader } from './unreadable-file.ts';

/** What a run needs beside what all recordings share. */
export type RunDeps = RecorderDeps & {
  /** Resolves when the disk has room, or the signal aborts. */
  room(signal: AbortSignal): Promise<void>;
  /** A write found the disk full. */
  full(): void;
  /** The keeper of the manifest in a recording's directory. */
  manifest(recordingId: string, path: string): ManifestFile;
};

/** What is asked of a run from outside. */
type Wish = { kind: 'end'; cause: EndCause; until: RingPlace | null } | { kind: 'suspend' };

/** See the top of this file. */
export type RecordingRun = {
  readonly stream: string;
  /** The recording it writes now; another after a rotation. */
  readonly recordingId: string;
  /** Resolves when the run is over: the summary, or null when the recording stays open. */
  done: Promise<RecordingSummary | null>;
  tick(): void;
  heartbeat(): void;
  /** Ends the recording, at once or when all before `until` was taken in. */
  end(cause: EndCause, until?: RingPlace | null): Promise<RecordingSummary | null>;
  suspend(): Promise<void>;
  /** The disk is full: writes what there is and waits for room. */
  pause(): void;
  /** Seconds since media became durable, or since it was taken up; they grow while the disk is waited for. */
  secondsSinceDurable(): number;
  /** True from a write that failed until media are durable again. */
  isFailing(): boolean;
  tally(): RecordingTally;
};

// A recording that is asked to end while the disk fails stays open after so many tries: the next start finds it.
const LAST_TRIES = 2;
const closeFiles = ({ start }: Recovered): Promise<unknown> =>
  Promise.all(start.open.map(({ file }) => file.close().catch(() => undefined)));

/** Runs the recording that the ledger has open for a stream. */
export const runRecording = (
  shared: RunDeps,
  stream: string,
  startedId: string,
  firstAbsence: Absence | null,
): RecordingRun => {
  const log = shared.log.child({ stream });
  const disk = settingAside(countedDisk(shared.disk), log);
  const deps: RunDeps = { ...shared, disk, counts: countsWithin(shared.counts) };
  const { spool } = deps;
  const complain = diskComplaint(log, deps.monotonicMs);
  const interrupt = new AbortController();
  let recordingId = startedId;
  let wish: Wish | null = null;
  let session: RecordingSession | null = null;
  let absence = firstAbsence;
  let beginAt: RingPlace | null = null;
  let durableAtMs = deps.monotonicMs();
  let wasDurable = false;
  let lastTries = LAST_TRIES;
  let failedAtMs = Number.NEGATIVE_INFINITY;

  const manifestOf = (id: string): ManifestFile => deps.manifest(id, join(spool.dir, spool.recording(id)?.dir ?? ''));
  let manifest = manifestOf(recordingId);

  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        interrupt.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, interrupt.signal.aborted ? 0 : ms);
      interrupt.signal.addEventListener('abort', done, { once: true });
    });

  // Wherever the absence began: what is missing behind it is missing for the disk.
  const givenUp = () => {
    absence = { cause: 'disk_error', gapFromMs: absence?.gapFromMs ?? null };
  };
  const reader = recoveryReader(deps.disk, log, givenUp);

  const recover = async (): Promise<Recovered> => {
    const recovered = await recoverRecording(spool, deps.disk, recordingId, reader);
    if (recovered.tornBytes > 0) log.warn({ bytes: recovered.tornBytes }, 'cut off what was not written whole');
    return recovered;
  };

  /** Milliseconds since media became durable in this process; null: they did not yet. Not by the wall clock, which may be set. */
  const absentMs = (): number | null => (wasDurable ? deps.monotonicMs() - durableAtMs : null);

  /** Where the end of a gap that begins at `fromMs` lies now. */
  const gapEndMs = (fromMs: number): number => {
    const absent = absentMs();
    return Math.max(fromMs, Math.round(absent === null ? deps.now() : fromMs + absent));
  };

  /** The media stop here for want of a working disk: says so, and waits until there is room. */
  const endureDisk = async (error: unknown): Promise<void> => {
    const cause = isDiskFull(error) ? 'disk_full' : 'disk_error';
    failedAtMs = deps.monotonicMs();
    complain(error, 'the spool cannot be written: recording waits');
    // A disk without a free byte may not take the gap's row either; the gap behind the absence then still has its cause.
    absence ??= { cause, gapFromMs: null };
    if (cause === 'disk_full') deps.full();
    else await wait(deps.settings.diskRetryMs);
    const recovered = await recover();
    await closeFiles(recovered);
    const from_ms = Math.round(recovered.lastMediaMs ?? recovered.recording.recording.start_ms);
    const gap = { from_ms, to_ms: gapEndMs(from_ms), cause } as const;
    absence = { cause, gapFromMs: spool.noteGap(recordingId, gap) };
    deps.counts.gaps += 1;
    const { record_dir } = recovered.recording.recording;
    deps.tell({ kind: 'gap', stream, recording_id: recordingId, record_dir, ...gap });
  };

  const settled = (): void => {
    absence = null;
  };

  /** An absence that lasted to the end. */
  const noteAbsence = (): void => {
    if (absence === null || absence.gapFromMs === null) return;
    const { gapFromMs: from_ms, cause } = absence;
    spool.noteGap(recordingId, { from_ms, to_ms: gapEndMs(from_ms), cause });
  };

  const close = async (cause: EndCause): Promise<RecordingSummary> => {
    noteAbsence();
    spool.endRecording(recordingId, cause, spool.openRecording(recordingId).lastEndMs);
    await manifest.finish();
    log.info({ recording_id: recordingId, cause }, 'recording ended');
    return spool.summaryOf(recordingId);
  };

  const rotate = async (resumeAt: RingPlace): Promise<void> => {
    const { lastEndMs, files } = spool.openRecording(recordingId);
    // What was written behind the last segment is in the ring still, for the next recording.
    await Promise.all(files.map(({ path }) => deps.disk.remove(path)));
    // The media went on past the boundary: what was behind it before the absence had been written already.
    if (absence !== null && absence.gapFromMs !== null) spool.withdrawGap(recordingId, absence.gapFromMs);
    const started = spool.rotateRecording(recordingId, lastEndMs);
    log.info({ recording_id: recordingId, next: started.recording_id }, 'recording rotated');
    const last = manifest;
    recordingId = started.recording_id;
    manifest = manifestOf(recordingId);
    beginAt = resumeAt;
    absence = null;
    deps.tell({ kind: 'rotated', stream, recording: started });
    await last.finish();
  };

  const runSession = async (): Promise<SessionEnd> => {
    await deps.room(interrupt.signal);
    const recovered = await recover();
    if (recovered.recording.lastNumber > 0) manifest.changed();
    session = openRecordingSession(
      { ...deps, log: log.child({ recording_id: recordingId }), changed: () => manifest.changed(), tally },
      { recovered, beginAt, absence, settled, durableAtMs, absentMs: absentMs() },
    );
    applyWish();
    const end = await session.done;
    wasDurable ||= session.durableAtMs() !== durableAtMs;
    durableAtMs = session.durableAtMs();
    session = null;
    return end;
  };

  const lastDurableMs = () => session?.durableAtMs() ?? durableAtMs;
  const secondsSinceDurable = () => (deps.monotonicMs() - lastDurableMs()) / 1000;
  const tally = () => tallyOf(deps.counts, disk.openFiles(), secondsSinceDurable());

  const applyWish = () => {
    if (wish?.kind === 'end') session?.finish(wish.cause, wish.until);
    else if (wish?.kind === 'suspend') session?.suspend();
  };

  const step = async (): Promise<RecordingSummary | null | 'again'> => {
    const end = await runSession();
    if (end.kind === 'ended') return close(end.cause);
    if (end.kind === 'suspended') return null;
    if (end.kind === 'rotated') {
      await rotate(end.resumeAt);
      return 'again';
    }
    await endureDisk(end.error);
    if (wish !== null) lastTries -= 1;
    return lastTries > 0 ? 'again' : null;
  };

  const run = async (): Promise<RecordingSummary | null> => {
    for (;;) {
      try {
        const result = await step();
        if (result !== 'again') return result;
      } catch (error) {
        // The disk does not let the recovery through either.
        deps.counts.diskErrors += 1;
        failedAtMs = deps.monotonicMs();
        complain(error, 'the recording cannot go on yet');
        if (wish?.kind === 'suspend') return null;
        if (isDiskFull(error)) deps.full();
        await wait(deps.settings.diskRetryMs);
        if (wish !== null) return null;
      }
    }
  };

  // What stays open has no manifest to be finished, and the next process its own keeper.
  const done = run().finally(() => manifest.cancel());
  const ask = (next: Wish) => {
    wish ??= next;
    interrupt.abort();
    applyWish();
  };

  return {
    stream,
    get recordingId() {
      return recordingId;
    },
    done,
    tick: () => session?.tick(),
    heartbeat: () => session?.heartbeat(),
    end: (cause, until = null) => {
      ask({ kind: 'end', cause, until });
      return done;
    },
    suspend: async () => {
      ask({ kind: 'suspend' });
      await done;
    },
    pause: () => session?.abandon(Object.assign(new Error('free disk is below the reserve'), { code: 'ENOSPC' })),
    secondsSinceDurable,
    isFailing: () => lastDurableMs() <= failedAtMs,
    tally,
  };
};

/** What the node is told of a recording that started or goes on. */
export const startedOf = (run: RecordingRun, deps: Pick<RunDeps, 'spool'>): RecordingStarted => {
  const recording = deps.spool.recording(run.recordingId);
  if (recording === undefined) throw new Error(`the ledger has lost recording ${run.recordingId}`);
  const { recording_id, record, record_dir, start_ms } = recording;
  return { recording_id, record, record_dir, start_ms };
};
