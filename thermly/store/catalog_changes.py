"""What admins changed in the catalogue, one row per model, and the number that rises with every change."""

from msgspec import Struct

from thermly.store.db import Tx


class Change(Struct, frozen=True):
    """`fields` is JSON: those of the model's row that are changed, or `false`."""

    model: str
    fields: str
    changed_by: str
    changed_at_ms: int


def version(tx: Tx) -> int:
    row = tx.one("SELECT version FROM catalog_version WHERE name = 'catalog'")
    return int(row[0]) if row else 0


def everything(tx: Tx) -> list[Change]:
    """The oldest first."""
    sql = "SELECT model, fields, changed_by, changed_at_ms FROM catalog_change ORDER BY changed_at_ms, model"
    return [Change(*row) for row in tx.all(sql)]


def put(tx: Tx, model: str, fields: str, changed_by: str, now_ms: int) -> None:
    tx.run(
        """INSERT INTO catalog_change (model, fields, changed_by, changed_at_ms) VALUES (:model, :fields, :by, :now)
           ON CONFLICT (model) DO UPDATE SET fields = :fields, changed_by = :by, changed_at_ms = :now""",
        {"model": model, "fields": fields, "by": changed_by, "now": now_ms},
    )


def remove(tx: Tx, model: str) -> None:
    tx.run("DELETE FROM catalog_change WHERE model = :model", {"model": model})
