-- Money is whole nano-dollars (…_nanousd), times are milliseconds since 1970 in UTC (…_ms); the views at the
-- end show both as people write them. Three things are SQLite's own and would be written otherwise elsewhere:
-- WITHOUT ROWID (one tree in place of two, on tables that every request writes), usage.seq, which SQLite gives out
-- in the order of commits, and the triggers' syntax. Tables that every request writes have no foreign keys, which
-- would cost a look-up each: accounts and keys are never deleted.

CREATE TABLE account (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  plan TEXT NOT NULL CHECK (plan IN ('free', 'standard', 'pro', 'enterprise')),
  -- Credits less charges. Only an upstream that reports more tokens than could be asked for makes it negative.
  balance_nanousd BIGINT NOT NULL DEFAULT 0,
  -- The sum of the holds of requests under way: reserved, not yet charged.
  held_nanousd BIGINT NOT NULL DEFAULT 0 CHECK (held_nanousd >= 0),
  disabled_at_ms BIGINT,
  alerted_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL
);

CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  -- SHA-256 of the key; the key itself is shown once and kept nowhere.
  hash TEXT NOT NULL UNIQUE,
  -- The last four characters, to tell keys apart.
  hint TEXT NOT NULL,
  name TEXT NOT NULL DEFAULT '',
  -- NULL: the account's plan. rpm and image_rpm: NULL the plan's number, 0 no limit.
  plan TEXT CHECK (plan IN ('free', 'standard', 'pro', 'enterprise')),
  rpm BIGINT CHECK (rpm >= 0),
  image_rpm BIGINT CHECK (image_rpm >= 0),
  -- A JSON list of the model names that the key may use; NULL: all.
  models TEXT,
  -- NULL: no cap of its own. Held and spent are kept for capped keys.
  cap_nanousd BIGINT CHECK (cap_nanousd >= 0),
  spent_nanousd BIGINT NOT NULL DEFAULT 0,
  held_nanousd BIGINT NOT NULL DEFAULT 0 CHECK (held_nanousd >= 0),
  expires_at_ms BIGINT,
  revoked_at_ms BIGINT,
  last_used_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX api_key_account ON api_key (account_id);

