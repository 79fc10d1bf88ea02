import threading
import time

import books
import pytest

from thermly.store import people
from thermly.store.db import Database, Tx

NOW = books.NOW_MS


def somebody(base: Database, email: str = "ada@example.com", role: str = "member", account_id: str = "") -> str:
    account_id = account_id or books.payer(base, f"of {email}").account_id
    with base.begin() as tx:
        made = people.create(tx, email, "Ada", role, account_id, NOW)
    assert made is not None
    return made


def session(tx: Tx, person_id: str, token: str, expires_at_ms: int = NOW + 1000) -> str:
    people.begin(tx, person_id, token, "a browser", NOW, expires_at_ms)
    return people.digest(token)


def test_an_address_is_one_persons_in_any_case(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        found = people.by_email(tx, "ADA@Example.com")
        assert found is not None and found.id == person_id
        assert people.create(tx, "Ada@EXAMPLE.com", "", "admin", found.account_id, NOW) is None


def test_a_session_ends_when_it_is_revoked_expired_or_its_person_disabled(base: Database) -> None:
    person_id = somebody(base)
    somebody(base, "boss@example.com", "admin")
    with base.begin() as tx:
        first = session(tx, person_id, "one")
        session(tx, person_id, "two", NOW + 10)
        session(tx, person_id, "three")
        assert people.of_session(tx, "one", NOW) and people.of_session(tx, "two", NOW)
        assert people.of_session(tx, "none", NOW) is None
        assert people.of_session(tx, first, NOW) is None, "what is stored opens nothing"
        assert people.of_session(tx, "two", NOW + 10) is None
        assert people.end(tx, first) == 1 and people.of_session(tx, "one", NOW) is None
        assert people.disable(tx, person_id, NOW) and people.of_session(tx, "three", NOW) is None
        assert people.disable(tx, person_id, None) and people.of_session(tx, "three", NOW) is None, "gone for good"


def test_nobody_ends_the_sessions_of_others(base: Database) -> None:
    ada, grace = somebody(base), somebody(base, "grace@example.com")
    with base.begin() as tx:
        hers = session(tx, grace, "hers")
        assert people.end(tx, hers, ada) == 0 and people.of_session(tx, "hers", NOW)
        assert people.end(tx, hers, grace) == 1


def test_ending_all_sessions_can_spare_one(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        kept = session(tx, person_id, "kept")
        session(tx, person_id, "other")
        assert people.end_all(tx, person_id, kept) == 1
        assert [s.hash for s in people.sessions(tx, person_id, NOW)] == [kept]


def test_being_seen_is_written_once_a_while(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        session(tx, person_id, "one", NOW + 10**9)
        for later, wanted in ((500, 0), (1000, 0), (1001, 1001), (2000, 1001), (2002, 2002)):
            people.seen(tx, "one", NOW + later, 1000)
            assert people.sessions(tx, person_id, NOW)[0].seen_at_ms == NOW + wanted


def test_looking_at_pages_waits_for_no_writer(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        session(tx, person_id, "one")
    other = Database(base.path)
    with base.begin(), other.each() as tx:
        began = time.monotonic()
        people.seen(tx, "one", NOW + 10, 1000)
        assert time.monotonic() - began < 1
    other.close()


def test_a_link_works_once_and_the_newest_alone(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        people.invite(tx, person_id, "old", NOW, NOW + 1000)
        people.invite(tx, person_id, "new", NOW, NOW + 1000)
        assert people.invited(tx, "old", NOW) is None
        assert people.invited(tx, "new", NOW + 1000) is None, "too old"
        found = people.invited(tx, "new", NOW)
        assert found is not None and found.id == person_id
        assert people.accept(tx, "new", NOW) == person_id
        assert people.accept(tx, "new", NOW) is None


def test_disabling_takes_links_back(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        people.invite(tx, person_id, "link", NOW, NOW + 1000)
        people.disable(tx, person_id, NOW)
        people.disable(tx, person_id, None)
        assert people.invited(tx, "link", NOW) is None


def test_another_password_ends_sessions_and_links(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        session(tx, person_id, "one")
        people.invite(tx, person_id, "link", NOW, NOW + 1000)
        people.set_password(tx, person_id, "hash")
        assert people.of_session(tx, "one", NOW) is None and people.invited(tx, "link", NOW) is None


def test_the_last_admin_in_use_stays_one(base: Database) -> None:
    first, second = somebody(base, "a@example.com", "admin"), somebody(base, "b@example.com", "admin")
    with base.begin() as tx:
        assert people.disable(tx, second, NOW)
        assert not people.disable(tx, first, NOW) and not people.change(tx, first, "", "member")
        assert people.change(tx, first, "Boss", "admin"), "the name may change"
        assert people.disable(tx, second, None) and people.change(tx, first, "", "member")
        assert not people.change(tx, second, "", "member")


@pytest.mark.parametrize("act", ["disable", "change"])
def test_two_admins_cannot_put_each_other_out_at_the_same_instant(base: Database, act: str) -> None:
    both = [somebody(base, f"{n}@example.com", "admin") for n in range(2)]
    done, together = [], threading.Barrier(2)

    def put_out(person_id: str) -> None:
        own = Database(base.path)
        together.wait()
        with own.begin() as tx:
            done.append(
                people.disable(tx, person_id, NOW)
                if act == "disable"
                else people.change(tx, person_id, "", "member")
            )
        own.close()

    threads = [threading.Thread(target=put_out, args=(person_id,)) for person_id in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, True]


def test_a_person_is_tied_to_an_identity_once(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        assert people.set_subject(tx, person_id, "issuer|1")
        assert not people.set_subject(tx, person_id, "issuer|2")
        found = people.by_subject(tx, "issuer|1")
        assert found is not None and found.id == person_id


def test_a_person_who_is_untied_is_out_and_can_be_tied_again(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        assert not people.untie(tx, person_id)
        people.set_subject(tx, person_id, "issuer|1")
        session(tx, person_id, "one")
        session(tx, person_id, "mine")
        assert people.untie(tx, person_id, people.digest("mine")) and not people.untie(tx, person_id)
        assert people.by_subject(tx, "issuer|1") is None
        assert people.of_session(tx, "one", NOW) is None and people.of_session(tx, "mine", NOW) is not None
        assert people.set_subject(tx, person_id, "issuer|2")


def test_a_sweep_takes_what_has_expired_and_no_more(base: Database) -> None:
    person_id = somebody(base)
    with base.begin() as tx:
        session(tx, person_id, "old", NOW)
        session(tx, person_id, "new")
        people.invite(tx, person_id, "link", NOW, NOW)
        assert people.sweep(tx, NOW) == 2
        assert people.of_session(tx, "new", NOW) is not None
