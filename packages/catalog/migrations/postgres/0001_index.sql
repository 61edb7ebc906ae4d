-- The index: what the cloud knows of all spools. Wall times are integer milliseconds UTC unless the column says
-- otherwise, stamps are a spool's change counter in microseconds, and a row is changed only by a higher stamp.

CREATE TABLE nodes (
  alias text PRIMARY KEY CHECK (alias <> ''),
  node_id text NOT NULL,
  version text NOT NULL,
  http text,
  stream_patterns jsonb NOT NULL,
  last_seen_ms bigint NOT NULL CHECK (last_seen_ms >= 0)
);
COMMENT ON TABLE nodes IS 'One row per edge node that was ever seen, with the patterns of the streams it may have. Writer: indexer.';

CREATE TABLE spools (
  spool_id text PRIMARY KEY CHECK (length(spool_id) BETWEEN 16 AND 64),
  node text NOT NULL CHECK (node <> ''),
  cursor bigint NOT NULL DEFAULT 0 CHECK (cursor >= 0),
  last_seen_ms bigint NOT NULL CHECK (last_seen_ms >= 0)
);
COMMENT ON TABLE spools IS 'One row per spool. cursor: every ledger row with a stamp up to it was taken, or refused and named in refusals; moved in the transaction that takes the rows, never back. node: alias that last sent rows of it. Writer: indexer.';

CREATE TABLE refusals (
  spool_id text NOT NULL REFERENCES spools,
  stamp bigint NOT NULL CHECK (stamp >= 0),
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  noted_ms bigint NOT NULL,
  PRIMARY KEY (spool_id, stamp)
);
COMMENT ON TABLE refusals IS 'One row per ledger row that the cursor passed without its being taken: the newest 1000 of each spool. Written with the cursor, so that the spool is told even when the process ends in between. Writer: indexer.';

CREATE TABLE record_names (
  record_dir text PRIMARY KEY CHECK (record_dir <> ''),
  spool_id text NOT NULL,
  claimed_ms bigint NOT NULL
);
COMMENT ON TABLE record_names IS 'One row per directory in the bucket: the spool that may write it. First come; never moved. A spool may claim before the index has heard of it, hence no foreign key. Writer: gateway (presign).';

CREATE TABLE recording_sessions (
  recording_id text PRIMARY KEY CHECK (length(recording_id) BETWEEN 16 AND 64),
  spool_id text NOT NULL REFERENCES spools,
  stamp bigint NOT NULL CHECK (stamp >= 0),
  node_id text NOT NULL,
  node_alias text NOT NULL,
  stream text NOT NULL,
  record bigint NOT NULL CHECK (record >= 0),
  record_dir text NOT NULL,
  mpd_path text NOT NULL,
  status text NOT NULL CHECK (status IN ('awaited', 'refused', 'recording', 'ended')),
  start_ms bigint NOT NULL CHECK (start_ms >= 0),
  end_ms bigint,
  end_cause text,
  refused_reason text,
  init_stored boolean NOT NULL DEFAULT false,
  codecs jsonb NOT NULL,
  media_end_ms bigint,
  duration_ms bigint NOT NULL DEFAULT 0 CHECK (duration_ms >= 0),
  bytes bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
  segments integer NOT NULL DEFAULT 0 CHECK (segments >= 0),
  CHECK (status IN ('awaited', 'refused') OR (stream <> '' AND record_dir <> '' AND mpd_path <> '')),
  CHECK ((status = 'refused') = (refused_reason IS NOT NULL))
);
CREATE UNIQUE INDEX recording_sessions_record_dir ON recording_sessions (record_dir) WHERE init_stored;
CREATE INDEX recording_sessions_by_dir ON recording_sessions (record_dir);
CREATE INDEX recording_sessions_by_stream ON recording_sessions (stream, start_ms);
COMMENT ON TABLE recording_sessions IS 'One row per recording. awaited: rows of it came before its own (its stamp moves at each change, so in a replay they do); refused: its own row was not taken, nor are rows of it. duration_ms, bytes, segments and media_end_ms are of its stored segments. record_dir is unique once an init file is stored. Writer: indexer.';

