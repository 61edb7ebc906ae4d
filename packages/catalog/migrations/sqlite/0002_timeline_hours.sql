CREATE TABLE timeline_hours (
  -- One row per finished hour of a recording that is packed: all its segments that start in that hour, stored or refused,
  -- as packed-hour.ts writes them. stretches: what time they take, joined, from and to by state. hour: hours since 1970,
  -- UTC. An hour without a row is read from segments. Written in the transaction that changes these segments.
  -- Writer: indexer.
  recording_id text NOT NULL REFERENCES recording_sessions,
  hour integer NOT NULL CHECK (hour >= 0),
  packed blob NOT NULL CHECK (length(packed) > 0),
  stretches text NOT NULL,
  PRIMARY KEY (recording_id, hour)
) STRICT;

CREATE INDEX segments_pending ON segments (recording_id, start_ms) WHERE remote = 'none';
