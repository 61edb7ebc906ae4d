/**
 * Init files and segments from the spool to the bucket, in the ledger's order: init files first, then what is live,
 * then the backlog. Deletes nothing. A crash between a put and its mark repeats the put, which the bucket answers with
 * "there already": nothing is lost and nothing is there twice.
 */
import { mediaType } from '@weir/contracts';
import type { Log } from '@weir/runtime';
import type { Ledger, TrackFile, UploadInit, UploadItem, UploadSegment } from '@weir/spool';
import { fileDamage } from './local-file.ts';
import type { SendObject } from './object-sender.ts';
import type { PutLane, PutTask, TaskOutcome } from './put-lane.ts';
import type { RetryTable } from './retry-table.ts';

/** What the uploads need. */
export type MediaUploadDeps = {
  ledger: Ledger;
  lane: PutLane;
  retries: Pick<RetryTable, 'size'>;
  send: SendObject;
  log: Log;
};

// Most objects that are looked over to find those that need not wait for another try.
const MAX_LOOK = 1024;

const keyOf = (item: UploadItem): string =>
  item.kind === 'init'
    ? `init ${item.recordingId} ${item.track} ${item.period}`
    : `segment ${item.recordingId} ${item.number}`;

const filesOf = (item: UploadItem): TrackFile[] => (item.kind === 'init' ? [item] : item.files);

/** Gives a recording another directory as long as nobody can have seen a segment in the one that is taken. */
const moveTaken = (
  { ledger, log }: MediaUploadDeps,
  { recordingId, recordDir }: UploadItem,
  reason: string,
): boolean => {
  const recording = ledger.recording(recordingId);
  if (recording?.record_dir !== recordDir) return true;
  if (ledger.segments(recordingId).some(({ remote }) => remote === 'stored')) return false;
  for (const { remote, track, period } of ledger.inits(recordingId))
    if (remote === 'stored') ledger.markMissing({ kind: 'init', recordingId, track, period });
  const moved = ledger.moveRecordDir(recordingId);
  log.warn({ recording: recordingId, taken: recordDir, now: moved.record_dir, reason }, 'directory taken, moved');
  return true;
};

const putFiles = async (
  { ledger, send }: MediaUploadDeps,
  item: UploadItem,
  signal: AbortSignal,
): Promise<TaskOutcome> => {
  for (const file of filesOf(item)) {
    const damage = await fileDamage(file);
    if (damage !== null) return { kind: 'damaged', reason: damage };
    const { key, path, bytes, sha256, track } = file;
    const type = mediaType({ kind: 'init', track, period: 1 });
    const meta = { bytes, sha256, type, createOnly: true };
    const result = await send({ key, source: { path }, meta, spool: ledger.spoolId }, signal);
    if (result === 'exists-different') return { kind: 'occupied', reason: `the bucket has another object at ${key}` };
  }
  return { kind: 'done' };
};

const markStored = ({ ledger }: MediaUploadDeps, item: UploadInit | UploadSegment): void => {
  // Moved meanwhile: what was put lies in the directory of another spool.
  if (ledger.recording(item.recordingId)?.record_dir !== item.recordDir) return;
  if (item.kind === 'init') ledger.markInitStored(item);
  else ledger.markSegmentStored(item.recordingId, item.number);
};

const taskOf = (deps: MediaUploadDeps, item: UploadItem): PutTask => {
  const { kind, recordingId: recording, recordDir } = item;
  const which = item.kind === 'init' ? { track: item.track, period: item.period } : { number: item.number };
  return {
    key: keyOf(item),
    lease: item,
    fields: { kind, recording, recordDir, ...which },
    run: async (signal) => {
      const outcome = await putFiles(deps, item, signal);
      if (outcome.kind === 'done') markStored(deps, item);
      return outcome;
    },
    refused: (reason) => deps.ledger.markRefused(item, reason),
    ...(item.kind === 'init' ? { taken: (reason: string) => moveTaken(deps, item, reason) } : {}),
  };
};

/** Starts as much of the ledger's work as there are free places. */
export const mediaUploads = (deps: MediaUploadDeps) => (): void => {
  const { ledger, lane, retries } = deps;
  if (lane.free() <= 0) return;
  const limit = Math.min(MAX_LOOK, lane.free() + retries.size);
  for (const item of ledger.uploadWork(limit)) {
    if (lane.free() <= 0) return;
    lane.start(taskOf(deps, item));
  }
};
