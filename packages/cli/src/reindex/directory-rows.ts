/** The rows of a recording as its directory in the bucket tells them. */
import { type Bucket, digestObject } from '@weir/bucket';
import type { RestoredRecording } from '@weir/catalog';
import {
  decodeRecordDocument,
  encodeKey,
  type LedgerRow,
  type RecordDocument,
  type RecordingRow,
  type RowsDocument,
  recordIdOf,
} from '@weir/contracts';
import { MAX_DOCUMENT_BYTES } from '../index-and-bucket.ts';
import type { BucketDirectory } from './bucket-directories.ts';
import { type DirectoryMedia, directoryMedia, directoryOwner } from './directory-media.ts';

/** What a directory gave: a recording to restore, or why it gives none; `strange` names objects that were passed over, `conflicts` places that two claim. */
export type DirectoryRows = {
  restored: RestoredRecording | null;
  from: 'record.json' | 'media';
  strange: string[];
  conflicts: string[];
};

const readDocument = async (
  bucket: Pick<Bucket, 'get'>,
  { recordDir, objects }: BucketDirectory,
): Promise<RecordDocument | null> => {
  if (!objects.some(({ name }) => name.kind === 'record')) return null;
  const found = await digestObject(bucket, encodeKey(recordDir, { kind: 'record' }), MAX_DOCUMENT_BYTES);
  const document = found === null ? null : decodeRecordDocument(found.head.toString());
  return document?.recording.record_dir === recordDir ? document : null;
};

const rowsOf = ({ recording, inits, segments, gaps }: RowsDocument): LedgerRow[] => {
  const { recording_id } = recording;
  return [
    { kind: 'recording', ...recording },
    ...inits.map((row) => ({ kind: 'init', recording_id, ...row }) as const),
    ...segments.map((row) => ({ kind: 'segment', recording_id, ...row }) as const),
    ...gaps.map((row) => ({ kind: 'gap', recording_id, ...row }) as const),
  ];
};

/** The recording's own row where no document tells it: by the directory's name and its media. */
const guessedRecording = (recordDir: string, { recordingId, segments }: DirectoryMedia): RecordingRow => {
  const start_ms = segments[0]?.start_ms ?? Number(recordIdOf(recordDir)) * 1000;
  const last = segments.at(-1);
  return {
    kind: 'recording',
    stamp: 0,
    recording_id: recordingId,
    node_id: 'unknown',
    node_alias: 'unknown',
    stream: recordDir.split('/', 1)[0] ?? '',
    record: Number(recordIdOf(recordDir)) || Math.floor(start_ms / 1000),
    record_dir: recordDir,
    status: 'ended',
    start_ms,
    end_ms: last === undefined ? start_ms : last.start_ms + last.duration_ms,
    end_cause: null,
  };
};

const gapsOf = (document: RecordDocument, recording_id: string): LedgerRow[] =>
  document.gaps.map((gap) => ({ kind: 'gap', recording_id, stamp: 0, withdrawn: false, ...gap }));

/** Why a document is not the directory's own: sites write it, and what it says takes the place of rows of the index. */
const foreignFault = async (
  bucket: Pick<Bucket, 'get'>,
  directory: BucketDirectory,
  { spool_id, recording }: RecordDocument,
): Promise<string | null> => {
  const owner = await directoryOwner(bucket, directory);
  if (owner === null) return 'no init file says whose it is';
  const { spoolId, recordingId } = owner;
  if (spoolId === spool_id && recordingId === recording.recording_id) return null;
  return `it says recording ${recording.recording_id} of spool ${spool_id}, the media ${recordingId} of ${spoolId}`;
};

/** Reads a directory: `record.json` where it tells every row and is its own, else the media themselves. */
export const directoryRows = async (
  bucket: Pick<Bucket, 'get'>,
  directory: BucketDirectory,
): Promise<DirectoryRows> => {
  const { recordDir } = directory;
  const found = await readDocument(bucket, directory);
  const fault = found === null ? null : await foreignFault(bucket, directory, found);
  const document = fault === null ? found : null;
  const foreign = fault === null ? [] : [`${recordDir}/record.json: ${fault}`];
  if (document?.weir_record === 2) {
    const { recording, spool_id: spool } = document;
    const { node_alias: node, recording_id: recordingId } = recording;
    return {
      restored: { spool, node, recordDir, recordingId, rows: rowsOf(document) },
      from: 'record.json',
      strange: [],
      conflicts: [],
    };
  }
  const media = await directoryMedia(bucket, directory);
  if (media === null)
    return { restored: null, from: 'media', strange: [`${recordDir} has no init file that says whose`], conflicts: [] };
  const { spoolId: spool, recordingId, inits, segments, gaps, strange, conflicts } = media;
  const own: RecordingRow =
    document === null ? guessedRecording(recordDir, media) : { kind: 'recording', stamp: 0, ...document.recording };
  const noted = document === null ? gaps : gapsOf(document, recordingId);
  const rows = [own, ...inits, ...segments, ...noted];
  const restored = { spool, node: own.node_alias, recordDir, recordingId, rows };
  return { restored, from: 'media', strange: [...foreign, ...strange], conflicts };
};
