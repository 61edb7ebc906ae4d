import type { GapRow, InitRow, RecordingRow, SegmentRow } from '@weir/contracts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { LedgerRows, RecordingRecord } from './ledger-rows.ts';
import { unknownRecording } from './spool-error.ts';

/** What a manifest or `record.json` is made of, read in one moment. */
export type ManifestFacts = {
  recording: Omit<RecordingRow, 'kind'>;
  /** The directory in the spool, relative to it. */
  dir: string;
  inits: InitRow[];
  segments: SegmentRow[];
  /** Gaps that stand: without those withdrawn. */
  gaps: GapRow[];
  /** Segments that may still become stored: present, neither stored nor refused. */
  pending: number;
  /** The recording has ended and no further segment will come into these facts. */
  isFinal: boolean;
  /** To be handed back when the document made of this is in the bucket. */
  version: number;
};

/** Which documents are to be made, of what, and that they are made. */
export type ManifestLedger = {
  /** Every fact of a recording; `scope` picks the segments: those on disk, those stored, or all. */
  manifestOf(recordingId: string, scope: 'present' | 'stored' | 'all'): ManifestFacts;
  /** Recordings with stored segments whose manifest in the bucket is older than that, oldest change first. */
  manifestsDue(limit: number): string[];
  markManifestStored(recordingId: string, version: number): void;
  /** Ended recordings of which every segment is stored or given up and whose `record.json` is missing or older. */
  documentsDue(limit: number): string[];
  /** Recordings with segments on disk, and their directories in the spool: those that have a manifest there. */
  recordingsPresent(): { recording_id: string; dir: string }[];
  markDocumentStored(recordingId: string, version: number): void;
};

const HAS_STORED = `exists (select 1 from segments s where s.recording_id = r.recording_id and s.remote = 'stored')`;
const INIT_STORED = `exists (select 1 from inits i where i.recording_id = r.recording_id and i.remote = 'stored')`;
const PENDING = `from segments s where s.recording_id = r.recording_id and s.remote = 'none' and s.local = 'present'`;

/** Prepares the documents' side of the ledger. */
export const manifestLedger = (ledger: LedgerDatabase, rows: LedgerRows): ManifestLedger => {
  const { db } = ledger;
  const facts = db.prepare(`select (select count(*) ${PENDING}) as pending, max(content_version, stamp) as version
    from recordings r where recording_id = ?`);
  const manifests = db.prepare(`select recording_id from recordings r
    where manifest_version < content_version and ${HAS_STORED} order by content_version limit ?`);
  const documents = db.prepare(`select recording_id from recordings r
    where document_version < content_version and status = 'ended' and ${INIT_STORED} and not exists (select 1 ${PENDING})
    order by content_version limit ?`);
  const put = (column: string) =>
    db.prepare(`update recordings set ${column} = max(${column}, ?) where recording_id = ?`);
  const manifestPut = put('manifest_version');
  const documentPut = put('document_version');
  const present = db.prepare(`select recording_id, dir from recordings r where exists
    (select 1 from segments s where s.recording_id = r.recording_id and s.local = 'present') order by seq`);
  const ids = (found: unknown[]) => (found as { recording_id: string }[]).map(({ recording_id }) => recording_id);
  const read = (recordingId: string, scope: 'present' | 'stored' | 'all'): ManifestFacts => {
    const row = rows.recording(recordingId);
    if (row === undefined) throw unknownRecording(recordingId);
    const { pending, version } = facts.get(recordingId) as { pending: number; version: number };
    const isWanted = (segment: SegmentRow) =>
      scope === 'all' || (scope === 'stored' ? segment.remote === 'stored' : segment.local === 'present');
    return {
      recording: recordingFacts(row),
      dir: row.dir,
      inits: rows.inits(recordingId).filter((init) => scope !== 'stored' || init.remote === 'stored'),
      segments: rows.segments(recordingId).filter(isWanted),
      gaps: rows.gaps(recordingId).filter((gap) => !gap.withdrawn),
      pending,
      isFinal: row.status === 'ended' && (scope !== 'stored' || pending === 0),
      version,
    };
  };
  return {
    // Version and rows are of the same moment.
    manifestOf: (recordingId, scope) => ledger.snapshot(() => read(recordingId, scope)),
    manifestsDue: (limit) => ids(manifests.all(limit)),
    // What a power cut takes back of these is put again.
    markManifestStored: (recordingId, version) => ledger.unsynced(() => void manifestPut.run(version, recordingId)),
    documentsDue: (limit) => ids(documents.all(limit)),
    recordingsPresent: () => present.all() as { recording_id: string; dir: string }[],
    markDocumentStored: (recordingId, version) => ledger.unsynced(() => void documentPut.run(version, recordingId)),
  };
};

const recordingFacts = (row: RecordingRecord): Omit<RecordingRow, 'kind'> => {
  const { stamp, recording_id, node_id, node_alias, stream, record, record_dir, status, start_ms, end_ms, end_cause } =
    row;
  return { stamp, recording_id, node_id, node_alias, stream, record, record_dir, status, start_ms, end_ms, end_cause };
};
