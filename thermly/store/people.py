"""People who sign in to the console, their sessions, and the links with which they choose a password."""

import hashlib
import hmac

from msgspec import Struct

from thermly import ids
from thermly.store.db import Tx


class Person(Struct, frozen=True):
    """`role`: admin or member. `password` is its hash; None: none was chosen yet. `subject`: who the identity
    provider says it is."""

    id: str
    email: str
    name: str
    role: str
    account_id: str
    account: str
    password: str | None
    subject: str | None
    disabled_at_ms: int | None
    signed_in_at_ms: int | None
    created_at_ms: int

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


class SignIn(Struct, frozen=True):
    """A session, without what opens it."""

    hash: str
    agent: str
    created_at_ms: int
    seen_at_ms: int
    expires_at_ms: int


_PERSON = """p.id, p.email, p.name, p.role, p.account_id, a.name, p.password, p.subject, p.disabled_at_ms,
  p.signed_in_at_ms, p.created_at_ms"""
_FROM = "FROM person p JOIN account a ON a.id = p.account_id"


def digest(token: str) -> str:
    """Tokens carry 256 random bits: a plain SHA-256 cannot be guessed back and needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def create(tx: Tx, email: str, name: str, role: str, account_id: str, now_ms: int) -> str | None:
    """The new person's id; None when the address is taken."""
    row = tx.one(
        """INSERT INTO person (id, email, name, role, account_id, created_at_ms)
           VALUES (:id, :email, :name, :role, :account, :now) ON CONFLICT (email) DO NOTHING RETURNING id""",
        {"id": "per_" + ids.new(), "email": email, "name": name, "role": role, "account": account_id,
         "now": now_ms},
    )  # fmt: skip
    return str(row[0]) if row else None


def find(tx: Tx, person_id: str) -> Person | None:
    row = tx.one(f"SELECT {_PERSON} {_FROM} WHERE p.id = :id", {"id": person_id})
    return Person(*row) if row else None


def by_email(tx: Tx, email: str) -> Person | None:
    row = tx.one(f"SELECT {_PERSON} {_FROM} WHERE p.email = :email", {"email": email})
    return Person(*row) if row else None


def by_subject(tx: Tx, subject: str) -> Person | None:
    row = tx.one(f"SELECT {_PERSON} {_FROM} WHERE p.subject = :subject", {"subject": subject})
    return Person(*row) if row else None


def listed(tx: Tx, account_id: str | None = None) -> list[Person]:
    rows = tx.all(
        f"SELECT {_PERSON} {_FROM} WHERE :account IS NULL OR p.account_id = :account ORDER BY a.name, p.email",
        {"account": account_id},
    )
    return [Person(*row) for row in rows]


def set_password(tx: Tx, person_id: str, hashed: str) -> None:
    """Sessions and links of before end with it: whoever knew the old password is out."""
    tx.run("UPDATE person SET password = :hashed WHERE id = :id", {"hashed": hashed, "id": person_id})
    end_all(tx, person_id)
    tx.run("DELETE FROM invitation WHERE person_id = :id", {"id": person_id})


def set_subject(tx: Tx, person_id: str, subject: str) -> bool:
    """Tie a person to who the identity provider says it is, once."""
    changed = tx.run(
        "UPDATE person SET subject = :subject WHERE id = :id AND subject IS NULL",
        {"subject": subject, "id": person_id},
    )
    return changed > 0


def untie(tx: Tx, person_id: str, but: str = "") -> bool:
    """Whoever came in by the identity provider's word is out, but for one session; the next such word ties the
    person anew. False when nothing tied them."""
    changed = tx.run("UPDATE person SET subject = NULL WHERE id = :id AND subject IS NOT NULL", {"id": person_id})
    if changed:
        end_all(tx, person_id, but)
    return changed > 0


def rename(tx: Tx, person_id: str, name: str) -> None:
    tx.run("UPDATE person SET name = :name WHERE id = :id", {"id": person_id, "name": name})


def change(tx: Tx, person_id: str, name: str, role: str) -> bool:
    """False when nobody would be left to administer: the last admin in use stays one."""
    changed = tx.run(
        """UPDATE person SET name = :name, role = :role WHERE id = :id AND (:role = 'admin' OR EXISTS (
             SELECT 1 FROM person WHERE role = 'admin' AND disabled_at_ms IS NULL AND id <> :id))""",
        {"id": person_id, "name": name, "role": role},
    )
    return changed > 0


def disable(tx: Tx, person_id: str, at_ms: int | None) -> bool:
    """Out at once, with every session and link; None takes it back. False for the last admin in use."""
    changed = tx.run(
        """UPDATE person SET disabled_at_ms = :at WHERE id = :id AND (:at IS NULL OR role <> 'admin' OR EXISTS (
             SELECT 1 FROM person WHERE role = 'admin' AND disabled_at_ms IS NULL AND id <> :id))""",
        {"id": person_id, "at": at_ms},
    )
    if changed and at_ms is not None:
        end_all(tx, person_id)
        tx.run("DELETE FROM invitation WHERE person_id = :id", {"id": person_id})
    return changed > 0


