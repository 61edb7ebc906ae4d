export { type Evicted, type EvictionScope, evictionOrder } from './eviction.ts';
export type { IndexCursor } from './index-cursor.ts';
export type { SpoolNeeds } from './ledger-database.ts';
export type { RecordingRecord, TrackFile } from './ledger-rows.ts';
export type { ManifestFacts, ManifestLedger } from './manifest-facts.ts';
export { takeProcessLock } from './process-lock.ts';
export {
  listRecordingFiles,
  type OpenSegmentFile,
  type RecordingFile,
  syncDirectory,
} from './recording-directory.ts';
export { recordDocumentOf, recordingManifest } from './recording-documents.ts';
export type {
  ClosedSegment,
  NewGap,
  NewInit,
  OpenRecording,
  RecordingLedger,
} from './recording-ledger.ts';
export type { RecordingStart } from './recording-start.ts';
export type { RefusalLedger, RefusedRecording } from './refusals.ts';
export type { ScrubItem, ScrubLedger, ScrubPosition } from './scrub-ledger.ts';
export type { DeletionReason } from './segment-gap.ts';
export { type Ledger, type LedgerReader, openLedger, openSpool, type Spool } from './spool.ts';
export { isSpoolError, SpoolError, type SpoolErrorCode } from './spool-error.ts';
export type { KnownSession, SessionFault, SessionName, SyncSession, SyncSessions } from './sync-sessions.ts';
export type { DocumentItem, LeaseItem, RemoteItem, UploadLedger } from './upload-ledger.ts';
export type {
  SegmentTurn,
  UploadInit,
  UploadItem,
  UploadSegment,
  UploadWork,
  WaitingInit,
  WaitingSegment,
} from './upload-work.ts';
