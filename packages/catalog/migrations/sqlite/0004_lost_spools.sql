-- last_listed_ms: when a node's status last listed the spool. unlisted_ms: for how long since then its node was online
-- and did not. lost_since_ms: since when it counts as lost, by an operator's word or because unlisted_ms grew too long;
-- null again when it is listed or sends rows. What it has not sent is then told as missing; no row is changed for it.
ALTER TABLE spools ADD COLUMN last_listed_ms integer;
ALTER TABLE spools ADD COLUMN unlisted_ms integer NOT NULL DEFAULT 0 CHECK (unlisted_ms >= 0);
ALTER TABLE spools ADD COLUMN lost_since_ms integer;
ALTER TABLE spools ADD COLUMN lost_by text CHECK (lost_by IN ('operator', 'unlisted')) CHECK ((lost_by IS NULL) = (lost_since_ms IS NULL));
CREATE INDEX spools_lost ON spools (spool_id) WHERE lost_since_ms IS NOT NULL;
