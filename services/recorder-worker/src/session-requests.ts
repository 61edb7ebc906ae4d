import {
  type DeleteAnswer,
  mpdPathOf,
  recordIdOf,
  type SessionAcks,
  type SessionNames,
  type SessionsPage,
  type SessionsRequest,
  type SyncSessionInfo,
} from '@weir/contracts';
import type { Spool, SyncSession } from '@weir/spool';

type SessionSpool = Pick<Spool, 'listSessions' | 'ackSessions' | 'deleteSessions' | 'lastStamp'>;

// A page must fit a tap frame, and some of them a node's memory.
const MAX_PAGE_BYTES = 1_500_000;

const statusOf = ({ isAcked, isEnded }: SyncSession): SyncSessionInfo['status'] => {
  if (isAcked) return 'Acked';
  return isEnded ? 'Completed' : 'Active';
};

const infoOf = (session: SyncSession): SyncSessionInfo => ({
  id: recordIdOf(session.recordDir) || String(session.record),
  node: session.nodeAlias,
  recording_id: session.recordingId,
  stream: session.stream,
  record: String(session.record),
  record_dir: session.recordDir,
  mpd_path: mpdPathOf(session.recordDir),
  status: statusOf(session),
  start_ts: session.startTs,
  end_ts: session.endTs,
  duration_ms: session.durationMs,
  bytes: session.bytes,
  segments: session.segments,
  ts: session.changed,
});

const namesOf = ({ records }: SessionNames) =>
  records.map(({ stream, record }) => ({ stream, record: Number(record) }));

/** A page of sessions that fits a frame. */
export const sessionsPageOf = (
  spool: Pick<SessionSpool, 'listSessions' | 'lastStamp'>,
  { stream, since_ts, limit }: SessionsRequest,
  now: () => number,
): SessionsPage => {
  // Asked before the page is read: what is changed after this instant has a later stamp.
  const horizon = Math.max(spool.lastStamp(), Math.floor(now() * 1000) - 1);
  const { sessions, isFull } = spool.listSessions(since_ts, limit, stream ?? null);
  const page: SyncSessionInfo[] = [];
  let bytes = 0;
  for (const session of sessions) {
    const info = infoOf(session);
    bytes += JSON.stringify(info).length + 1;
    if (bytes > MAX_PAGE_BYTES && page.length > 0) break;
    page.push(info);
  }
  return { sessions: page, is_full: isFull || page.length < sessions.length, horizon };
};

/** Acknowledges sessions as listed; one without `ts` is of no version that is known, and so of none. */
export const ackSessions = (spool: Pick<SessionSpool, 'ackSessions'>, { records }: SessionAcks) => ({
  acked: spool.ackSessions(
    records.flatMap(({ stream, record, ts }) =>
      ts === undefined ? [] : [{ stream, record: Number(record), changed: ts }],
    ),
  ),
});

/** Deletes sessions from the list. */
export const deleteSessions = (spool: Pick<SessionSpool, 'deleteSessions'>, names: SessionNames): DeleteAnswer => {
  const { deleted, refused } = spool.deleteSessions(namesOf(names));
  return {
    deleted,
    refused: refused.map(({ stream, record, fault }) => ({ stream, record: String(record), code: fault })),
  };
};