CREATE TABLE inits (
  recording_id text NOT NULL REFERENCES recording_sessions,
  track text NOT NULL CHECK (track IN ('video', 'audio')),
  period integer NOT NULL CHECK (period >= 1),
  stamp bigint NOT NULL CHECK (stamp >= 0),
  codec text NOT NULL,
  timescale integer NOT NULL CHECK (timescale >= 1),
  width integer,
  height integer,
  sample_rate integer,
  channels integer,
  bytes bigint NOT NULL CHECK (bytes >= 0),
  sha256 text NOT NULL CHECK (length(sha256) = 64),
  local text NOT NULL CHECK (local IN ('open', 'present', 'gone')),
  remote text NOT NULL CHECK (remote IN ('none', 'stored', 'refused')),
  stored_stamp bigint,
  refused_reason text,
  PRIMARY KEY (recording_id, track, period)
);
COMMENT ON TABLE inits IS 'One row per initialization segment: a track of a period of a recording, as the ledger has it. The object key follows from record_dir, track and period. Writer: indexer.';

CREATE TABLE segments (
  recording_id text NOT NULL REFERENCES recording_sessions,
  number integer NOT NULL CHECK (number >= 1),
  period integer NOT NULL CHECK (period >= 1),
  stamp bigint NOT NULL CHECK (stamp >= 0),
  start_ms bigint NOT NULL CHECK (start_ms >= 0),
  duration_ms bigint NOT NULL CHECK (duration_ms >= 0),
  key_frame boolean NOT NULL,
  tracks jsonb NOT NULL,
  bytes bigint NOT NULL CHECK (bytes >= 0),
  local text NOT NULL CHECK (local IN ('open', 'present', 'gone')),
  remote text NOT NULL CHECK (remote IN ('none', 'stored', 'refused')),
  stored_stamp bigint,
  refused_reason text,
  PRIMARY KEY (recording_id, number)
);
CREATE INDEX segments_by_time ON segments (recording_id, start_ms);
COMMENT ON TABLE segments IS 'One row per segment as the ledger has it. tracks: per track base_time and duration in ticks of timescale, samples, bytes, sha256; bytes: their sum. Object keys follow from record_dir, track and number. Writer: indexer.';

CREATE TABLE gaps (
  recording_id text NOT NULL REFERENCES recording_sessions,
  from_ms bigint NOT NULL CHECK (from_ms >= 0),
  stamp bigint NOT NULL CHECK (stamp >= 0),
  to_ms bigint NOT NULL,
  cause text NOT NULL CHECK (cause IN ('no_publisher', 'packet_loss', 'ring_overflow', 'edge_restart', 'recorder_restart', 'disk_full', 'disk_error', 'evicted', 'refused', 'spool_lost')),
  segment integer,
  noted_ms bigint NOT NULL,
  withdrawn boolean NOT NULL,
  PRIMARY KEY (recording_id, from_ms)
);
COMMENT ON TABLE gaps IS 'One row per stretch of a recording without media; withdrawn when the media turned up after all, and then not shown. Writer: indexer.';

CREATE TABLE recording_days (
  recording_id text NOT NULL REFERENCES recording_sessions,
  year integer NOT NULL,
  month integer NOT NULL CHECK (month BETWEEN 1 AND 12),
  day integer NOT NULL CHECK (day BETWEEN 1 AND 31),
  stream text NOT NULL CHECK (stream <> ''),
  duration_ms bigint NOT NULL CHECK (duration_ms >= 0),
  bytes bigint NOT NULL CHECK (bytes >= 0),
  segments integer NOT NULL CHECK (segments >= 0),
  PRIMARY KEY (recording_id, year, month, day)
);
CREATE INDEX recording_days_by_day ON recording_days (stream, year, month, day);
COMMENT ON TABLE recording_days IS 'One row per recording and UTC day on which a stored segment of it starts, with the sums over these; kept by differences, in the transaction that changes segments. Writer: indexer.';

CREATE TABLE recordings (
  id uuid PRIMARY KEY,
  stream text NOT NULL CHECK (stream <> ''),
  year integer NOT NULL,
  month integer NOT NULL CHECK (month BETWEEN 1 AND 12),
  day integer NOT NULL CHECK (day BETWEEN 1 AND 31),
  mpd_path text NOT NULL CHECK (mpd_path <> ''),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX recordings_stream_day ON recordings (stream, year, month, day);
COMMENT ON TABLE recordings IS 'One row per stream and UTC day on which a stored segment starts. mpd_path: the recording''s own manifest.mpd, or <stream>/day-YYYYMMDD.mpd when several recordings have segments that day. Writer: indexer.';