-- Money in (and corrections out), append-only. Money spent is the cost of the rows in usage.
CREATE TABLE credit (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  amount_nanousd BIGINT NOT NULL,
  -- grant, demo, correction
  kind TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX credit_account ON credit (account_id, created_at_ms);

-- Funds of requests under way. A row goes when its request is settled or released, and with it the hold.
CREATE TABLE hold (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  amount_nanousd BIGINT NOT NULL CHECK (amount_nanousd >= 0),
  -- 1: the key has a cap, and the amount is held there too.
  capped BIGINT NOT NULL,
  -- The process that serves the request; when it dies its holds are released.
  owner TEXT NOT NULL,
  surface TEXT NOT NULL,
  requested_model TEXT NOT NULL,
  started_at_ms BIGINT NOT NULL
) WITHOUT ROWID;

-- One row per request that has ended, in the order of their ends; id is what the reply's id ends in.
CREATE TABLE usage (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  account_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  -- settled: charged; released: nothing was charged.
  state TEXT NOT NULL CHECK (state IN ('settled', 'released')),
  -- ok, or the kind of what went wrong; client_gone: the client left early and paid for what was produced.
  outcome TEXT NOT NULL,
  capped BIGINT NOT NULL DEFAULT 0,
  cost_nanousd BIGINT NOT NULL DEFAULT 0 CHECK (cost_nanousd >= 0),
  -- What the first model of the best tier would have cost for the same tokens.
  baseline_nanousd BIGINT NOT NULL DEFAULT 0,
  surface TEXT NOT NULL,
  requested_model TEXT NOT NULL,
  model TEXT NOT NULL DEFAULT '',
  provider TEXT NOT NULL DEFAULT '',
  complexity_level BIGINT NOT NULL DEFAULT 0,
  -- Why this model: a JSON list of sentences.
  reasons TEXT NOT NULL DEFAULT '[]',
  stream BIGINT NOT NULL DEFAULT 0,
  -- hit: answered from the cache, free of charge; fresh: fetched, and kept for the next time.
  cache TEXT NOT NULL DEFAULT '',
  input_tokens BIGINT NOT NULL DEFAULT 0,
  cached_input_tokens BIGINT NOT NULL DEFAULT 0,
  cache_write_tokens BIGINT NOT NULL DEFAULT 0,
  output_tokens BIGINT NOT NULL DEFAULT 0,
  reasoning_tokens BIGINT NOT NULL DEFAULT 0,
  -- 1: the upstream never told its usage, so the tokens were counted from the text.
  estimated BIGINT NOT NULL DEFAULT 0,
  started_at_ms BIGINT NOT NULL,
  first_ms BIGINT,
  duration_ms BIGINT
);

-- How far the daily totals have come: the last usage.seq that is in them.
CREATE TABLE accounted (
  name TEXT PRIMARY KEY,
  seq BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO accounted (name, seq) VALUES ('usage_day', 0);

-- Derived from usage in batches by the workers.
CREATE TABLE usage_day (
  day TEXT NOT NULL,
  account_id TEXT NOT NULL REFERENCES account (id),
  key_id TEXT NOT NULL REFERENCES api_key (id),
  model TEXT NOT NULL,
  requests BIGINT NOT NULL DEFAULT 0,
  cache_hits BIGINT NOT NULL DEFAULT 0,
  failures BIGINT NOT NULL DEFAULT 0,
  input_tokens BIGINT NOT NULL DEFAULT 0,
  cached_input_tokens BIGINT NOT NULL DEFAULT 0,
  output_tokens BIGINT NOT NULL DEFAULT 0,
  reasoning_tokens BIGINT NOT NULL DEFAULT 0,
  cost_nanousd BIGINT NOT NULL DEFAULT 0,
  baseline_nanousd BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (day, account_id, key_id, model)
);

-- Answers of smart models. body NULL: somebody is fetching the answer; owner says who.
CREATE TABLE cache (
  key TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  model TEXT NOT NULL DEFAULT '',
  complexity_level BIGINT NOT NULL DEFAULT 0,
  body BLOB,
  size_bytes BIGINT NOT NULL DEFAULT 0,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL
);
CREATE INDEX cache_expiry ON cache (expires_at_ms);
CREATE INDEX cache_age ON cache (created_at_ms);

-- Requests counted in the current window of each limit.
CREATE TABLE rate_window (
  key TEXT PRIMARY KEY,
  count BIGINT NOT NULL,
  resets_at_ms BIGINT NOT NULL
) WITHOUT ROWID;

-- Targets that failed lately: they are asked last until then.
CREATE TABLE cooldown (
  target TEXT PRIMARY KEY,
  failures BIGINT NOT NULL,
  until_ms BIGINT NOT NULL,
  reason TEXT NOT NULL
);

-- The sums in account and api_key follow the rows of credit, hold and usage, whoever writes those: each move of
-- money is then one statement, and a credit that is inserted by hand counts too.
CREATE TRIGGER credit_added AFTER INSERT ON credit BEGIN
  UPDATE account SET balance_nanousd = balance_nanousd + NEW.amount_nanousd, alerted_at_ms = NULL
  WHERE id = NEW.account_id;
END;

CREATE TRIGGER hold_opened AFTER INSERT ON hold BEGIN
  UPDATE account SET held_nanousd = held_nanousd + NEW.amount_nanousd WHERE id = NEW.account_id;
END;
CREATE TRIGGER hold_opened_under_cap AFTER INSERT ON hold WHEN NEW.capped = 1 BEGIN
  UPDATE api_key SET held_nanousd = held_nanousd + NEW.amount_nanousd WHERE id = NEW.key_id;
END;

CREATE TRIGGER hold_extended AFTER UPDATE OF amount_nanousd ON hold BEGIN
  UPDATE account SET held_nanousd = held_nanousd + NEW.amount_nanousd - OLD.amount_nanousd
  WHERE id = NEW.account_id;
END;
CREATE TRIGGER hold_extended_under_cap AFTER UPDATE OF amount_nanousd ON hold WHEN NEW.capped = 1 BEGIN
  UPDATE api_key SET held_nanousd = held_nanousd + NEW.amount_nanousd - OLD.amount_nanousd
  WHERE id = NEW.key_id;
END;

CREATE TRIGGER hold_closed AFTER DELETE ON hold BEGIN
  UPDATE account SET held_nanousd = held_nanousd - OLD.amount_nanousd WHERE id = OLD.account_id;
END;
CREATE TRIGGER hold_closed_under_cap AFTER DELETE ON hold WHEN OLD.capped = 1 BEGIN
  UPDATE api_key SET held_nanousd = held_nanousd - OLD.amount_nanousd WHERE id = OLD.key_id;
END;

CREATE TRIGGER usage_charged AFTER INSERT ON usage WHEN NEW.cost_nanousd > 0 BEGIN
  UPDATE account SET balance_nanousd = balance_nanousd - NEW.cost_nanousd WHERE id = NEW.account_id;
END;
CREATE TRIGGER usage_charged_under_cap AFTER INSERT ON usage WHEN NEW.capped = 1 BEGIN
  UPDATE api_key SET spent_nanousd = spent_nanousd + NEW.cost_nanousd WHERE id = NEW.key_id;
END;
CREATE TRIGGER usage_closes_hold AFTER INSERT ON usage WHEN NEW.cache <> 'hit' BEGIN
  DELETE FROM hold WHERE id = NEW.id;
END;

CREATE VIEW balances AS
SELECT name, plan,
  printf('%.6f', balance_nanousd / 1e9) AS balance_usd,
  printf('%.6f', held_nanousd / 1e9) AS held_usd,
  CASE WHEN disabled_at_ms IS NULL THEN 'active' ELSE 'disabled' END AS status,
  datetime(created_at_ms / 1000, 'unixepoch') AS created_utc
FROM account;

CREATE VIEW ledger AS
SELECT account.name AS account, entry.kind, entry.note, entry.amount_nanousd,
  printf('%.9f', entry.amount_nanousd / 1e9) AS amount_usd,
  datetime(entry.at_ms / 1000, 'unixepoch') AS at_utc, entry.id
FROM (
  SELECT id, account_id, kind, note, amount_nanousd, created_at_ms AS at_ms FROM credit
  UNION ALL
  SELECT id, account_id, 'usage', model, -cost_nanousd, started_at_ms FROM usage
  WHERE state = 'settled' AND cost_nanousd > 0
) AS entry JOIN account ON account.id = entry.account_id;

CREATE VIEW usage_by_day AS
SELECT day, account.name AS account, SUM(requests) AS requests, SUM(cache_hits) AS cache_hits,
  SUM(failures) AS failures, SUM(input_tokens) AS input_tokens, SUM(output_tokens) AS output_tokens,
  printf('%.6f', SUM(cost_nanousd) / 1e9) AS cost_usd,
  printf('%.6f', (SUM(baseline_nanousd) - SUM(cost_nanousd)) / 1e9) AS saved_usd
FROM usage_day JOIN account ON account.id = account_id GROUP BY day, account.name;

CREATE VIEW usage_by_model AS
SELECT model, SUM(requests) AS requests, SUM(cache_hits) AS cache_hits, SUM(failures) AS failures,
  SUM(input_tokens) AS input_tokens, SUM(output_tokens) AS output_tokens,
  printf('%.6f', SUM(cost_nanousd) / 1e9) AS cost_usd
FROM usage_day GROUP BY model;