# ---- sessions


def begin(tx: Tx, person_id: str, token: str, agent: str, now_ms: int, expires_at_ms: int) -> None:
    tx.run(
        """INSERT INTO sign_in (hash, person_id, agent, created_at_ms, seen_at_ms, expires_at_ms)
           VALUES (:hash, :person, :agent, :now, :now, :expires)""",
        {"hash": digest(token), "person": person_id, "agent": agent, "now": now_ms, "expires": expires_at_ms},
    )
    tx.run("UPDATE person SET signed_in_at_ms = :now WHERE id = :id", {"now": now_ms, "id": person_id})


def of_session(tx: Tx, token: str, now_ms: int) -> Person | None:
    """Whose session it is; None for one that was revoked, has expired, or whose person is disabled."""
    wanted = digest(token)
    row = tx.one(
        f"""SELECT s.hash, {_PERSON} {_FROM} JOIN sign_in s ON s.person_id = p.id
            WHERE s.hash = :hash AND s.expires_at_ms > :now AND p.disabled_at_ms IS NULL""",
        {"hash": wanted, "now": now_ms},
    )
    if row is None or not hmac.compare_digest(row[0], wanted):
        return None
    return Person(*row[1:])


def seen(tx: Tx, token: str, now_ms: int, at_most_every_ms: int) -> None:
    """Looks first: a statement that could write waits for whoever writes, even where it changes nothing."""
    values = {"hash": digest(token), "now": now_ms, "pause": at_most_every_ms}
    if tx.one("SELECT 1 FROM sign_in WHERE hash = :hash AND seen_at_ms + :pause < :now", values):
        tx.run("UPDATE sign_in SET seen_at_ms = :now WHERE hash = :hash AND seen_at_ms + :pause < :now", values)


def sessions(tx: Tx, person_id: str, now_ms: int) -> list[SignIn]:
    rows = tx.all(
        """SELECT hash, agent, created_at_ms, seen_at_ms, expires_at_ms FROM sign_in
           WHERE person_id = :id AND expires_at_ms > :now ORDER BY seen_at_ms DESC""",
        {"id": person_id, "now": now_ms},
    )
    return [SignIn(*row) for row in rows]


def end(tx: Tx, session_hash: str, person_id: str | None = None) -> int:
    """Revoke one session, of this person where one is named; returns how many there were."""
    return tx.run(
        "DELETE FROM sign_in WHERE hash = :hash AND (:person IS NULL OR person_id = :person)",
        {"hash": session_hash, "person": person_id},
    )


def end_all(tx: Tx, person_id: str, but: str = "") -> int:
    return tx.run("DELETE FROM sign_in WHERE person_id = :id AND hash <> :but", {"id": person_id, "but": but})


# ---- links


def invite(tx: Tx, person_id: str, token: str, now_ms: int, expires_at_ms: int) -> None:
    """One link at a time: a new one makes those before it worthless."""
    tx.run("DELETE FROM invitation WHERE person_id = :id", {"id": person_id})
    tx.run(
        """INSERT INTO invitation (hash, person_id, created_at_ms, expires_at_ms)
           VALUES (:hash, :person, :now, :expires)""",
        {"hash": digest(token), "person": person_id, "now": now_ms, "expires": expires_at_ms},
    )


def invited(tx: Tx, token: str, now_ms: int) -> Person | None:
    row = tx.one(
        f"""SELECT {_PERSON} {_FROM} JOIN invitation i ON i.person_id = p.id
            WHERE i.hash = :hash AND i.expires_at_ms > :now AND p.disabled_at_ms IS NULL""",
        {"hash": digest(token), "now": now_ms},
    )
    return Person(*row) if row else None


def accept(tx: Tx, token: str, now_ms: int) -> str | None:
    """Use the link up; the id of the person whose it was."""
    row = tx.one(
        "DELETE FROM invitation WHERE hash = :hash AND expires_at_ms > :now RETURNING person_id",
        {"hash": digest(token), "now": now_ms},
    )
    return str(row[0]) if row else None


def sweep(tx: Tx, now_ms: int, limit: int = 1000) -> int:
    """Expired sessions and links."""
    gone = 0
    for table in ("sign_in", "invitation"):
        gone += tx.run(
            f"""DELETE FROM {table} WHERE hash IN (
                  SELECT hash FROM {table} WHERE expires_at_ms <= :now LIMIT :limit)""",  # noqa: S608
            {"now": now_ms, "limit": limit},
        )
    return gone
