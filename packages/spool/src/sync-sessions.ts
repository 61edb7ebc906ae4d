/**
 * The recordings of a spool as the sync API tells them. A session stands at the stamp of its last change, pages go by
 * that stamp: what changes while a client pages moves behind its cursor and is told again, what does not is told once.
 *
 * An acknowledgement is of what was last listed, and a deletion hides only what was acknowledged: a session that changed
 * in between, as by its end, is listed again. Neither touches media.
 */
import { INDEXED } from './index-cursor.ts';
import type { LedgerDatabase } from './ledger-database.ts';

/** A session: times in microseconds, `segments` are ranges of the numbers that site or bucket have. */
export type SyncSession = {
  recordingId: string;
  nodeAlias: string;
  stream: string;
  record: number;
  recordDir: string;
  changed: number;
  isEnded: boolean;
  isAcked: boolean;
  startTs: number;
  endTs: number | null;
  durationMs: number;
  bytes: number;
  segments: [first: number, last: number][];
};

/** By what a session is named. */
export type SessionName = { stream: string; record: number };

/** Why a session may not be deleted. */
export type SessionFault = 'unknown' | 'not_acked' | 'not_indexed';

/** The sync API's side of the ledger; the recorder alone writes here. */
export type SyncSessions = {
  /** Sessions changed after `since`, in the order of their changes; `isFull` when there may be more. Notes them as listed. */
  listSessions(since: number, limit: number, stream: string | null): { sessions: SyncSession[]; isFull: boolean };
  /** Acknowledges sessions as they were last listed; tells how many are known. */
  ackSessions(names: readonly SessionName[]): number;
  /** Lists acknowledged sessions no more until they change; refuses those of which anything is not in the index. */
  deleteSessions(names: readonly SessionName[]): {
    deleted: number;
    refused: (SessionName & { fault: SessionFault })[];
  };
};

type SessionRecord = {
  recording_id: string;
  node_alias: string;
  stream: string;
  record: number;
  record_dir: string;
  status: 'recording' | 'ended';
  start_ms: number;
  end_ms: number | null;
  changed: number;
  acked: number;
  listed: number;
  segments: number;
  first_number: number | null;
  last_number: number | null;
  media_ms: number;
  bytes: number;
};

// The most ranges of one session: it must fit a tap frame.
const MOST_RANGES = 5_000;

/** Prepares the reading of which segment numbers are there; numbers are read one by one only where some are not. */
const rangeReader = ({ db }: LedgerDatabase) => {
  const lost = db.prepare(
    `select 1 from gaps where recording_id = ? and segment is not null and withdrawn = 0 limit 1`,
  );
  const islands = db.prepare(`select min(number) as first, max(number) as last from (
      select s.number, s.number - row_number() over (order by s.number) as island from segments s
      where s.recording_id = ? and not (s.local = 'gone' and s.remote <> 'stored')
    ) group by island order by first limit ${MOST_RANGES}`);
  return ({ recording_id, segments, first_number, last_number }: SessionRecord): [number, number][] => {
    if (first_number === null || last_number === null) return [];
    const isWhole = segments === last_number - first_number + 1 && lost.get(recording_id) === undefined;
    if (isWhole) return [[first_number, last_number]];
    return (islands.all(recording_id) as { first: number; last: number }[]).map(({ first, last }) => [first, last]);
  };
};

/** Prepares the sync API's side of the ledger. */
export const syncSessions = (ledger: LedgerDatabase): SyncSessions => {
  const { db, transaction } = ledger;
  const columns = `select y.*, r.node_alias, r.stream, r.record, r.record_dir, r.status, r.start_ms, r.end_ms`;
  const page = (where: string) =>
    db.prepare(`${columns} from sync_sessions y join recordings r using (recording_id)
      where y.changed > :since and y.changed > y.deleted ${where} order by y.changed limit :limit`);
  const all = page('');
  const ofStream = page('and r.stream = :stream');
  const list = db.prepare('update sync_sessions set listed = changed where recording_id = ? and listed <> changed');
  const find = db.prepare(`${columns} from recordings r join sync_sessions y using (recording_id)
    where r.stream = ? and r.record = ?`);
  const ack = db.prepare('update sync_sessions set acked = listed where recording_id = ?');
  const hide = db.prepare('update sync_sessions set deleted = acked where recording_id = ?');
  // Nothing above the cursor, nothing waiting at the site, nothing that the index passed without taking it.
  const unindexed = db.prepare(`select 1 where :changed >
      coalesce((select cursor from index_cursor order by told desc limit 1), -1)
    or exists (select 1 from segments s where s.recording_id = :id and s.local <> 'gone' and s.remote <> 'stored')
    or exists (select 1 from segments s where s.recording_id = :id and s.remote = 'stored' and not ${INDEXED})`);
  const rangesOf = rangeReader(ledger);
  const sessionOf = (row: SessionRecord): SyncSession => ({
    recordingId: row.recording_id,
    nodeAlias: row.node_alias,
    stream: row.stream,
    record: row.record,
    recordDir: row.record_dir,
    changed: row.changed,
    isEnded: row.status === 'ended',
    isAcked: row.acked === row.changed,
    startTs: row.start_ms * 1000,
    endTs: row.end_ms === null ? null : row.end_ms * 1000,
    durationMs: row.media_ms,
    bytes: row.bytes,
    segments: rangesOf(row),
  });
  const named = ({ stream, record }: SessionName) => find.get(stream, record) as SessionRecord | undefined;
  const faultOf = (row: SessionRecord | undefined): SessionFault | null => {
    if (row === undefined) return 'unknown';
    if (row.acked === 0) return 'not_acked';
    const isHeld = unindexed.get({ changed: row.changed, id: row.recording_id }) !== undefined;
    return isHeld ? 'not_indexed' : null;
  };
  return {
    listSessions: (since, limit, stream) =>
      transaction(() => {
        const found = stream === null ? all.all({ since, limit }) : ofStream.all({ since, limit, stream });
        const rows = found as SessionRecord[];
        for (const { recording_id, listed, changed } of rows) if (listed !== changed) list.run(recording_id);
        return { sessions: rows.map(sessionOf), isFull: rows.length === limit };
      }),
    ackSessions: (names) =>
      transaction(() => {
        const rows = names.flatMap((name) => named(name) ?? []).filter(({ listed }) => listed > 0);
        for (const { recording_id } of rows) ack.run(recording_id);
        return new Set(rows.map(({ recording_id }) => recording_id)).size;
      }),
    deleteSessions: (names) =>
      transaction(() => {
        const refused: (SessionName & { fault: SessionFault })[] = [];
        const deleted = new Set<string>();
        for (const name of names) {
          const row = named(name);
          const fault = faultOf(row);
          if (fault !== null || row === undefined) {
            refused.push({ ...name, fault: fault ?? 'unknown' });
            continue;
          }
          hide.run(row.recording_id);
          deleted.add(row.recording_id);
        }
        return { deleted: deleted.size, refused };
      }),
  };
};
