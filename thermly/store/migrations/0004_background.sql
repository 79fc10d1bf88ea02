-- Responses that are made while nobody waits. A row goes when its response has ended.
CREATE TABLE background (
  response_id TEXT PRIMARY KEY,
  -- What is to be answered, for whom, as MessagePack.
  request BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running')),
  -- The process that is at it. When it dies the response is begun again.
  owner TEXT NOT NULL DEFAULT '',
  attempts BIGINT NOT NULL DEFAULT 0,
  queued_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
