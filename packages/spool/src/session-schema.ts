import { REMOTE_CHANGED } from './ledger-schema.ts';

const changed = (event: string, table: string, when = ''): string =>
  `create trigger sync_sessions_${table}_${event.split(' ')[0]} after ${event} on ${table} ${when}
    begin insert into sync_sessions (recording_id, changed) values (new.recording_id, new.stamp)
      on conflict (recording_id) do update set changed = excluded.changed; end;`;

const SEGMENT_CHANGED = changed('update of stamp', 'segments', REMOTE_CHANGED);

/** As {@link file://./ledger-schema.ts} has them of its own. */
export const SESSION_TRIGGERS: Readonly<Record<string, string>> = { sync_sessions_segments_update: SEGMENT_CHANGED };

/**
 * The sessions of the sync API, made in older ledgers when they are opened. Triggers keep them, so that a program of
 * the same version that knows nothing of them keeps them too: they are no version of the ledger of their own.
 */
export const SESSION_SCHEMA = `
  -- A recording that has a segment, a gap or an end. changed is the stamp of its last change, so that no two share one.
  -- acked and deleted are the value of changed that was acknowledged, and that was deleted.
  -- Kept by triggers; acked and deleted by the recorder.
  create table sync_sessions (
    recording_id text primary key references recordings (recording_id) on delete cascade,
    changed integer not null unique,
    segments integer not null default 0,
    first_number integer,
    last_number integer,
    media_ms integer not null default 0,
    bytes integer not null default 0,
    acked integer not null default 0,
    deleted integer not null default 0
  ) strict, without rowid;
  insert into sync_sessions (recording_id, changed, segments, first_number, last_number, media_ms, bytes)
    select r.recording_id, max(r.stamp, r.content_version, coalesce(max(s.stamp), 0)), count(s.seq),
      min(s.number), max(s.number), coalesce(sum(s.duration_ms), 0), coalesce(sum((select sum(t.bytes)
      from segment_tracks t where t.segment = s.seq)), 0)
    from recordings r left join segments s using (recording_id) group by r.recording_id
    having count(s.seq) > 0 or r.status = 'ended' or r.content_version > 0;
  ${changed('update of stamp', 'recordings')}
  ${SEGMENT_CHANGED}
  ${changed('insert', 'gaps')}
  ${changed('update of stamp', 'gaps')}
  create trigger sync_sessions_segments_insert after insert on segments
    begin insert into sync_sessions (recording_id, changed, segments, first_number, last_number, media_ms)
      values (new.recording_id, new.stamp, 1, new.number, new.number, new.duration_ms)
      on conflict (recording_id) do update set changed = excluded.changed, segments = segments + 1,
        first_number = min(coalesce(first_number, excluded.first_number), excluded.first_number),
        last_number = max(coalesce(last_number, excluded.last_number), excluded.last_number),
        media_ms = media_ms + excluded.media_ms; end;
  create trigger sync_sessions_segment_tracks_insert after insert on segment_tracks
    begin update sync_sessions set bytes = bytes + new.bytes
      where recording_id = (select recording_id from segments where seq = new.segment); end;
`;

/** Indexes of the sessions and of what is asked for them, made in older ledgers likewise. */
export const SESSION_INDEXES = `
  -- What is listed, however many were deleted from the list.
  create index if not exists sync_sessions_shown on sync_sessions (changed) where changed > deleted;
  -- Of which recordings the index refused something, and the bucket.
  create index if not exists segments_stored_stamp on segments (stored_stamp) where stored_stamp is not null;
  create index if not exists segments_refused_of on segments (recording_id) where remote = 'refused' and local = 'present';
`;

/** How many bytes of segments lie on the disk, kept by triggers likewise. */
export const SIZE_SCHEMA = `
  -- One row: the bytes of all segments that are present. Kept by triggers.
  create table spool_size (
    only integer primary key check (only = 1),
    present_bytes integer not null
  ) strict;
  insert into spool_size (only, present_bytes) select 1, coalesce(sum(t.bytes), 0)
    from segments s join segment_tracks t on t.segment = s.seq where s.local = 'present';
  create trigger spool_size_segment_tracks_insert after insert on segment_tracks
    when (select local from segments where seq = new.segment) = 'present'
    begin update spool_size set present_bytes = present_bytes + new.bytes; end;
  create trigger spool_size_segments_update after update of local on segments
    when (old.local = 'present') <> (new.local = 'present')
    begin update spool_size set present_bytes = present_bytes + (case new.local when 'present' then 1 else -1 end)
      * (select coalesce(sum(t.bytes), 0) from segment_tracks t where t.segment = new.seq); end;
`;
