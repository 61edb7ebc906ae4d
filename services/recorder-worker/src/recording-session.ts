/**
 * One stretch of a recording's life in this process: from what the disk has, over packets of the tap, to an end.
 *
 * A session goes on while its record connection is lost and made again. It ends, once, by: the recording's end, a stop
 * of the process (`suspended`: the recording stays open), a disk that failed or is full (`disk`: another session begins
 * with what the recovery finds), or the rotation (`rotated`: the next recording takes the stream up at `resumeAt`).
 */
import { crc32 } from 'node:zlib';
import type { RecordingRow, TapRefusal, TapWelcome } from '@weir/contracts';
import { type RecordingOutput, recordingCore } from '@weir/media';
import { openRecordConnection, type RecordFrame } from './record-connection.ts';
import type { Absence } from './recording-absence.ts';
import type { RecordingDeps } from './recording-deps.ts';
import { type OutputSink, openOutputSink } from './recording-outputs.ts';
import type { Recovered } from './recovery.ts';
import { ringFeed } from './ring-feed.ts';
import { durableOrdinal, placeOf, type RingPlace } from './ring-place.ts';

/** Why a recording ended. */
export type EndCause = NonNullable<RecordingRow['end_cause']>;

/** How a session ended. */
export type SessionEnd =
  | { kind: 'ended'; cause: EndCause }
  | { kind: 'suspended' }
  | { kind: 'disk'; error: unknown }
  | { kind: 'rotated'; resumeAt: RingPlace };

/** What a session begins with. */
export type SessionStart = {
  recovered: Recovered;
  /** Where a recording without media begins in the ring; null: at the oldest. */
  beginAt: RingPlace | null;
  absence: Absence | null;
  /** When media of the recording last became durable, in monotonic milliseconds. */
  durableAtMs: number;
  /** How long ago that was, where it was in this process; else null. */
  absentMs: number | null;
  /** Told when the media go on. */
  settled(): void;
};

/** See the top of this file. */
export type RecordingSession = {
  done: Promise<SessionEnd>;
  /** Lets time pass: called several times a second. */
  tick(): void;
  heartbeat(): void;
  /**
   * Gives out what is in hand, closes the segment, and ends: at once, or when all before `until` was taken in. What
   * does not come within some seconds is not waited for.
   */
  finish(cause: EndCause, until?: RingPlace | null): void;
  /** Makes durable what there is and leaves the recording open. */
  suspend(): void;
  /** Ends at once: the disk has no room. */
  abandon(error: unknown): void;
  /** Monotonic milliseconds at which media last became durable. */
  durableAtMs(): number;
};

// A node that restarts needs some seconds; its publishers return within them.
const LEAST_ABSENCE_MS = 30_000;

// A replay of all that a ring may hold takes less.
const MOST_FINISH_MS = 10_000;

type Core = ReturnType<typeof recordingCore>;

/** Carries the core's counters over to the recorder's, as differences. */
const counterCarrier = (core: Core, counts: RecordingDeps['counts']) => {
  let last = core.counters();
  return () => {
    const now = core.counters();
    counts.samples += now.samples - last.samples;
    counts.lostPackets += now.lost - last.lost;
    counts.recoveredPackets += now.recovered - last.recovered;
    counts.droppedUnits += now.droppedUnits - last.droppedUnits;
    counts.skippedUnits += now.skippedUnits - last.skippedUnits;
    counts.malformed += now.malformed - last.malformed;
    last = now;
  };
};

