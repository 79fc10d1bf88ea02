-- The views for people. One convention in all of them: an account is its name; `…_utc` is a time as text that sorts;
-- `…_usd` is a number, rounded to nine decimals, that sorts, compares and adds up, and the exact amount stands
-- beside it as `…_nanousd`. Totals come from usage_day, so that they are fast whatever the number of requests.
-- No view shows what opens a door or what somebody said: hashes, passwords, tokens, prompts, answers.

DROP VIEW balances;
DROP VIEW ledger;
DROP VIEW usage_by_day;
DROP VIEW usage_by_model;

CREATE VIEW balances AS
-- What each account has.
SELECT name AS account, plan,
  CASE WHEN disabled_at_ms IS NULL THEN 'active' ELSE 'disabled' END AS status,
  -- Credits less charges.
  ROUND(balance_nanousd / 1e9, 9) AS balance_usd,
  -- Reserved for requests under way.
  ROUND(held_nanousd / 1e9, 9) AS held_usd,
  -- What new requests can draw on.
  ROUND((balance_nanousd - held_nanousd) / 1e9, 9) AS available_usd,
  datetime(created_at_ms / 1000, 'unixepoch') AS created_utc,
  balance_nanousd, held_nanousd,
  balance_nanousd - held_nanousd AS available_nanousd,
  created_at_ms,
  id AS account_id
FROM account;

CREATE VIEW ledger AS
-- Every move of money, with the balance after it: credits as they were made, requests as they ended. Of one account
-- (WHERE account = …) it is quick; over all of them every request is added up.
WITH entry AS (
  SELECT name AS account, account_id, credit.created_at_ms AS at_ms, kind, note, amount_nanousd, credit.id AS id
  FROM credit JOIN account ON account.id = account_id
  UNION ALL
  SELECT name, account_id, started_at_ms + COALESCE(duration_ms, 0), 'usage', model, -cost_nanousd, usage.id
  FROM usage JOIN account ON account.id = account_id
  WHERE cost_nanousd > 0
)
SELECT datetime(at_ms / 1000, 'unixepoch') AS at_utc, account,
  -- usage, or what kind of credit it is.
  kind,
  -- Of a credit its note, of a request the model that answered.
  note,
  ROUND(amount_nanousd / 1e9, 9) AS amount_usd,
  -- The account's balance after this entry.
  ROUND(SUM(amount_nanousd) OVER running / 1e9, 9) AS balance_usd,
  amount_nanousd,
  SUM(amount_nanousd) OVER running AS balance_nanousd,
  at_ms, account_id,
  -- That of the row in credit or usage.
  id
FROM entry
WINDOW running AS (PARTITION BY account, account_id ORDER BY at_ms, id);

CREATE VIEW requests AS
-- One row per request that has ended; seq is their order, and the quick way to the latest: ORDER BY seq DESC.
SELECT seq,
  datetime(started_at_ms / 1000, 'unixepoch') AS started_utc,
  account.name AS account,
  -- The key's name, or its last four characters where it has none.
  COALESCE(NULLIF(api_key.name, ''), '…' || api_key.hint) AS key,
  surface,
  requested_model AS asked,
  -- The model that answered; empty: none did.
  model AS answered,
  provider, complexity_level,
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

CREATE VIEW usage_by_day AS
-- What each account did on each day (UTC), by the day on which its requests began.
SELECT day, account.name AS account, SUM(requests) AS requests, SUM(cache_hits) AS cache_hits,
  SUM(failures) AS failures, SUM(input_tokens) AS input_tokens, SUM(cached_input_tokens) AS cached_input_tokens,
  SUM(output_tokens) AS output_tokens, SUM(reasoning_tokens) AS reasoning_tokens,
  ROUND(SUM(cost_nanousd) / 1e9, 9) AS cost_usd,
  ROUND((SUM(baseline_nanousd) - SUM(cost_nanousd)) / 1e9, 9) AS saved_usd,
  SUM(cost_nanousd) AS cost_nanousd,
  SUM(baseline_nanousd) - SUM(cost_nanousd) AS saved_nanousd,
  account_id
FROM usage_day JOIN account ON account.id = account_id GROUP BY day, account_id;

CREATE VIEW usage_by_model AS
-- What each model did, since the first request.
SELECT model, SUM(requests) AS requests, SUM(cache_hits) AS cache_hits, SUM(failures) AS failures,
  SUM(input_tokens) AS input_tokens, SUM(cached_input_tokens) AS cached_input_tokens,
  SUM(output_tokens) AS output_tokens, SUM(reasoning_tokens) AS reasoning_tokens,
  ROUND(SUM(cost_nanousd) / 1e9, 9) AS cost_usd,
  ROUND((SUM(baseline_nanousd) - SUM(cost_nanousd)) / 1e9, 9) AS saved_usd,
  MIN(day) AS first_day, MAX(day) AS last_day,
  SUM(cost_nanousd) AS cost_nanousd,
  SUM(baseline_nanousd) - SUM(cost_nanousd) AS saved_nanousd
FROM usage_day GROUP BY model;

