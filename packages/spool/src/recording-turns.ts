import type { LedgerDatabase } from './ledger-database.ts';
import type { LedgerRows, RecordingRecord } from './ledger-rows.ts';
import type { RecordingLedger } from './recording-ledger.ts';
import { startRecording } from './recording-start.ts';
import { unknownRecording } from './spool-error.ts';

/** Prepares how a stream's recordings begin, end and follow each other. */
export const recordingTurns = (
  ledger: LedgerDatabase,
  rows: Pick<LedgerRows, 'recording'>,
  root: string,
): Pick<RecordingLedger, 'startRecording' | 'endRecording' | 'rotateRecording'> => {
  const { db, nextStamp, transaction } = ledger;
  const end = db.prepare(`update recordings set status = 'ended', end_ms = ?, end_cause = ?, stamp = ?
    where recording_id = ? and status = 'recording'`);
  const start = startRecording(ledger, root);
  const known = (recordingId: string): RecordingRecord => {
    const row = rows.recording(recordingId);
    if (row === undefined) throw unknownRecording(recordingId);
    return row;
  };
  const endRecording: RecordingLedger['endRecording'] = (recordingId, cause, endMs) =>
    transaction(() => {
      const row = known(recordingId);
      if (row.status === 'ended') return;
      end.run(Math.max(row.start_ms, Math.floor(endMs)), cause, nextStamp(), recordingId);
    });
  const rotateRecording: RecordingLedger['rotateRecording'] = (recordingId, endMs) =>
    transaction(() => {
      const { stream, node_id: nodeId, node_alias: nodeAlias, base_dir: baseDir } = known(recordingId);
      endRecording(recordingId, 'rotated', endMs);
      return start({ stream, nodeId, nodeAlias, baseDir, cause: 'rotation' });
    });
  return { startRecording: start, endRecording, rotateRecording };
};
