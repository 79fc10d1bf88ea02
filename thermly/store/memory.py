"""Responses, conversations and their items: what was said before. Nothing is found for another account.

Knows: rows and JSON texts. Must not know: what is in an item but its id.
The schema's triggers keep the sum of an account's bytes, and take items away with what they belong to.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from thermly.store.db import Tx

MOST_TURNS = 1_000
"""How far a response's history goes back; beyond, a client is told so rather than half heard."""

Items = Sequence[dict[str, Any]]
_encode, _decode = msgspec.json.encode, msgspec.json.decode


class Response(Struct, frozen=True):
    id: str
    previous_id: str | None
    conversation_id: str | None
    status: str
    body: str


class Conversation(Struct, frozen=True):
    id: str
    metadata: str
    created_at_ms: int


_RESPONSE = ", ".join(Response.__struct_fields__)
_CONVERSATION = ", ".join(Conversation.__struct_fields__)


# ---- responses


def add_response(
    tx: Tx, account_id: str, response: Response, inputs: Items, outputs: Items, now_ms: int, expires_at_ms: int
) -> None:
    tx.run(
        """INSERT INTO response (id, account_id, previous_id, conversation_id, status, body, created_at_ms,
             expires_at_ms)
           VALUES (:id, :account, :previous, :conversation, :status, :body, :now, :expires)""",
        {"id": response.id, "account": account_id, "previous": response.previous_id,
         "conversation": response.conversation_id, "status": response.status, "body": response.body,
         "now": now_ms, "expires": expires_at_ms},
    )  # fmt: skip
    _add_items(tx, response.id, inputs, "input", 0)
    _add_items(tx, response.id, outputs, "output", len(inputs))


def note_response(tx: Tx, response_id: str, status: str, body: str) -> None:
    tx.run(
        """UPDATE response SET status = :status, body = :body
           WHERE id = :id AND status IN ('queued', 'in_progress')""",
        {"id": response_id, "status": status, "body": body},
    )


def end_response(tx: Tx, response_id: str, status: str, body: str, outputs: Items) -> bool:
    """False when it has ended before, or is gone: then nothing changes."""
    changed = tx.run(
        """UPDATE response SET status = :status, body = :body
           WHERE id = :id AND status IN ('queued', 'in_progress')""",
        {"id": response_id, "status": status, "body": body},
    )
    if changed:
        row = tx.one("SELECT COUNT(*) FROM response_item WHERE response_id = :id", {"id": response_id})
        _add_items(tx, response_id, outputs, "output", row[0] if row else 0)
    return changed > 0


def _add_items(tx: Tx, response_id: str, items: Items, side: str, position: int) -> None:
    for i, item in enumerate(items, position):
        tx.run(
            """INSERT INTO response_item (response_id, position, id, side, body)
               VALUES (:response, :position, :id, :side, :body)""",
            {
                "response": response_id,
                "position": i,
                "id": item["id"],
                "side": side,
                "body": _encode(item).decode(),
            },
        )


def find_response(tx: Tx, response_id: str, account_id: str, now_ms: int) -> Response | None:
    row = tx.one(
        f"""SELECT {_RESPONSE} FROM response
            WHERE id = :id AND account_id = :account AND expires_at_ms > :now""",  # noqa: S608
        {"id": response_id, "account": account_id, "now": now_ms},
    )
    return Response(*row) if row else None


def inputs_of(tx: Tx, response_id: str) -> list[dict[str, Any]]:
    rows = tx.all(
        "SELECT body FROM response_item WHERE response_id = :id AND side = 'input' ORDER BY position",
        {"id": response_id},
    )
    return [_decode(body) for (body,) in rows]


def history(tx: Tx, response_id: str, account_id: str, now_ms: int) -> list[dict[str, Any]] | None:
    """Everything said up to and in this response, oldest first; None where a part of it is gone."""
    rows = tx.all(
        f"""WITH RECURSIVE chain (id, previous_id, turn) AS (
              SELECT id, previous_id, 0 FROM response
              WHERE id = :id AND account_id = :account AND expires_at_ms > :now
              UNION ALL
              SELECT response.id, response.previous_id, turn + 1 FROM response
              JOIN chain ON response.id = chain.previous_id
              WHERE response.account_id = :account AND response.expires_at_ms > :now AND turn < {MOST_TURNS}
            )
            SELECT chain.id, chain.previous_id, item.body FROM chain
            LEFT JOIN response_item AS item ON item.response_id = chain.id
            ORDER BY turn DESC, position""",  # noqa: S608
        {"id": response_id, "account": account_id, "now": now_ms},
    )
    if not rows or rows[0][1] is not None:  # the oldest that was found follows one that was not
        return None
    return [_decode(body) for _, _, body in rows if body is not None]


def delete_response(tx: Tx, response_id: str, account_id: str) -> bool:
    changed = tx.run(
        "DELETE FROM response WHERE id = :id AND account_id = :account", {"id": response_id, "account": account_id}
    )
    return changed > 0


def find_item(tx: Tx, item_id: str, account_id: str, now_ms: int) -> dict[str, Any] | None:
    """An item of any response or conversation of the account."""
    row = tx.one(
        """SELECT item.body FROM response_item AS item JOIN response ON response.id = item.response_id
           WHERE item.id = :id AND response.account_id = :account AND response.expires_at_ms > :now
           UNION ALL
           SELECT item.body FROM conversation_item AS item
           JOIN conversation ON conversation.id = item.conversation_id
           WHERE item.id = :id AND conversation.account_id = :account AND conversation.expires_at_ms > :now
           LIMIT 1""",
        {"id": item_id, "account": account_id, "now": now_ms},
    )
    return _decode(row[0]) if row else None


