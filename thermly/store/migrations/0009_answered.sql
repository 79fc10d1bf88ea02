-- What earlier columns hold, told anew: a block that begins with a column's name is about that column.

-- account.balance_nanousd: Credits less charges. Negative where a correction takes away more than there is, or an
-- upstream reports more tokens than could be asked for.

-- credit.kind: grant (given by whoever runs the server), card (paid by card), code (a code was redeemed), demo (of the
-- first start), correction (taken away).

-- usage.model: The model that answered; where state is released, the one that was asked last. Empty: none was asked.

-- usage.provider: That of the model.

-- usage_day.model: The model that answered; empty: of requests that none answered.

-- The daily totals gave such requests to the model that was asked last. They cost nothing and have no tokens.
INSERT INTO usage_day (day, account_id, key_id, model, requests, failures)
SELECT date(started_at_ms / 1000, 'unixepoch'), account_id, key_id, '', COUNT(*),
  SUM(CASE WHEN outcome IN ('ok', 'client_gone') THEN 0 ELSE 1 END)
FROM usage
WHERE state = 'released' AND model <> '' AND seq <= (SELECT seq FROM accounted WHERE name = 'usage_day')
GROUP BY 1, 2, 3
ON CONFLICT (day, account_id, key_id, model) DO UPDATE SET
  requests = usage_day.requests + excluded.requests,
  failures = usage_day.failures + excluded.failures;

UPDATE usage_day SET requests = usage_day.requests - moved.requests, failures = usage_day.failures - moved.failures
FROM (
  SELECT date(started_at_ms / 1000, 'unixepoch') AS day, account_id, key_id, model, COUNT(*) AS requests,
    SUM(CASE WHEN outcome IN ('ok', 'client_gone') THEN 0 ELSE 1 END) AS failures
  FROM usage
  WHERE state = 'released' AND model <> '' AND seq <= (SELECT seq FROM accounted WHERE name = 'usage_day')
  GROUP BY 1, 2, 3, 4
) AS moved
WHERE usage_day.day = moved.day AND usage_day.account_id = moved.account_id
  AND usage_day.key_id = moved.key_id AND usage_day.model = moved.model;

DELETE FROM usage_day WHERE requests = 0;

DROP VIEW requests;
CREATE VIEW requests AS
-- One row per request that has ended; seq is their order, and the quick way to the latest: ORDER BY seq DESC.
SELECT seq,
  datetime(started_at_ms / 1000, 'unixepoch') AS started_utc,
  account.name AS account,
  -- The key's name, or its last four characters where it has none.
  COALESCE(NULLIF(api_key.name, ''), '…' || api_key.hint) AS key,
  surface,
  requested_model AS asked,
  -- The model that answered, if not always to the end; empty: none did. Which ones were asked in vain is in reasons.
  CASE WHEN usage.state = 'settled' THEN model ELSE '' END AS answered,
  -- That of the model that answered.
  CASE WHEN usage.state = 'settled' THEN provider ELSE '' END AS provider,
  complexity_level,
  -- How hard the router took it to be: the chance that a cheap model fails. Empty: not judged.
  score_ppm / 1e6 AS score,
  -- The cheaper model that was asked first, whose answer was visibly not good enough.
  escalated_from,
  -- ok, or what went wrong; client_gone: the client left early and paid for what was produced.
  outcome,
  -- hit: answered from the cache, free of charge; fresh: fetched, and kept for the next time.
  cache,
  input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, images,
  ROUND(cost_nanousd / 1e9, 9) AS cost_usd,
  -- What the first model of the best tier would have cost for the same tokens, less the cost.
  ROUND((baseline_nanousd - cost_nanousd) / 1e9, 9) AS saved_usd,
  -- To the first event of the answer.
  first_ms,
  -- To its end.
  duration_ms,
  -- Why this model: a JSON list of sentences.
  reasons,
  cost_nanousd,
  baseline_nanousd - cost_nanousd AS saved_nanousd,
  started_at_ms, usage.account_id,
  -- What x-request-id said.
  usage.id AS id
FROM usage LEFT JOIN account ON account.id = usage.account_id LEFT JOIN api_key ON api_key.id = usage.key_id;

DROP VIEW usage_by_model;
CREATE VIEW usage_by_model AS
-- What each model did, since the first request. Requests that none answered are a row of their own, without a model.
SELECT
  -- Empty: none answered.
  model,
  SUM(requests) AS requests, SUM(cache_hits) AS cache_hits,
  -- Of a model: answers that broke off.
  SUM(failures) AS failures,
  SUM(input_tokens) AS input_tokens, SUM(cached_input_tokens) AS cached_input_tokens,
  SUM(output_tokens) AS output_tokens, SUM(reasoning_tokens) AS reasoning_tokens,
  ROUND(SUM(cost_nanousd) / 1e9, 9) AS cost_usd,
  ROUND((SUM(baseline_nanousd) - SUM(cost_nanousd)) / 1e9, 9) AS saved_usd,
  MIN(day) AS first_day, MAX(day) AS last_day,
  SUM(cost_nanousd) AS cost_nanousd,
  SUM(baseline_nanousd) - SUM(cost_nanousd) AS saved_nanousd
FROM usage_day GROUP BY model;