/** Opens a session; it connects at once. */
export const openRecordingSession = (deps: RecordingDeps, start: SessionStart): RecordingSession => {
  const { spool, counts, log, settings } = deps;
  const { recovered } = start;
  const { recording_id: recordingId, stream } = recovered.recording.recording;
  const { promise: done, resolve } = Promise.withResolvers<SessionEnd>();
  const core = recordingCore({
    recordingId,
    spoolId: spool.spoolId,
    segmentMs: settings.segmentMs,
    resume: recovered.resume,
    absentMs: start.absentMs,
    handedOver: recovered.recording.handedOver,
    checksum: crc32,
    memory: deps.partMemory.take,
  });
  const resumedAt = placeOf(recovered.resume?.tracks.map(({ point }) => point) ?? []);
  // A rotation that a restart came behind is known by the ledger alone.
  const beginAt = start.beginAt ?? placeOf(recovered.recording.handedOver);
  const feed = ringFeed(resumedAt ?? beginAt, deps.monotonicMs());
  const carryCounters = counterCarrier(core, counts);
  let { durableAtMs } = start;
  let isFirstWelcome = true;
  let ending: { cause: EndCause; until: RingPlace; latestMs: number } | null = null;
  let isOver = false;
  let failed: Extract<SessionEnd, { kind: 'disk' }> | null = null;

  /**
   * Ends the session: nothing is taken in any more, what was given to the writer is written. When the disk fails at
   * that, the recording is not at its end: the recovery finds what was not written into a row.
   */
  const over = (how: SessionEnd): void => {
    if (isOver) return;
    isOver = true;
    carryCounters();
    resolve(
      Promise.all([sink.close(), connection.close()]).then(() => (how.kind === 'suspended' ? how : (failed ?? how))),
    );
  };

  const sink: OutputSink = openOutputSink(deps, recovered, start.absence, {
    settled: start.settled,
    durable: (part) => {
      durableAtMs = deps.monotonicMs();
      take(core.step({ kind: 'durable', part }));
    },
    failed: (error) => {
      failed = { kind: 'disk', error };
      over(failed);
    },
    aged: (resumeAt) => over({ kind: 'rotated', resumeAt }),
    overflowed: () => connection.cut('too much waits for the disk'),
    wantsKeyFrame: () => connection.send({ kind: 'key_frame' }),
  });

  /** The ledger may fail as the media may: that ends the session, never the process. */
  const guarded =
    <A extends unknown[]>(work: (...args: A) => void) =>
    (...args: A): void => {
      try {
        work(...args);
      } catch (error) {
        counts.diskErrors += 1;
        over({ kind: 'disk', error });
      }
    };

  const take = (outputs: readonly RecordingOutput[]): void => {
    for (const output of outputs) if (!isOver) sink.put(output);
  };

  const finish = guarded((cause: EndCause): void => {
    if (isOver) return;
    sink.lastOnes();
    take(core.step({ kind: 'finish' }));
    over({ kind: 'ended', cause });
  });

  /** Ends a recording that was asked to, once it has what it was to wait for. */
  const settleEnding = (): void => {
    if (ending === null) return;
    if (feed.hasReached(ending.until) || deps.monotonicMs() >= ending.latestMs) finish(ending.cause);
  };

  const finishAt = (cause: EndCause, until: RingPlace | null = null): void => {
    if (until === null) finish(cause);
    else ending ??= { cause, until, latestMs: deps.monotonicMs() + MOST_FINISH_MS };
    settleEnding();
  };

  const frame = (input: RecordFrame): void => {
    if (input.kind === 'superseded') {
      log.warn({ generation: input.generation }, 'superseded by another recorder');
      finish('superseded');
      return;
    }
    if (input.kind === 'packet') {
      counts.packets += 1;
      counts.packetBytes += input.bytes.length;
    } else if (input.kind === 'hole') counts.lostPackets += input.to - input.from;
    for (const each of feed.inputs(input, deps.monotonicMs())) take(core.step(each));
  };

  /** After a restart a recording goes on whenever the ring has all of it, else only when not too long has passed. */
  const isTooLate = (isWhole: boolean): boolean =>
    isFirstWelcome &&
    !isWhole &&
    recovered.lastMediaMs !== null &&
    (start.absentMs ?? deps.now() - recovered.lastMediaMs) >= settings.reconnectMs;

  const opened = guarded((welcome: Extract<TapWelcome, { use: 'record' }>): void => {
    if (isOver) return;
    spool.noteClaim(recordingId, welcome.epoch, welcome.generation);
    const { isWhole, missed } = feed.welcomed(welcome);
    counts.lostPackets += missed;
    if (isWhole) sink.bridged();
    if (isTooLate(isWhole)) finish('no_publisher');
    isFirstWelcome = false;
  });

  const lost = (refused: TapRefusal['refused'] | null): void => {
    if (isOver) return;
    if (feed.isConnected) counts.reconnects += 1;
    feed.lost(deps.monotonicMs());
    if (refused === 'stopped') finish('superseded');
  };

  const hello = () =>
    ({
      weir_tap: 1,
      token: deps.token,
      process_id: deps.processId,
      use: 'record',
      stream,
      spool: spool.spoolId,
      recording_id: recordingId,
      epoch: feed.place?.epoch ?? null,
      from_ordinal: feed.place?.ordinal ?? null,
    }) as const;

  const frames = guarded((some: readonly RecordFrame[]): void => {
    for (const each of some) if (!isOver) frame(each);
    settleEnding();
  });
  const connection = openRecordConnection(deps.address, { hello, opened, frames, lost, ready: sink.drained }, log);

  return {
    done,
    tick: guarded(() => {
      if (isOver) return;
      const nowMs = deps.monotonicMs();
      take(core.step({ kind: 'tick', nowMs }));
      carryCounters();
      const patienceMs = feed.isConnected ? settings.reconnectMs : Math.max(settings.reconnectMs, LEAST_ABSENCE_MS);
      const absentMs = feed.absentMs(nowMs);
      if (absentMs !== null && absentMs >= patienceMs) finish('no_publisher');
      settleEnding();
    }),
    heartbeat: () => {
      if (isOver || !feed.isConnected) return;
      const points = core.resumePoints();
      const durable_ordinal = Math.min(durableOrdinal(points), sink.holdFrom() ?? Number.POSITIVE_INFINITY);
      connection.send({ kind: 'heartbeat', durable_ordinal, resume: [...points], tally: deps.tally() });
    },
    finish: finishAt,
    suspend: guarded(() => {
      if (isOver) return;
      take(core.step({ kind: 'flush' }));
      over({ kind: 'suspended' });
    }),
    abandon: (error) => over({ kind: 'disk', error }),
    durableAtMs: () => durableAtMs,
  };
};
