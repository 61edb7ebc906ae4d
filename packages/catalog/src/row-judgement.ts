/**
 * Which rows of a page the index takes. A recording's own row moves to a new stamp with each change, so in a replay its
 * segments come before it: such rows are taken, and the recording is *awaited* until its own row comes. A recording
 * whose own row is refused takes its rows with it, those that were awaiting it included.
 */
import { type LedgerRow, matchesPattern, mpdPathOf, pathFault, type RecordingRow } from '@weir/contracts';
import { type KnownRows, rowKey, type Session } from './known-rows.ts';

/** Whose rows they are and what that node may have. */
export type Sender = { spool: string; streamPatterns: readonly string[] };

/** What is to be written; `sessions` are whole rows, without what their parts add. */
export type Verdict = {
  taken: LedgerRow[];
  refused: { stamp: number; reason: string }[];
  sessions: Map<string, Session>;
  /** Recordings whose awaited segments count from now on. */
  arrived: Set<string>;
  /** Recordings whose directory is another than before, or whose stream was guessed wrong. */
  moved: Set<string>;
  /** Recordings that were guessed of their media until now, when their own row came. */
  told: Set<string>;
  /** Recordings whose own row was refused while rows of theirs were awaiting it. */
  lost: Map<string, string>;
};

const emptySession = (recordingId: string, spool: string): Session => ({
  recording_id: recordingId,
  spool_id: spool,
  stamp: 0,
  node_id: '',
  node_alias: '',
  stream: '',
  record: 0,
  record_dir: '',
  mpd_path: '',
  status: 'awaited',
  start_ms: 0,
  end_ms: null,
  end_cause: null,
  refused_reason: null,
  init_stored: false,
  codecs: [],
  media_end_ms: null,
  duration_ms: 0,
  bytes: 0,
  segments: 0,
});

type KnownSession = Session & { status: 'recording' | 'ended' };

/** A recording that a rebuild found by its media alone: its stream is a guess, until its spool tells. */
const isGuessed = (session: Session): boolean => session.stamp === 0;

const isKnown = (session: Session | undefined): session is KnownSession =>
  session !== undefined && (session.status === 'recording' || session.status === 'ended');

const withRecording = (session: Session, row: RecordingRow): Session => ({
  ...session,
  stamp: row.stamp,
  node_id: row.node_id,
  node_alias: row.node_alias,
  stream: row.stream,
  record: row.record,
  record_dir: row.record_dir,
  mpd_path: mpdPathOf(row.record_dir),
  status: row.status,
  start_ms: row.start_ms,
  end_ms: row.end_ms,
  end_cause: row.end_cause,
  refused_reason: null,
});

const dirFault = (known: KnownRows, dir: string, recordingId: string): string | null => {
  const holder = known.heldDirs.get(dir);
  return holder === undefined || holder.recordingId === recordingId ? null : holder.words;
};

const recordingFault = (known: KnownRows, row: RecordingRow, sender: Sender): string | null => {
  const before = known.sessions.get(row.recording_id);
  if (before !== undefined && before.spool_id !== sender.spool) return 'the recording belongs to another spool';
  if (!matchesPattern(sender.streamPatterns, row.stream)) return `stream ${row.stream} is not one of the node's`;
  if (isKnown(before) && before.stream !== row.stream && !isGuessed(before))
    return `the recording is one of stream ${before.stream}`;
  const fault = pathFault(row.record_dir);
  if (fault !== null) return `record_dir ${fault}`;
  return dirFault(known, row.record_dir, row.recording_id);
};

const partFault = (known: KnownRows, session: Session | undefined, row: LedgerRow, sender: Sender): string | null => {
  if (session === undefined) return null;
  if (session.spool_id !== sender.spool) return 'the recording belongs to another spool';
  if (session.status === 'refused') return `its recording was refused: ${session.refused_reason}`.slice(0, 500);
  if (session.status === 'awaited') return null;
  if (!matchesPattern(sender.streamPatterns, session.stream))
    return `stream ${session.stream} is not one of the node's`;
  if ((row.kind === 'segment' || row.kind === 'init') && row.remote === 'stored')
    return dirFault(known, session.record_dir, row.recording_id);
  return null;
};

const judgeRecording = (verdict: Verdict, known: KnownRows, row: RecordingRow, sender: Sender): void => {
  const before = known.sessions.get(row.recording_id);
  if (isKnown(before) && before.spool_id === sender.spool && before.stamp >= row.stamp) return;
  const fault = recordingFault(known, row, sender);
  if (fault !== null) {
    verdict.refused.push({ stamp: row.stamp, reason: fault });
    // A recording that is known stays as it is; one that is not must not be taken for awaited.
    if (isKnown(before) || (before !== undefined && before.spool_id !== sender.spool)) return;
    if (before?.status === 'awaited') verdict.lost.set(row.recording_id, fault);
    const refused = { ...(before ?? emptySession(row.recording_id, sender.spool)), stamp: row.stamp };
    verdict.sessions.set(row.recording_id, { ...refused, status: 'refused', refused_reason: fault });
    return;
  }
  verdict.taken.push(row);
  verdict.sessions.set(row.recording_id, withRecording(before ?? emptySession(row.recording_id, sender.spool), row));
  if (before !== undefined && !isKnown(before)) verdict.arrived.add(row.recording_id);
  if (isKnown(before) && isGuessed(before) && row.stamp > 0) verdict.told.add(row.recording_id);
  const isMoved = isKnown(before) && (before.record_dir !== row.record_dir || before.stream !== row.stream);
  if (isMoved) verdict.moved.add(row.recording_id);
};

const judgePart = (verdict: Verdict, known: KnownRows, row: LedgerRow, sender: Sender): void => {
  const session = verdict.sessions.get(row.recording_id) ?? known.sessions.get(row.recording_id);
  const fault = partFault(known, session, row, sender);
  if (fault !== null) {
    verdict.refused.push({ stamp: row.stamp, reason: fault });
    return;
  }
  if (session === undefined) verdict.sessions.set(row.recording_id, emptySession(row.recording_id, sender.spool));
  const before = row.kind === 'segment' ? known.segments.get(rowKey(row))?.stamp : known.stamps.get(rowKey(row));
  if (before === undefined || before < row.stamp) verdict.taken.push(row);
};

/** Judges rows of different keys against what the index has. A row that the index already has is neither taken nor refused. */
export const judgeRows = (known: KnownRows, rows: readonly LedgerRow[], sender: Sender): Verdict => {
  const verdict: Verdict = {
    taken: [],
    refused: [],
    sessions: new Map(),
    arrived: new Set(),
    moved: new Set(),
    told: new Set(),
    lost: new Map(),
  };
  for (const row of rows) if (row.kind === 'recording') judgeRecording(verdict, known, row, sender);
  for (const row of rows) if (row.kind !== 'recording') judgePart(verdict, known, row, sender);
  return verdict;
};
