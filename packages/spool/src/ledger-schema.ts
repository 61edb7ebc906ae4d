/** Version of the schema below, kept in `pragma user_version`. */
export const LEDGER_VERSION = 1;

const states = `local text not null check (local in ('open', 'present', 'gone')),
    remote text not null default 'none' check (remote in ('none', 'stored', 'refused')),
    stored_stamp integer check ((stored_stamp is not null) = (remote = 'stored')),
    refused_reason text check ((refused_reason is not null) = (remote = 'refused')),
    stamp integer not null unique`;

/** A row's stamp is the one just taken from `spool`, so that no two rows of any table share one. */
const stampTriggers = (table: string): string =>
  ['insert', 'update of stamp']
    .map(
      (event) => `create trigger ${table}_stamp_${event.split(' ')[0]} before ${event} on ${table}
    when new.stamp <> (select last_stamp from spool)
    begin select raise(abort, 'the stamp of a ${table} row is not the one just taken'); end;`,
    )
    .join('\n');

const contentTrigger = (table: string, event: string, when = ''): string =>
  `create trigger ${table}_content_${event.split(' ')[0]} after ${event} on ${table} ${when}
    begin update recordings set content_version = new.stamp where recording_id = new.recording_id; end;`;

/** Letting go of what the bucket has changes nothing that documents or sessions tell; a lost segment has a gap, which does. */
export const REMOTE_CHANGED = 'when old.remote <> new.remote';
const SEGMENT_CONTENT = contentTrigger('segments', 'update of stamp', REMOTE_CHANGED);

