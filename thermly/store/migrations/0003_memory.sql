-- Responses that may be asked for again or built upon, until they expire.
CREATE TABLE response (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  -- The response that this one follows, and the conversation that it belongs to; at most one of them.
  previous_id TEXT,
  conversation_id TEXT,
  status TEXT NOT NULL,
  -- The response as it is shown, as JSON.
  body TEXT NOT NULL,
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL
);
CREATE INDEX response_expiry ON response (expires_at_ms);

-- What was said: each response's own input and output, in order. The history of a response is that of those
-- before it.
CREATE TABLE response_item (
  response_id TEXT NOT NULL,
  position BIGINT NOT NULL,
  id TEXT NOT NULL,
  -- input or output
  side TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (response_id, position)
) WITHOUT ROWID;
CREATE INDEX response_item_id ON response_item (id);

CREATE TABLE conversation (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES account (id),
  -- A JSON object of the client's own.
  metadata TEXT NOT NULL DEFAULT '{}',
  created_at_ms BIGINT NOT NULL,
  expires_at_ms BIGINT NOT NULL
);
CREATE INDEX conversation_expiry ON conversation (expires_at_ms);

CREATE TABLE conversation_item (
  conversation_id TEXT NOT NULL,
  position BIGINT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (conversation_id, position),
  UNIQUE (conversation_id, id)
) WITHOUT ROWID;
CREATE INDEX conversation_item_id ON conversation_item (id);
