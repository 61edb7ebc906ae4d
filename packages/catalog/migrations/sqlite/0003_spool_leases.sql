CREATE TABLE spool_leases (
  -- One row per spool that an indexer works on: holder is that process, until_ms when the spool is anybody's again
  -- unless the holder renews it. It saves work done twice and no more: a commit never needs it. A table of its own, so
  -- that renewing waits for no commit, which locks the row of spools. Writer: indexer.
  spool_id text PRIMARY KEY CHECK (length(spool_id) BETWEEN 16 AND 64),
  holder text NOT NULL CHECK (holder <> ''),
  until_ms integer NOT NULL CHECK (until_ms >= 0)
) STRICT;
