import type { RecordingRow } from '@weir/contracts';

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