CREATE VIEW savings_by_day AS
-- What each account saved on each day (UTC), by being answered by cheaper models and from the cache.
SELECT day, account.name AS account,
  ROUND(SUM(cost_nanousd) / 1e9, 9) AS spent_usd,
  -- What the first model of the best tier would have cost for the same tokens.
  ROUND(SUM(baseline_nanousd) / 1e9, 9) AS baseline_usd,
  ROUND((SUM(baseline_nanousd) - SUM(cost_nanousd)) / 1e9, 9) AS saved_usd,
  -- Of the baseline; empty where that is zero.
  ROUND(100.0 * (SUM(baseline_nanousd) - SUM(cost_nanousd)) / NULLIF(SUM(baseline_nanousd), 0), 1)
    AS saved_percent,
  SUM(cost_nanousd) AS spent_nanousd,
  SUM(baseline_nanousd) AS baseline_nanousd,
  SUM(baseline_nanousd) - SUM(cost_nanousd) AS saved_nanousd,
  account_id
FROM usage_day JOIN account ON account.id = account_id GROUP BY day, account_id;

CREATE VIEW keys_overview AS
-- Every key, without the key itself.
SELECT account.name AS account, api_key.name AS name,
  -- The last four characters.
  '…' || hint AS key,
  -- Its own plan, or the account's.
  COALESCE(api_key.plan, account.plan) AS plan,
  CASE WHEN revoked_at_ms IS NULL THEN 'active' ELSE 'revoked' END AS status,
  -- A JSON list of the model names that it may use; empty: all.
  models,
  -- Requests per minute; empty: the plan's number, 0: no limit.
  rpm,
  -- Image requests per minute, likewise.
  image_rpm,
  -- The most that it may spend, for ever or in each period; empty: no cap of its own.
  ROUND(cap_nanousd / 1e9, 9) AS cap_usd,
  -- day, week or month (UTC); empty: for ever.
  cap_period,
  -- Spent under the cap, in this period.
  CASE WHEN cap_nanousd IS NOT NULL THEN ROUND(spent_nanousd / 1e9, 9) END AS under_cap_usd,
  -- Spent since it was made.
  ROUND(COALESCE(total.cost_nanousd, 0) / 1e9, 9) AS spent_usd,
  COALESCE(total.requests, 0) AS requests,
  datetime(last_used_at_ms / 1000, 'unixepoch') AS last_used_utc,
  datetime(expires_at_ms / 1000, 'unixepoch') AS expires_utc,
  datetime(revoked_at_ms / 1000, 'unixepoch') AS revoked_utc,
  datetime(api_key.created_at_ms / 1000, 'unixepoch') AS created_utc,
  cap_nanousd,
  CASE WHEN cap_nanousd IS NOT NULL THEN spent_nanousd END AS under_cap_nanousd,
  COALESCE(total.cost_nanousd, 0) AS spent_nanousd,
  api_key.created_at_ms AS created_at_ms, account_id,
  api_key.id AS id
FROM api_key JOIN account ON account.id = account_id LEFT JOIN (
  SELECT key_id, SUM(cost_nanousd) AS cost_nanousd, SUM(requests) AS requests FROM usage_day GROUP BY key_id
) AS total ON total.key_id = api_key.id;

CREATE VIEW people AS
-- Who signs in to the console.
SELECT email, person.name AS name, role, account.name AS account,
  CASE WHEN person.disabled_at_ms IS NOT NULL THEN 'disabled' WHEN signed_in_at_ms IS NULL THEN 'never signed in'
    ELSE 'active' END AS status,
  datetime(signed_in_at_ms / 1000, 'unixepoch') AS signed_in_utc,
  datetime(person.created_at_ms / 1000, 'unixepoch') AS created_utc,
  person.created_at_ms AS created_at_ms, account_id,
  person.id AS id
FROM person JOIN account ON account.id = account_id;

CREATE VIEW redeem_codes AS
-- Codes that are worth credit, without the codes themselves.
SELECT batch,
  -- The last four characters.
  '…' || hint AS code,
  ROUND(amount_nanousd / 1e9, 9) AS amount_usd,
  CASE WHEN redeemed_at_ms IS NULL THEN 'open' ELSE 'redeemed' END AS status,
  -- Who has redeemed it.
  account.name AS account,
  note,
  datetime(redeem_code.created_at_ms / 1000, 'unixepoch') AS created_utc,
  datetime(expires_at_ms / 1000, 'unixepoch') AS expires_utc,
  datetime(redeemed_at_ms / 1000, 'unixepoch') AS redeemed_utc,
  amount_nanousd,
  redeem_code.created_at_ms AS created_at_ms, account_id
FROM redeem_code LEFT JOIN account ON account.id = account_id;

CREATE VIEW payments AS
-- Payments by card.
SELECT datetime(payment.created_at_ms / 1000, 'unixepoch') AS created_utc,
  account.name AS account,
  ROUND(amount_nanousd / 1e9, 9) AS amount_usd,
  -- open, paid or expired.
  state,
  datetime(ended_at_ms / 1000, 'unixepoch') AS ended_utc,
  amount_nanousd,
  payment.created_at_ms AS created_at_ms, account_id,
  -- The payment service's id of the checkout.
  payment.id AS id
FROM payment JOIN account ON account.id = account_id;
