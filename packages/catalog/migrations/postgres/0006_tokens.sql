CREATE TABLE tokens (
  id text PRIMARY KEY CHECK (length(id) BETWEEN 6 AND 64),
  alias text NOT NULL CHECK (alias <> ''),
  streams text NOT NULL CHECK (streams <> ''),
  sha256 text NOT NULL UNIQUE CHECK (length(sha256) = 64),
  created_ms bigint NOT NULL CHECK (created_ms >= 0),
  expires_ms bigint CHECK (expires_ms > created_ms),
  revoked_ms bigint CHECK (revoked_ms >= 0)
);
CREATE INDEX tokens_of_alias ON tokens (alias);
COMMENT ON TABLE tokens IS 'One row per join token that was made for a node: id names it to people, alias is the node that it is for, streams the pattern of the streams the node may have, sha256 the hash of the token, which itself is kept nowhere. It is good until expires_ms (null: without end) and while revoked_ms is null. Wall milliseconds by the cloud''s clock. Writer: weir token.';
