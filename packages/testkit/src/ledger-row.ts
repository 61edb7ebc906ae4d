import type { RecordingRow, SegmentRow } from '@weir/contracts';

/** The row of a recording that runs, as a ledger tells it to the index: of stream `cam-1` at the node `site`. */
export const runningRecording = (
  recordingId: string,
  stamp: number,
  startMs: number,
  more: Partial<RecordingRow> = {},
): RecordingRow => ({
  kind: 'recording',
  stamp,
  recording_id: recordingId,
  node_id: 'node-id',
  node_alias: 'site',
  stream: 'cam-1',
  record: 1_772_280_000,
  record_dir: 'cam-1/1772280000',
  status: 'recording',
  start_ms: startMs,
  end_ms: null,
  end_cause: null,
  ...more,
});

/** A segment of a second of video, in the bucket since its stamp; `startMs` is that of number 1. */
export const storedSegment = (recordingId: string, stamp: number, number: number, startMs: number): SegmentRow => ({
  kind: 'segment',
  stamp,
  recording_id: recordingId,
  number,
  period: 1,
  start_ms: startMs + (number - 1) * 1000,
  duration_ms: 1000,
  key_frame: true,
  tracks: [
    {
      track: 'video',
      base_time: 0,
      duration: 90_000,
      timescale: 90_000,
      samples: 30,
      bytes: 1000,
      sha256: 'ab'.repeat(32),
    },
  ],
  local: 'present',
  remote: 'stored',
  stored_stamp: stamp,
  refused_reason: null,
});
