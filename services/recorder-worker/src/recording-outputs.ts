import type { RecordingOutput, SegmentClosedOutput } from '@weir/media';
import type { NewGap } from '@weir/spool';
import { openMediaWriter } from './media-writer.ts';
import { type Absence, absenceGap } from './recording-absence.ts';
import type { RecordingDeps } from './recording-deps.ts';
import { initOf, segmentOf } from './recording-rows.ts';
import type { Recovered } from './recovery.ts';
import { placeOf, type RingPlace } from './ring-place.ts';
import { rotation } from './rotation.ts';

/** What comes of a recording's outputs. */
export type OutputEvents = {
  /** The media go on: the absence is over. */
  settled(): void;
  /** Every part up to this id is durable. */
  durable(part: number): void;
  /** A write failed: nothing more will be written. */
  failed(error: unknown): void;
  /** The recording is as old as it may become; what comes behind its last segment lies in the ring at this place. */
  aged(resumeAt: RingPlace): void;
  /** More waits for the disk than may. */
  overflowed(): void;
  wantsKeyFrame(): void;
};

/** Carries out what the core of one recording says: writes, tells the node, counts. */
export type OutputSink = {
  put(output: RecordingOutput): void;
  /** The ring has all that came during the absence: nothing is missing for it. */
  bridged(): void;
  /** The recording is being ended: its age does not matter any more. */
  lastOnes(): void;
  /** The ring must keep what comes from this ordinal on; null: what is not durable. */
  holdFrom(): number | null;
  drained(): Promise<void>;
  /** Writes what waits, then lets go of the files. */
  close(): Promise<void>;
};

/** Opens the sink of a recording that goes on as it was found. */
export const openOutputSink = (
  deps: RecordingDeps,
  recovered: Recovered,
  absent: Absence | null,
  events: OutputEvents,
): OutputSink => {
  const { spool, counts, log, settings } = deps;
  const { recording_id: recordingId, record_dir, stream, start_ms } = recovered.recording.recording;
  const absence = absenceGap(spool, recordingId, absent, events.settled);
  let startMs = start_ms;
  const aging = rotation(settings.maxRecordingMs, () => startMs, {
    segment: recovered.resume?.lastSegment ?? 0,
    place: placeOf(recovered.resume?.tracks.map(({ point }) => point) ?? []),
  });
  let isEnding = false;

  const writer = openMediaWriter(
    {
      spool,
      recordingId,
      path: recovered.recording.path,
      disk: deps.disk,
      maxQueuedBytes: settings.maxQueuedBytes,
      durable: (part, syncMs) => {
        deps.synced(syncMs / 1000);
        events.durable(part);
      },
      release: deps.partMemory.giveBack,
      closed: () => {
        counts.segments += 1;
        deps.changed();
      },
      failed: (error) => {
        counts.diskErrors += 1;
        events.failed(error);
      },
    },
    recovered.start,
  );

  const closeSegment = (output: SegmentClosedOutput): void => {
    const segment = segmentOf(output);
    writer.push({ kind: 'close', segment });
    if (segment.number === 1) startMs = segment.start_ms;
    const resumeAt = aging.closed(output, segment.start_ms + segment.duration_ms - startMs);
    if (!isEnding && resumeAt !== null) events.aged(resumeAt);
  };

  const noteGap = (gap: NewGap): void => {
    writer.push({ kind: 'gap', gap });
    counts.gaps += 1;
    log.warn({ cause: gap.cause, ms: gap.to_ms - gap.from_ms }, 'gap');
    deps.tell({ kind: 'gap', stream, recording_id: recordingId, record_dir, ...gap });
  };

  const put = (output: RecordingOutput): void => {
    switch (output.kind) {
      case 'init':
        writer.push({ kind: 'init', bytes: output.bytes, init: initOf(output) });
        return;
      case 'part':
        absence.mediaCame();
        aging.part(output);
        counts.parts += 1;
        counts.partBytes += output.bytes.length;
        if (writer.push({ kind: 'part', part: output })) return;
        counts.overflows += 1;
        log.warn({ bytes: writer.queuedBytes }, 'the disk is too slow: the rest comes from the ring');
        events.overflowed();
        return;
      case 'segment-closed':
        closeSegment(output);
        return;
      case 'gap':
        noteGap(absence.gapOf(output));
        return;
      case 'request-key-frame':
        events.wantsKeyFrame();
        return;
      case 'clock-step':
        log.warn({ ms: Math.round(output.byMs) }, "the node's clock was set");
        return;
      case 'refused-track':
        log.warn({ track: output.track, codec: output.codec, reason: output.reason }, 'a track is not recorded');
    }
  };

  return {
    put,
    bridged: absence.mediaCame,
    lastOnes: () => {
      isEnding = true;
    },
    holdFrom: aging.holdFrom,
    drained: writer.drained,
    close: writer.close,
  };
};
