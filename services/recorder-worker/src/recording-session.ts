/**
 * One stretch of a recording's life in this process: from what the disk has, over packets of the tap, to an end.
 *
 * A session goes on while its record connection is lost and made again. It ends, once, by: the recording's end, a stop
 * of the process (`suspended`: the recording stays open), a disk that failed or is full (`disk`: another session begins
 * with what the recovery finds), or the rotation (`rotated`: the next recording takes the stream up at `resumeAt`).
 */
import type { RecordingRow, ResumePoint as WirePoint } from '@weir/contracts';
import { type RecordingOutput, type ResumePoint, recordingCore } from '@weir/media';
import type { NewGap } from '@weir/spool';
import { openMediaWriter, type SegmentFacts } from './media-writer.ts';
import { openRecordConnection, type RecordFrame } from './record-connection.ts';
import type { RecordingDeps } from './recording-deps.ts';
import { initOf, segmentOf } from './recording-rows.ts';
import type { Recovered } from './recovery.ts';

/** Why a recording ended. */
export type EndCause = NonNullable<RecordingRow['end_cause']>;

/** A place in a ring to begin at. */
export type RingPlace = { epoch: string; ordinal: number };

/** Why the media were not taken for a while before this session, and the gap that was written for it. */
export type Absence = { cause: 'recorder_restart' | 'disk_full' | 'disk_error'; gapFromMs: number | null };

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
};

/** See the top of this file. */
export type RecordingSession = {
  done: Promise<SessionEnd>;
  /** Lets time pass: called several times a second. */
  tick(): void;
  heartbeat(): void;
  /** Gives out what is in hand, closes the segment, and ends. */
  finish(cause: EndCause): void;
  /** Makes durable what there is and leaves the recording open. */
  suspend(): void;
  /** Ends at once: the disk has no room. */
  abandon(error: unknown): void;
  /** Monotonic milliseconds at which media last became durable. */
  durableAtMs(): number;
};

// A node that restarts needs some seconds; its publishers return within them.
const LEAST_ABSENCE_MS = 30_000;

const wirePoint = ({ track, epoch, ordinal, rtpTimestamp, sequence, decodeTime, clock }: ResumePoint): WirePoint[] =>
  rtpTimestamp === null || clock === null ? [] : [{ track, epoch, ordinal, rtpTimestamp, sequence, decodeTime, clock }];

const placeOf = (points: readonly ResumePoint[]): RingPlace | null => {
  const newest = points.reduce<ResumePoint | null>(
    (best, point) => (best === null || point.publishedAtMs > best.publishedAtMs ? point : best),
    null,
  );
  if (newest === null) return null;
  const ordinals = points.filter(({ epoch }) => epoch === newest.epoch).map(({ ordinal }) => ordinal);
  return { epoch: newest.epoch, ordinal: Math.min(...ordinals) };
};

