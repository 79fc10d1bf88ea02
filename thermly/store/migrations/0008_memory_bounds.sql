-- What its responses and conversations take up: the bytes of the texts, and 256 for each row, which has an id and
-- its place in the indexes.
ALTER TABLE account ADD COLUMN memory_bytes BIGINT NOT NULL DEFAULT 0;

UPDATE account SET memory_bytes = (
  SELECT COALESCE(SUM(bytes), 0) FROM (
    SELECT 256 + LENGTH(CAST(body AS BLOB)) AS bytes FROM response WHERE account_id = account.id
    UNION ALL
    SELECT 256 + LENGTH(CAST(item.body AS BLOB)) FROM response_item AS item
    JOIN response ON response.id = item.response_id WHERE response.account_id = account.id
    UNION ALL
    SELECT 256 + LENGTH(CAST(metadata AS BLOB)) FROM conversation WHERE account_id = account.id
    UNION ALL
    SELECT 256 + LENGTH(CAST(item.body AS BLOB)) FROM conversation_item AS item
    JOIN conversation ON conversation.id = item.conversation_id WHERE conversation.account_id = account.id
  )
);

-- account.memory_bytes follows responses, conversations and their items, whoever writes or removes them. Items go
-- before what they belong to, since that is how their account is found.
CREATE TRIGGER response_kept AFTER INSERT ON response BEGIN
  UPDATE account SET memory_bytes = memory_bytes + 256 + LENGTH(CAST(NEW.body AS BLOB)) WHERE id = NEW.account_id;
END;
CREATE TRIGGER response_rewritten AFTER UPDATE OF body ON response BEGIN
  UPDATE account SET memory_bytes = memory_bytes + LENGTH(CAST(NEW.body AS BLOB)) - LENGTH(CAST(OLD.body AS BLOB))
  WHERE id = NEW.account_id;
END;
CREATE TRIGGER response_leaves BEFORE DELETE ON response BEGIN
  DELETE FROM response_item WHERE response_id = OLD.id;
  UPDATE account SET memory_bytes = memory_bytes - 256 - LENGTH(CAST(OLD.body AS BLOB)) WHERE id = OLD.account_id;
END;

CREATE TRIGGER response_item_kept AFTER INSERT ON response_item BEGIN
  UPDATE account SET memory_bytes = memory_bytes + 256 + LENGTH(CAST(NEW.body AS BLOB))
  WHERE id = (SELECT account_id FROM response WHERE id = NEW.response_id);
END;
CREATE TRIGGER response_item_left AFTER DELETE ON response_item BEGIN
  UPDATE account SET memory_bytes = memory_bytes - 256 - LENGTH(CAST(OLD.body AS BLOB))
  WHERE id = (SELECT account_id FROM response WHERE id = OLD.response_id);
END;

CREATE TRIGGER conversation_kept AFTER INSERT ON conversation BEGIN
  UPDATE account SET memory_bytes = memory_bytes + 256 + LENGTH(CAST(NEW.metadata AS BLOB))
  WHERE id = NEW.account_id;
END;
CREATE TRIGGER conversation_renamed AFTER UPDATE OF metadata ON conversation BEGIN
  UPDATE account
  SET memory_bytes = memory_bytes + LENGTH(CAST(NEW.metadata AS BLOB)) - LENGTH(CAST(OLD.metadata AS BLOB))
  WHERE id = NEW.account_id;
END;
CREATE TRIGGER conversation_leaves BEFORE DELETE ON conversation BEGIN
  DELETE FROM conversation_item WHERE conversation_id = OLD.id;
  UPDATE account SET memory_bytes = memory_bytes - 256 - LENGTH(CAST(OLD.metadata AS BLOB))
  WHERE id = OLD.account_id;
END;

CREATE TRIGGER conversation_item_kept AFTER INSERT ON conversation_item BEGIN
  UPDATE account SET memory_bytes = memory_bytes + 256 + LENGTH(CAST(NEW.body AS BLOB))
  WHERE id = (SELECT account_id FROM conversation WHERE id = NEW.conversation_id);
END;
CREATE TRIGGER conversation_item_left AFTER DELETE ON conversation_item BEGIN
  UPDATE account SET memory_bytes = memory_bytes - 256 - LENGTH(CAST(OLD.body AS BLOB))
  WHERE id = (SELECT account_id FROM conversation WHERE id = OLD.conversation_id);
END;

DROP VIEW balances;
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
  -- Taken up by its responses and conversations.
  ROUND(memory_bytes / 1048576.0, 3) AS memory_mib,
  balance_nanousd, held_nanousd,
  balance_nanousd - held_nanousd AS available_nanousd,
  memory_bytes,
  created_at_ms,
  id AS account_id
FROM account;