# ---- conversations


def add_conversation(tx: Tx, account_id: str, conversation: Conversation, items: Items, expires_at_ms: int) -> None:
    tx.run(
        """INSERT INTO conversation (id, account_id, metadata, created_at_ms, expires_at_ms)
           VALUES (:id, :account, :metadata, :created, :expires)""",
        {"id": conversation.id, "account": account_id, "metadata": conversation.metadata,
         "created": conversation.created_at_ms, "expires": expires_at_ms},
    )  # fmt: skip
    append(tx, conversation.id, items, expires_at_ms)


def find_conversation(tx: Tx, conversation_id: str, account_id: str, now_ms: int) -> Conversation | None:
    row = tx.one(
        f"""SELECT {_CONVERSATION} FROM conversation
            WHERE id = :id AND account_id = :account AND expires_at_ms > :now""",  # noqa: S608
        {"id": conversation_id, "account": account_id, "now": now_ms},
    )
    return Conversation(*row) if row else None


def rename_conversation(tx: Tx, conversation_id: str, metadata: str) -> None:
    tx.run(
        "UPDATE conversation SET metadata = :metadata WHERE id = :id",
        {"id": conversation_id, "metadata": metadata},
    )


def append(tx: Tx, conversation_id: str, items: Items, expires_at_ms: int) -> list[str] | None:
    """Put items at the end, together: those of two requests at once never mingle. An item that is there already
    stays where it is. Returns the ids of those that were added; None where the conversation is gone."""
    there = tx.run(
        "UPDATE conversation SET expires_at_ms = :expires WHERE id = :id",
        {"id": conversation_id, "expires": expires_at_ms},
    )
    if not there:
        return None
    added = []
    for item in items:
        changed = tx.run(
            """INSERT INTO conversation_item (conversation_id, position, id, body)
               SELECT :conversation, COALESCE(MAX(position), -1) + 1, :id, :body
               FROM conversation_item WHERE conversation_id = :conversation
               ON CONFLICT (conversation_id, id) DO NOTHING""",
            {"conversation": conversation_id, "id": item["id"], "body": _encode(item).decode()},
        )
        if changed:
            added.append(item["id"])
    return added


def items_of(tx: Tx, conversation_id: str) -> list[dict[str, Any]]:
    rows = tx.all(
        "SELECT body FROM conversation_item WHERE conversation_id = :id ORDER BY position", {"id": conversation_id}
    )
    return [_decode(body) for (body,) in rows]


def item_of(tx: Tx, conversation_id: str, item_id: str) -> dict[str, Any] | None:
    row = tx.one(
        "SELECT body FROM conversation_item WHERE conversation_id = :conversation AND id = :id",
        {"conversation": conversation_id, "id": item_id},
    )
    return _decode(row[0]) if row else None


def count_items(tx: Tx, conversation_id: str) -> int:
    row = tx.one("SELECT COUNT(*) FROM conversation_item WHERE conversation_id = :id", {"id": conversation_id})
    return row[0] if row else 0


def remove_item(tx: Tx, conversation_id: str, item_id: str) -> bool:
    return (
        tx.run(
            "DELETE FROM conversation_item WHERE conversation_id = :conversation AND id = :id",
            {"conversation": conversation_id, "id": item_id},
        )
        > 0
    )


def delete_conversation(tx: Tx, conversation_id: str, account_id: str) -> bool:
    changed = tx.run(
        "DELETE FROM conversation WHERE id = :id AND account_id = :account",
        {"id": conversation_id, "account": account_id},
    )
    return changed > 0


# ---- how much it is


class Contradiction(Struct, frozen=True):
    account: str
    stored_bytes: int
    rows_bytes: int


def bytes_of(tx: Tx, account_id: str) -> int:
    """Of everything that the account has had remembered."""
    row = tx.one("SELECT memory_bytes FROM account WHERE id = :id", {"id": account_id})
    return row[0] if row else 0


def contradictions(tx: Tx) -> list[Contradiction]:
    """Accounts whose stored sum differs from what their rows add up to."""
    rows = tx.all(
        f"""WITH kept (account_id, bytes) AS (
              SELECT account_id, {_size("body")} FROM response
              UNION ALL
              SELECT account_id, {_size("item.body")} FROM response_item AS item
              JOIN response ON response.id = item.response_id
              UNION ALL
              SELECT account_id, {_size("metadata")} FROM conversation
              UNION ALL
              SELECT account_id, {_size("item.body")} FROM conversation_item AS item
              JOIN conversation ON conversation.id = item.conversation_id
            ), total AS (SELECT account_id, SUM(bytes) AS bytes FROM kept GROUP BY account_id)
            SELECT name, memory_bytes, COALESCE(total.bytes, 0)
            FROM account LEFT JOIN total ON total.account_id = account.id"""  # noqa: S608
    )
    return [Contradiction(*row) for row in rows if row[1] != row[2]]


def _size(column: str) -> str:
    """As the triggers count it."""
    return f"256 + LENGTH(CAST({column} AS BLOB))"


# ---- retention


def sweep(tx: Tx, now_ms: int, limit: int = 500) -> int:
    """Remove what has expired, a few at a time; returns how many."""
    return sum(
        tx.run(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE expires_at_ms <= :now LIMIT :limit)",  # noqa: S608
            {"now": now_ms, "limit": limit},
        )
        for table in ("response", "conversation")
    )
