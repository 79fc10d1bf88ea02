-- How many images a request made.
ALTER TABLE usage ADD COLUMN images BIGINT NOT NULL DEFAULT 0;

-- One row per image request; it outlives the processes that work on it, and holds its funds (hold.owner is
-- 'job/' and its id). The id is also that of its row in usage.
CREATE TABLE image_job (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
  -- The process that draws. When it dies the job is queued again.
  owner TEXT NOT NULL DEFAULT '',
  attempts BIGINT NOT NULL DEFAULT 0,
  -- What to draw, as JSON; '' once that is over: the prompt is nobody's business any more.
  request TEXT NOT NULL,
  -- The catalogue's name of the model that draws.
  model TEXT NOT NULL,
  wanted BIGINT NOT NULL,
  -- 1: the client wants base64, 0: addresses.
  b64 BIGINT NOT NULL,
  -- Size and quality that were asked of the model.
  size TEXT NOT NULL DEFAULT '',
  quality TEXT NOT NULL DEFAULT '',
  input_tokens BIGINT,
  output_tokens BIGINT,
  -- Why it failed, as JSON.
  error TEXT NOT NULL DEFAULT '',
  created_at_ms BIGINT NOT NULL,
  queued_at_ms BIGINT NOT NULL,
  finished_at_ms BIGINT,
  expires_at_ms BIGINT NOT NULL
);
CREATE INDEX image_job_unfinished ON image_job (state) WHERE state IN ('queued', 'running');
CREATE INDEX image_job_expiry ON image_job (expires_at_ms);

-- The images of jobs; their bytes are files under instance/images, by this name.
CREATE TABLE image (
  name TEXT PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES image_job (id),
  position BIGINT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  revised_prompt TEXT,
  UNIQUE (job_id, position)
);