/** The ledger: what is durable, what is stored, what the index holds. Wall times in ms, media times in ticks. */
export const LEDGER_SCHEMA = `
  -- One row: the spool's identity and its change counter. Written by recorder and uploader.
  create table spool (
    only integer primary key check (only = 1),
    spool_id text not null check (length(spool_id) between 16 and 64),
    last_stamp integer not null check (last_stamp >= 0)
  ) strict;
  create trigger spool_stamp_grows before update of last_stamp on spool
    when new.last_stamp <= old.last_stamp begin select raise(abort, 'a stamp never goes back'); end;
  create trigger spool_stays before delete on spool begin select raise(abort, 'a spool keeps its row'); end;

  -- A recording session of a stream. dir is its directory in the spool and never changes; record_dir is the one in
  -- bucket and index. A recording with status 'recording' is what a stream has been ordered: at most one per stream.
  -- content_version is the stamp of the last change of what its documents tell (kept by triggers); manifest_version
  -- and document_version are that of the manifest and the record.json in the bucket.
  -- Written by the recorder, but for record and record_dir (moved) and the two versions: the uploader.
  create table recordings (
    seq integer primary key,
    recording_id text not null unique,
    node_id text not null,
    node_alias text not null,
    stream text not null,
    record integer not null check (record >= 0),
    record_dir text not null unique,
    dir text not null unique,
    base_dir text,
    cause text not null check (cause in ('auto', 'api', 'rotation')),
    ordered_ms integer not null,
    status text not null check (status in ('recording', 'ended')),
    start_ms integer not null check (start_ms >= 0),
    end_ms integer check ((end_ms is not null) = (status = 'ended')),
    end_cause text check ((end_cause is not null) = (status = 'ended')),
    epoch text,
    generation integer not null default 0,
    content_version integer not null default 0,
    manifest_version integer not null default 0,
    document_version integer not null default 0,
    stamp integer not null unique
  ) strict;
  create unique index recordings_ordered on recordings (stream) where status = 'recording';
  create index recordings_of_stream on recordings (stream, record);
  create index recordings_manifest_due on recordings (content_version) where manifest_version < content_version;
  create index recordings_document_due on recordings (content_version)
    where document_version < content_version and status = 'ended';

  -- An init file: one track of one period. The row is written after the file is synced, before any part counts.
  -- Written by the recorder, remote by the uploader.
  create table inits (
    seq integer primary key,
    recording_id text not null references recordings (recording_id),
    track text not null check (track in ('video', 'audio')),
    period integer not null check (period >= 1),
    codec text not null,
    timescale integer not null check (timescale >= 1),
    width integer, height integer, sample_rate integer, channels integer,
    bytes integer not null check (bytes > 0),
    sha256 text not null check (length(sha256) = 64),
    ${states},
    unique (recording_id, track, period)
  ) strict;
  create index inits_unsent on inits (seq) where remote = 'none' and local = 'present';

  -- A segment whose files are final and synced. An open segment has no row: its files are found in the directory.
  -- resume is where the recording goes on after it (JSON array of resume points). Written by the recorder, remote by
  -- the uploader.
  create table segments (
    seq integer primary key,
    recording_id text not null references recordings (recording_id),
    number integer not null check (number >= 1),
    period integer not null check (period >= 1),
    start_ms integer not null check (start_ms >= 0),
    duration_ms integer not null check (duration_ms >= 0),
    key_frame integer not null check (key_frame in (0, 1)),
    resume text not null check (json_valid(resume)),
    ${states},
    unique (recording_id, number)
  ) strict;
  create index segments_unsent on segments (seq) where remote = 'none' and local = 'present';
  create index segments_unsent_of on segments (recording_id, number) where remote = 'none' and local = 'present';

  -- One track's file of a segment. Written with its segment and never changed.
  create table segment_tracks (
    segment integer not null references segments (seq) on delete cascade,
    track text not null check (track in ('video', 'audio')),
    base_time integer not null check (base_time >= 0),
    duration integer not null check (duration >= 0),
    timescale integer not null check (timescale >= 1),
    samples integer not null check (samples >= 0),
    bytes integer not null check (bytes > 0),
    sha256 text not null check (length(sha256) = 64),
    primary key (segment, track)
  ) strict, without rowid;

  -- A stretch without media. segment is set on the gap of a segment that is gone without having been stored, and
  -- only there. Written by the recorder; by whoever deletes or stores a segment for that segment's.
  create table gaps (
    seq integer primary key,
    recording_id text not null references recordings (recording_id),
    from_ms integer not null check (from_ms >= 0),
    to_ms integer not null check (to_ms >= from_ms),
    cause text not null check (cause in ('no_publisher', 'packet_loss', 'ring_overflow', 'edge_restart',
      'recorder_restart', 'disk_full', 'disk_error', 'evicted', 'refused', 'spool_lost')),
    segment integer check (segment >= 1),
    noted_ms integer not null,
    withdrawn integer not null default 0 check (withdrawn in (0, 1)),
    stamp integer not null unique,
    unique (recording_id, from_ms)
  ) strict;
  create unique index gaps_of_segment on gaps (recording_id, segment) where segment is not null;

  -- What each index has told us that it committed; told counts up, so that the latest teller is known.
  -- Written by whoever is told: uploader (ack) or recorder (pull).
  create table index_cursor (
    index_id text primary key,
    cursor integer not null check (cursor >= 0),
    told integer not null unique
  ) strict, without rowid;
  -- Rows that an index passed without taking them, by the stamp they had.
  create table index_refusals (
    index_id text not null references index_cursor (index_id) on delete cascade,
    stamp integer not null,
    reason text not null,
    primary key (index_id, stamp)
  ) strict, without rowid;

  -- Who is busy with an object of the bucket, until when at most. Whoever deletes a file takes its lease first.
  create table leases (
    item text primary key,
    holder text not null,
    until_ms integer not null
  ) strict, without rowid;

  ${['recordings', 'inits', 'segments', 'gaps'].map(stampTriggers).join('\n')}
  ${contentTrigger('recordings', 'update of stamp')}
  ${SEGMENT_CONTENT}
  ${contentTrigger('gaps', 'insert')}
  ${contentTrigger('gaps', 'update of stamp')}
`;

/**
 * Indexes added since, made in older ledgers when they are opened. They change nothing that a program of the same
 * version reads or writes, so they are no version of their own.
 */
export const LEDGER_INDEXES = `
  -- What is asked of every recording whose manifest is due, however many segments of it wait.
  create index if not exists segments_stored_of on segments (recording_id) where remote = 'stored';
  -- What may be evicted, oldest first, however many segments have gone before or may not go.
  create index if not exists segments_evictable on segments (seq, stored_stamp)
    where local = 'present' and remote = 'stored';
  -- What was refused and can be put again.
  create index if not exists segments_refused on segments (seq) where remote = 'refused' and local = 'present';
  create index if not exists inits_refused on inits (seq) where remote = 'refused' and local = 'present';
  create index if not exists segments_losable on segments (seq) where local = 'present' and remote <> 'stored';
`;

/** Triggers that older ledgers have otherwise; whoever opens one puts these in their place. */
export const LEDGER_TRIGGERS: Readonly<Record<string, string>> = { segments_content_update: SEGMENT_CONTENT };