/** Opens a session; it connects at once. */
export const openRecordingSession = (deps: RecordingDeps, start: SessionStart): RecordingSession => {
  const { spool, counts, log, settings } = deps;
  const { recovered, absence } = start;
  const { recording } = recovered.recording;
  const { recording_id: recordingId, stream } = recording;
  const { promise: done, resolve } = Promise.withResolvers<SessionEnd>();
  const core = recordingCore({
    recordingId,
    spoolId: spool.spoolId,
    segmentMs: settings.segmentMs,
    resume: recovered.resume,
  });
  let place = placeOf(recovered.resume?.tracks.map(({ point }) => point) ?? []) ?? start.beginAt;
  let hole: { from: number; to: number } | null = null;
  let absentSinceMs: number | null = deps.monotonicMs();
  let isConnected = false;
  let durableAtMs = deps.monotonicMs();
  let startMs = recording.start_ms;
  let isFirstWelcome = true;
  let isFinishing = false;
  let isOver = false;
  let lastCounters = core.counters();
  let absenceGapMs = absence?.gapFromMs ?? null;

  const noteGap = (gap: NewGap): void => {
    counts.gaps += 1;
    log.warn({ cause: gap.cause, ms: gap.to_ms - gap.from_ms }, 'gap');
    const { record_dir } = recording;
    deps.tell({ kind: 'gap', stream, recording_id: recordingId, record_dir, ...gap });
  };

  const writer = openMediaWriter(
    {
      spool,
      recordingId,
      path: recovered.recording.path,
      disk: deps.disk,
      maxQueuedBytes: settings.maxQueuedBytes,
      durable: (part, syncMs) => {
        durableAtMs = deps.monotonicMs();
        deps.synced(syncMs / 1000);
        take(core.step({ kind: 'durable', part }));
      },
      closed: () => {
        counts.segments += 1;
        deps.changed();
      },
      failed: (error) => {
        counts.diskErrors += 1;
        over({ kind: 'disk', error });
      },
    },
    recovered.start,
  );

  /** Ends the session: nothing is taken in any more, what was given to the writer is written. */
  const over = (how: SessionEnd): void => {
    if (isOver) return;
    isOver = true;
    const close = async () => {
      await Promise.all([writer.close(), connection.close()]);
      return how;
    };
    resolve(close());
  };

  /** The gap that was written when the media stopped is the one that the core tells of now. */
  const gapOf = ({ cause, fromMs, toMs }: Extract<RecordingOutput, { kind: 'gap' }>): NewGap => {
    if (absence === null || cause !== 'ring_overflow') return { cause, from_ms: fromMs, to_ms: toMs };
    return { cause: absence.cause, from_ms: absence.gapFromMs ?? fromMs, to_ms: toMs };
  };

  /** Media go on where they stopped: the ring had all that was missed. */
  const withdrawAbsence = (): void => {
    if (absenceGapMs === null) return;
    spool.withdrawGap(recordingId, absenceGapMs);
    absenceGapMs = null;
  };

  /** Closes a segment; when the recording is old enough, what comes behind is the next recording's, from the ring. */
  const close = (segment: SegmentFacts): void => {
    writer.push({ kind: 'close', segment });
    if (segment.number === 1) startMs = segment.start_ms;
    const ageMs = segment.start_ms + segment.duration_ms - startMs;
    const resumeAt = placeOf(segment.resume);
    if (isFinishing || settings.maxRecordingMs === 0 || ageMs < settings.maxRecordingMs || resumeAt === null) return;
    over({ kind: 'rotated', resumeAt });
  };

  const put = (output: RecordingOutput): void => {
    switch (output.kind) {
      case 'init':
        writer.push({ kind: 'init', bytes: output.bytes, init: initOf(output) });
        return;
      case 'part':
        withdrawAbsence();
        counts.parts += 1;
        counts.partBytes += output.bytes.length;
        if (!writer.push({ kind: 'part', part: output })) overflow();
        return;
      case 'segment-closed':
        close(segmentOf(output));
        return;
      case 'gap': {
        const gap = gapOf(output);
        absenceGapMs = null;
        writer.push({ kind: 'gap', gap });
        noteGap(gap);
        return;
      }
      case 'request-key-frame':
        connection.send({ kind: 'key_frame' });
        return;
      case 'refused-track':
        log.warn({ track: output.track, codec: output.codec, reason: output.reason }, 'a track is not recorded');
    }
  };
  const take = (outputs: readonly RecordingOutput[]): void => {
    for (const output of outputs) if (!isOver) put(output);
  };

  const overflow = (): void => {
    counts.overflows += 1;
    log.warn({ bytes: writer.queuedBytes }, 'the disk is too slow: the rest comes from the ring');
    connection.cut('too much waits for the disk');
  };

  const giveHole = (): void => {
    if (hole === null) return;
    take(core.step({ kind: 'hole', ...hole }));
    hole = null;
  };

  const frame = (input: RecordFrame): void => {
    if (input.kind === 'packet') {
      giveHole();
      counts.packets += 1;
      counts.packetBytes += input.bytes.length;
      if (place !== null) place.ordinal = Math.max(place.ordinal, input.ordinal + 1);
      take(core.step(input));
      return;
    }
    if (input.kind === 'publication') {
      absentSinceMs = null;
      const { epoch, ordinal, startedAtMs, tracks } = input.publication;
      if (place === null || place.epoch !== epoch) place = { epoch, ordinal };
      const published = tracks.map(({ channels, fmtp, codec, ...track }) => ({
        ...track,
        codec: codec.toUpperCase(),
        ...(channels === undefined ? {} : { channels }),
        ...(fmtp === undefined ? {} : { fmtp }),
      }));
      take(core.step({ kind: 'publication', publication: { epoch, ordinal, startedAtMs, tracks: published } }));
      giveHole();
    } else if (input.kind === 'ended') {
      absentSinceMs = deps.monotonicMs();
      take(core.step({ kind: 'ended', ordinal: input.ordinal, atMs: input.at_ms }));
    } else if (input.kind === 'hole') {
      counts.lostPackets += input.to - input.from;
      if (place !== null) place.ordinal = Math.max(place.ordinal, input.to);
      take(core.step({ kind: 'hole', from: input.from, to: input.to }));
    } else {
      log.warn({ generation: input.generation }, 'superseded by another recorder');
      finish('superseded');
    }
  };

  /** True when too long has passed for this recording to go on with what the ring has. */
  const isTooLate = (isHeld: boolean): boolean => {
    if (!isFirstWelcome || isHeld || recovered.lastMediaMs === null) return false;
    return deps.now() - recovered.lastMediaMs >= settings.reconnectMs;
  };

  const connection = openRecordConnection(
    deps.address,
    {
      hello: () => ({
        weir_tap: 1,
        token: deps.token,
        process_id: deps.processId,
        use: 'record',
        stream,
        spool: spool.spoolId,
        recording_id: recordingId,
        epoch: place?.epoch ?? null,
        from_ordinal: place?.ordinal ?? null,
      }),
      opened: ({ epoch, generation, first_ordinal }) => {
        if (isOver) return;
        isConnected = true;
        spool.noteClaim(recordingId, epoch, generation);
        const isSame = place?.epoch === epoch;
        const missed = isSame && place !== null && first_ordinal > place.ordinal;
        if (isTooLate(isSame && !missed)) {
          finish('no_publisher');
          return;
        }
        isFirstWelcome = false;
        hole = missed && place !== null ? { from: place.ordinal, to: first_ordinal } : null;
        if (hole !== null) counts.lostPackets += hole.to - hole.from;
        if (place === null) place = { epoch, ordinal: first_ordinal };
      },
      frames: (frames) => {
        for (const each of frames) if (!isOver) frame(each);
      },
      lost: (refused) => {
        if (isOver) return;
        if (isConnected) counts.reconnects += 1;
        isConnected = false;
        absentSinceMs ??= deps.monotonicMs();
        if (refused === 'stopped') finish('superseded');
      },
      ready: () => writer.drained(),
    },
    log,
  );

  const finish = (cause: EndCause): void => {
    if (isOver) return;
    isFinishing = true;
    take(core.step({ kind: 'finish' }));
    over({ kind: 'ended', cause });
  };

  const countCore = (): void => {
    const counters = core.counters();
    counts.samples += counters.samples - lastCounters.samples;
    counts.lostPackets += counters.lost - lastCounters.lost;
    lastCounters = counters;
  };

  return {
    done,
    tick: () => {
      if (isOver) return;
      const nowMs = deps.monotonicMs();
      take(core.step({ kind: 'tick', nowMs }));
      countCore();
      const limitMs = isConnected ? settings.reconnectMs : Math.max(settings.reconnectMs, LEAST_ABSENCE_MS);
      if (absentSinceMs !== null && nowMs - absentSinceMs >= limitMs) finish('no_publisher');
    },
    heartbeat: () => {
      if (isOver || !isConnected) return;
      const points = core.resumePoints();
      const durable = points.length === 0 ? 0 : Math.min(...points.map(({ ordinal }) => ordinal));
      connection.send({ kind: 'heartbeat', durable_ordinal: durable, resume: points.flatMap(wirePoint) });
    },
    finish,
    suspend: () => {
      if (isOver) return;
      take(core.step({ kind: 'flush' }));
      over({ kind: 'suspended' });
    },
    abandon: (error) => over({ kind: 'disk', error }),
    durableAtMs: () => durableAtMs,
  };
};
