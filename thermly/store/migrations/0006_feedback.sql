-- How hard the router took a request to be: the chance that a cheap model fails, in millionths. NULL: not judged.
ALTER TABLE usage ADD COLUMN score_ppm BIGINT;
-- The cheaper model that was asked first and whose answer was visibly not good enough; its cost is in this row.
ALTER TABLE usage ADD COLUMN escalated_from TEXT NOT NULL DEFAULT '';

-- What callers thought of answers; id is that of the row in usage.
CREATE TABLE feedback (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  key_id TEXT NOT NULL REFERENCES api_key (id),
  -- 1 (useless) to 5 (just right).
  rating BIGINT NOT NULL CHECK (rating BETWEEN 1 AND 5),
  comment TEXT NOT NULL DEFAULT '',
  -- What the row in usage says, kept here since rows in usage have no index by id.
  score_ppm BIGINT,
  complexity_level BIGINT NOT NULL,
  requested_model TEXT NOT NULL,
  model TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX feedback_account ON feedback (account_id, created_at_ms);

-- A waiting row is found without reading what others ask, which stands before its state.
CREATE INDEX background_state ON background (state);
