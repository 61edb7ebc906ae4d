ALTER TABLE spools ADD COLUMN last_listed_ms bigint;
ALTER TABLE spools ADD COLUMN unlisted_ms bigint NOT NULL DEFAULT 0 CHECK (unlisted_ms >= 0);
ALTER TABLE spools ADD COLUMN lost_since_ms bigint;
ALTER TABLE spools ADD COLUMN lost_by text CHECK (lost_by IN ('operator', 'unlisted')) CHECK ((lost_by IS NULL) = (lost_since_ms IS NULL));
CREATE INDEX spools_lost ON spools (spool_id) WHERE lost_since_ms IS NOT NULL;
COMMENT ON TABLE spools IS 'One row per spool. cursor: every ledger row with a stamp up to it was taken, or refused and named in refusals; moved in the transaction that takes the rows, never back. node: alias that last sent rows of it. last_listed_ms: when a node''s status last listed it; unlisted_ms: for how long since then its node was online and did not. lost_since_ms: since when it counts as lost, by an operator''s word or because unlisted_ms grew too long; null again when it is listed or sends rows. What it has not sent is then told as missing; no row is changed for it. Writer: indexer; weir spool writes lost_since_ms and lost_by.';
