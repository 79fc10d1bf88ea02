-- People who sign in to the console. Each belongs to one account; admins see all of them.
CREATE TABLE person (
  id TEXT PRIMARY KEY,
  -- What they sign in with.
  email TEXT NOT NULL UNIQUE COLLATE NOCASE,
  name TEXT NOT NULL DEFAULT '',
  role TEXT NOT NULL CHECK (role IN ('admin', 'member')),
  account_id TEXT NOT NULL REFERENCES account (id),
  -- scrypt with its own salt and cost; NULL: no password was chosen yet.
  password TEXT,
  -- Who the identity provider says it is: issuer and subject; NULL: never came from there.
  subject TEXT UNIQUE,
  disabled_at_ms BIGINT,
  signed_in_at_ms BIGINT,
  created_at_ms BIGINT NOT NULL
);
CREATE INDEX person_account ON person (account_id);

-- Sessions of the console. A row deleted is a session revoked.
CREATE TABLE sign_in (
  -- SHA-256 of the token in the cookie.
  hash TEXT PRIMARY KEY,
  person_id TEXT NOT NULL REFERENCES person (id),
  -- The browser, as it calls itself, to tell sessions apart.
  agent TEXT NOT NULL DEFAULT '',
  created_at_ms BIGINT NOT NULL,
  seen_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sign_in_person ON sign_in (person_id);

-- Links with which somebody chooses a password: the first or a forgotten one. Each works once.
CREATE TABLE invitation (
  -- SHA-256 of the token in the link.
  hash TEXT PRIMARY KEY,
  person_id TEXT NOT NULL REFERENCES person (id),
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;

-- Codes that are worth credit, once.
CREATE TABLE redeem_code (
  -- SHA-256 of the code; the code itself is shown once and kept nowhere.
  hash TEXT PRIMARY KEY,
  -- Its last four characters.
  hint TEXT NOT NULL,
  -- Codes that were made together.
  batch TEXT NOT NULL,
  amount_nanousd BIGINT NOT NULL CHECK (amount_nanousd > 0),
  note TEXT NOT NULL DEFAULT '',
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT,
  redeemed_at_ms BIGINT,
  -- Who has redeemed it.
  account_id TEXT REFERENCES account (id)
) WITHOUT ROWID;
CREATE INDEX redeem_code_batch ON redeem_code (batch);

-- Payments by card. A row that is paid has one row in credit, with the id 'pay_' and its own.
CREATE TABLE payment (
  -- The payment service's id of the checkout.
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  amount_nanousd BIGINT NOT NULL CHECK (amount_nanousd > 0),
  state TEXT NOT NULL CHECK (state IN ('open', 'paid', 'expired')),
  created_at_ms BIGINT NOT NULL,
  ended_at_ms BIGINT
);
CREATE INDEX payment_account ON payment (account_id, created_at_ms);

-- NULL: the deployment's own mark. Where low balances are reported besides.
ALTER TABLE account ADD COLUMN alert_below_nanousd BIGINT CHECK (alert_below_nanousd >= 0);
ALTER TABLE account ADD COLUMN alert_email TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN alert_webhook TEXT NOT NULL DEFAULT '';
-- NULL: what is asked and answered is not kept.
ALTER TABLE account ADD COLUMN transcripts_since_ms BIGINT;

-- day, week or month (UTC): the cap is one of each; NULL: it is one for ever.
ALTER TABLE api_key ADD COLUMN cap_period TEXT CHECK (cap_period IN ('day', 'week', 'month'));
ALTER TABLE api_key ADD COLUMN cap_resets_at_ms BIGINT;
-- What was spent under the cap is the cost of the rows of usage after this one.
ALTER TABLE api_key ADD COLUMN cap_from_seq BIGINT NOT NULL DEFAULT 0;

-- What was asked and answered, of accounts that want it kept; id is that of the row in usage.
CREATE TABLE transcript (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  -- Messages and reply, as JSON.
  request TEXT NOT NULL,
  reply TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX transcript_expiry ON transcript (expires_at_ms);

-- What admins changed in the catalogue, over its file and thermly.toml. Every process reads it again when
-- catalog_version rises.
CREATE TABLE catalog_change (
  model TEXT PRIMARY KEY,
  -- The fields that are changed, as JSON; 'false': the model is not served.
  fields TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at_ms BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TABLE catalog_version (
  name TEXT PRIMARY KEY,
  version BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO catalog_version (name, version) VALUES ('catalog', 0);
CREATE TRIGGER catalog_change_added AFTER INSERT ON catalog_change BEGIN
  UPDATE catalog_version SET version = version + 1;
END;
CREATE TRIGGER catalog_change_changed AFTER UPDATE ON catalog_change BEGIN
  UPDATE catalog_version SET version = version + 1;
END;
CREATE TRIGGER catalog_change_removed AFTER DELETE ON catalog_change BEGIN
  UPDATE catalog_version SET version = version + 1;
END;

-- One account's rows, the newest first, without looking at everybody's.
CREATE INDEX usage_account ON usage (account_id);
