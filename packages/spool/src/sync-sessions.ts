/**
 * The recordings of a spool as the sync API tells them. A session stands at the stamp of its last change, pages go by
 * that stamp: what changes while a client pages moves behind its cursor and is told again, what does not is told once.
 *
 * An acknowledgement names the stamp that its client was told, and a deletion hides only what was acknowledged: a session
 * that changed in between, as by its end, is listed again. Neither touches media, and listing writes nothing.
 *
 * All of this is asked while the recorder takes media in: what one call reads is bounded, however long the recordings are.
 */
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

/** A session as a client has it: `changed` is that of the listing. */
export type KnownSession = SessionName & { changed: number };

/** Why a session may not be deleted. */
export type SessionFault = 'unknown' | 'not_acked' | 'not_indexed';

/** The sync API's side of the ledger; the recorder alone writes here. */
export type SyncSessions = {
  /** Sessions changed after `since`, in the order of their changes; `isFull` when there may be more. */
  listSessions(since: number, limit: number, stream: string | null): { sessions: SyncSession[]; isFull: boolean };
  /** Acknowledges sessions as their client knows them; tells how many. What is not theirs yet, a later `changed`, is none. */
  ackSessions(known: readonly KnownSession[]): number;
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
  segments: number;
  first_number: number | null;
  last_number: number | null;
  media_ms: number;
  bytes: number;
};

// The most ranges of one session: it must fit a tap frame.
const MOST_RANGES = 5_000;
// Numbers read one by one for a page, but for its first session: 32 ms, measured.
const MOST_NUMBERS = 20_000;

/** Prepares the reading of which segment numbers are there; numbers are read one by one only where some are not. */
const rangeReader = ({ db }: LedgerDatabase) => {
  const lost = db.prepare(
    `select 1 from gaps where recording_id = ? and segment is not null and withdrawn = 0 limit 1`,
  );
  const islands = db.prepare(`select min(number) as first, max(number) as last from (
      select s.number, s.number - row_number() over (order by s.number) as island from segments s
      where s.recording_id = ? and not (s.local = 'gone' and s.remote <> 'stored')
    ) group by island order by first limit ${MOST_RANGES}`);
  const isWhole = ({ recording_id, segments, first_number, last_number }: SessionRecord) =>
    segments === (last_number ?? 0) - (first_number ?? 0) + 1 && lost.get(recording_id) === undefined;
  return (row: SessionRecord): { numbers: number; read(): [number, number][] } => {
    const { recording_id, segments, first_number, last_number } = row;
    if (first_number === null || last_number === null) return { numbers: 0, read: () => [] };
    if (isWhole(row)) return { numbers: 0, read: () => [[first_number, last_number]] };
    const read = () =>
      (islands.all(recording_id) as { first: number; last: number }[]).map(({ first, last }): [number, number] => [
        first,
        last,
      ]);
    return { numbers: segments, read };
  };
};

/** Prepares the question what of a session the index has not; the recordings of what it refused are read once. */
const holdReader = ({ db }: LedgerDatabase) => {
  // Whatever became stored has a stamp that is not above `changed`: so it is in the index, unless that refused it.
  const waiting = db.prepare(`select 1 where :changed >
      coalesce((select cursor from index_cursor order by told desc limit 1), -1)
    or exists (select 1 from segments where recording_id = :id and remote = 'none' and local = 'present')
    or exists (select 1 from segments where recording_id = :id and remote = 'refused' and local = 'present')`);
  const refused =
    db.prepare(`with f as (select r.stamp, c.cursor from index_refusals r join index_cursor c using (index_id)
      where c.told = (select max(told) from index_cursor))
    select recording_id from f cross join recordings t on t.stamp = f.stamp
    union select recording_id from f cross join inits t on t.stamp = f.stamp
    union select recording_id from f cross join gaps t on t.stamp = f.stamp
    union select recording_id from f cross join segments t on t.stamp = f.stamp where t.remote = 'stored'
    union select recording_id from f cross join segments t on t.stored_stamp = f.stamp where t.stamp > f.cursor`);
  return () => {
    const ids = new Set((refused.all() as { recording_id: string }[]).map(({ recording_id }) => recording_id));
    return ({ recording_id: id, changed }: SessionRecord): boolean =>
      ids.has(id) || waiting.get({ changed, id }) !== undefined;
  };
};

/** Prepares the sync API's side of the ledger. */
export const syncSessions = (ledger: LedgerDatabase): SyncSessions => {
  const { db, transaction, snapshot } = ledger;
  const columns = `select y.*, r.node_alias, r.stream, r.record, r.record_dir, r.status, r.start_ms, r.end_ms`;
  const page = (from: string) =>
    db.prepare(`${columns} from ${from} and y.changed > :since and y.changed > y.deleted
      order by y.changed limit :limit`);
  const all = page('sync_sessions y cross join recordings r using (recording_id) where true');
  const ofStream = page('recordings r cross join sync_sessions y using (recording_id) where r.stream = :stream');
  const find = db.prepare(`${columns} from recordings r join sync_sessions y using (recording_id)
    where r.stream = ? and r.record = ?`);
  const ack = db.prepare('update sync_sessions set acked = max(acked, ?) where recording_id = ?');
  const hide = db.prepare('update sync_sessions set deleted = acked where recording_id = ?');
  const holds = holdReader(ledger);
  const rangesOf = rangeReader(ledger);
  const sessionOf = (row: SessionRecord, segments: [number, number][]): SyncSession => ({
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
    segments,
  });
  const named = ({ stream, record }: SessionName) => find.get(stream, record) as SessionRecord | undefined;
  const sessionsOf = (rows: readonly SessionRecord[]): SyncSession[] => {
    const sessions: SyncSession[] = [];
    let numbers = 0;
    for (const row of rows) {
      const ranges = rangesOf(row);
      numbers += ranges.numbers;
      if (numbers > MOST_NUMBERS && sessions.length > 0) break;
      sessions.push(sessionOf(row, ranges.read()));
    }
    return sessions;
  };
  return {
    listSessions: (since, limit, stream) =>
      snapshot(() => {
        const found = stream === null ? all.all({ since, limit }) : ofStream.all({ since, limit, stream });
        const sessions = sessionsOf(found as SessionRecord[]);
        return { sessions, isFull: found.length === limit || sessions.length < found.length };
      }),
    ackSessions: (known) =>
      transaction(() => {
        const acked = new Set<string>();
        for (const { changed, ...name } of known) {
          const row = named(name);
          if (row === undefined || changed < 1 || changed > row.changed) continue;
          ack.run(changed, row.recording_id);
          acked.add(row.recording_id);
        }
        return acked.size;
      }),
    deleteSessions: (names) =>
      transaction(() => {
        const isHeld = holds();
        const faultOf = (row: SessionRecord): SessionFault | null => {
          if (row.acked === 0) return 'not_acked';
          return isHeld(row) ? 'not_indexed' : null;
        };
        const refused: (SessionName & { fault: SessionFault })[] = [];
        const deleted = new Set<string>();
        for (const name of names) {
          const row = named(name);
          const fault = row === undefined ? 'unknown' : faultOf(row);
          if (row === undefined || fault !== null) {
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
