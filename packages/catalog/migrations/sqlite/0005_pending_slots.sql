CREATE TABLE pending_slots (
  -- One row per recording and slot of five minutes in which segments of it start that wait at the site (remote none,
  -- local not gone): how many. slot: five-minute stretches since 1970, UTC. spool_id: that of the recording. Kept by
  -- differences in the transaction that changes segments; without a check of the sign, which a difference may have
  -- when it is inserted. Writer: indexer.
  recording_id text NOT NULL REFERENCES recording_sessions,
  slot integer NOT NULL CHECK (slot >= 0),
  spool_id text NOT NULL CHECK (spool_id <> ''),
  segments integer NOT NULL,
  PRIMARY KEY (recording_id, slot)
) STRICT;
CREATE INDEX pending_slots_of_spool ON pending_slots (spool_id, slot);

INSERT INTO pending_slots (recording_id, slot, spool_id, segments)
  SELECT segments.recording_id, segments.start_ms / 300000, spool_id, count(*)
  FROM segments JOIN recording_sessions ON recording_sessions.recording_id = segments.recording_id
  WHERE remote = 'none' AND local <> 'gone' GROUP BY segments.recording_id, segments.start_ms / 300000, spool_id;
