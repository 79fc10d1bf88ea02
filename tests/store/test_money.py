import sqlite3
import threading
from collections.abc import Callable

import books
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from thermly.exchange import Usage
from thermly.store import accounts, money
from thermly.store.db import Database
from thermly.store.money import Closing, Opening

NOW_MS = books.NOW_MS


def hold(base: Database, opening: Opening, amount: int) -> bool:
    with base.begin() as tx:
        return money.hold(tx, opening, amount)


def extend(base: Database, opening: Opening, more: int) -> bool:
    with base.begin() as tx:
        return money.extend(tx, opening, more)


def close(base: Database, opening: Opening, closing: Closing) -> bool:
    with base.begin() as tx:
        return money.close(tx, opening.id, closing)


def sums(base: Database, by: books.Payer) -> tuple[int, int]:
    found = books.account_of(base, by)
    return found.balance_nanousd, found.held_nanousd


def available(base: Database, by: books.Payer) -> int:
    with base.each() as tx:
        return money.funds(tx, by.account_id, by.key_id, NOW_MS).least


def balanced(base: Database) -> bool:
    with base.each() as tx:
        return money.contradictions(tx) == []


def test_a_hold_reserves_and_settling_charges_the_cost_and_frees_the_rest(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    opening = books.opening(by)
    assert hold(base, opening, 600)
    assert sums(base, by) == (1000, 600)
    assert available(base, by) == 400
    assert close(base, opening, books.settled(250))
    assert sums(base, by) == (750, 0)
    assert balanced(base)


def test_a_release_charges_nothing_and_leaves_a_row_that_says_why(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    opening = books.opening(by)
    hold(base, opening, 600)
    assert close(base, opening, books.RELEASED)
    assert sums(base, by) == (1000, 0)
    with base.each() as tx:
        assert tx.all("SELECT id, state, outcome, cost_nanousd FROM usage") == [
            (opening.id, "released", "upstream_failed", 0)
        ]


@pytest.mark.parametrize("again", [books.settled(250), books.settled(999), books.RELEASED])
def test_closing_twice_changes_nothing(base: Database, again: Closing) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=1000)
    opening = books.opening(by)
    hold(base, opening, 600)
    assert close(base, opening, books.settled(250))
    assert not close(base, opening, again)
    assert sums(base, by) == (750, 0)
    assert books.number(base, "SELECT COUNT(*) FROM usage") == 1
    assert books.number(base, "SELECT spent_nanousd FROM api_key") == 250
    assert balanced(base)


def test_closing_what_was_never_held_changes_nothing(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    assert not close(base, books.opening(by), books.settled(250))
    assert sums(base, by) == (1000, 0)
    assert books.number(base, "SELECT COUNT(*) FROM usage") == 0


def test_a_hold_may_take_all_there_is_and_not_one_nano_dollar_more(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    assert not hold(base, books.opening(by), 1001)
    assert sums(base, by) == (1000, 0)
    assert hold(base, books.opening(by), 1000)
    assert not hold(base, books.opening(by), 1)
    assert hold(base, books.opening(by), 0), "what costs nothing needs no funds"
    assert sums(base, by) == (1000, 1000)


def test_an_account_in_debt_holds_nothing(base: Database) -> None:
    by = books.payer(base, credit_nanousd=100)
    opening = books.opening(by)
    hold(base, opening, 100)
    close(base, opening, books.settled(150))
    assert sums(base, by) == (-50, 0)
    assert not hold(base, books.opening(by), 0)
    assert available(base, by) == -50
    assert balanced(base)


def test_the_same_request_is_never_held_twice(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    opening = books.opening(by)
    assert hold(base, opening, 100)
    with pytest.raises(sqlite3.IntegrityError):
        hold(base, opening, 100)
    assert sums(base, by) == (1000, 100)


def test_extending_raises_the_hold_or_changes_nothing(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    opening = books.opening(by)
    hold(base, opening, 600)
    assert not extend(base, opening, 401)
    assert sums(base, by) == (1000, 600)
    assert extend(base, opening, 400)
    assert sums(base, by) == (1000, 1000)
    assert extend(base, opening, 0)
    assert close(base, opening, books.settled(1000))
    assert sums(base, by) == (0, 0)


def test_a_closed_hold_cannot_be_extended(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    opening = books.opening(by)
    hold(base, opening, 100)
    close(base, opening, books.RELEASED)
    assert not extend(base, opening, 100)
    assert sums(base, by) == (1000, 0)
    assert balanced(base)


def test_money_moves_in_single_statements_outside_of_a_transaction_too(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=900)
    opening, other = books.opening(by), books.opening(by)
    with base.each() as tx:
        assert money.hold(tx, opening, 100)
        assert money.hold(tx, other, 200)
        assert money.extend(tx, opening, 300)
        assert money.close(tx, opening.id, books.settled(350))
        assert not money.close(tx, opening.id, books.settled(350))
        assert not money.hold(tx, books.opening(by), 451)
    assert sums(base, by) == (650, 200)
    assert balanced(base)


def test_what_is_written_into_the_tables_by_hand_moves_the_sums_too(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=900)
    hold(base, books.opening(by), 100)
    with base.begin() as tx:
        tx.run(
            """INSERT INTO credit (id, account_id, amount_nanousd, kind, created_at_ms)
               VALUES ('by hand', :account, 5, 'grant', 1)""",
            {"account": by.account_id},
        )
        tx.run("UPDATE hold SET amount_nanousd = 70")
        tx.run("DELETE FROM hold WHERE amount_nanousd = 70")
    assert sums(base, by) == (1005, 0)
    assert balanced(base)


def test_a_capped_key_holds_no_more_than_its_cap_leaves(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=300)
    assert available(base, by) == 300
    assert not hold(base, books.opening(by), 301), "less would fit: the caller may ask for less"
    assert (sums(base, by), available(base, by)) == ((1000, 0), 300)
    opening = books.opening(by)
    assert hold(base, opening, 200)
    assert available(base, by) == 100
    assert not extend(base, opening, 101)
    assert extend(base, opening, 50)
    assert close(base, opening, books.settled(220))
    assert available(base, by) == 80
    assert balanced(base)


def test_a_cap_that_leaves_nothing_is_named(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=300)
    opening = books.opening(by)
    hold(base, opening, 300)
    for _ in range(2):
        assert not hold(base, books.opening(by), 1)
        with base.each() as tx:
            assert money.funds(tx, by.account_id, by.key_id, NOW_MS).cap_is_in_the_way
        close(base, opening, books.settled(300))
    assert sums(base, by) == (700, 0)
    assert balanced(base)


def test_a_cap_does_not_lend_what_the_account_lacks(base: Database) -> None:
    by = books.payer(base, credit_nanousd=100, cap_nanousd=300)
    assert available(base, by) == 100
    assert not hold(base, books.opening(by), 101)
    assert books.number(base, "SELECT held_nanousd FROM api_key") == 0


def test_nothing_is_available_to_nobody(base: Database) -> None:
    with base.each() as tx:
        assert money.funds(tx, "acc_nobody", "key_nobody", NOW_MS).least == 0
    by = books.payer(base)
    with base.begin() as tx:
        assert not money.hold(tx, replace(books.opening(by), account_id="acc_nobody"), 0)


def test_the_usage_row_tells_what_was_known_at_both_ends(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000)
    opening = books.opening(by, started_at_ms=42)
    hold(base, opening, 600)
    used = Usage(input_tokens=100, cached_input_tokens=40, cache_write_tokens=30, cache_write_1h_tokens=5,
                 output_tokens=20, reasoning_tokens=8, estimated=True)  # fmt: skip
    close(base, opening, books.settled(250, usage=used, outcome="client_gone"))
    with base.each() as tx:
        row = tx.one(
            """SELECT id, account_id, key_id, surface, requested_model, started_at_ms, state, outcome, model,
                 provider, cost_nanousd, baseline_nanousd, input_tokens, cached_input_tokens, cache_write_tokens,
                 output_tokens, reasoning_tokens, estimated, duration_ms FROM usage"""
        )
    assert row == (
        opening.id, by.account_id, by.key_id, "v1", "auto", 42, "settled", "client_gone", "gpt-4o", "openai",
        250, 750, 100, 40, 35, 20, 8, 1, 7,
    )  # fmt: skip


def test_the_holds_of_a_dead_process_are_released_and_nobody_elses(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=900)
    mine, lost = books.opening(by, "1-alive"), [books.opening(by, "2-dead") for _ in range(3)]
    for opening in (mine, *lost):
        assert hold(base, opening, 100)
    with base.begin() as tx:
        assert set(money.owners_of_holds(tx)) == {"1-alive", "2-dead"}
        assert money.release_all(tx, "2-dead") == 3
        assert money.release_all(tx, "2-dead") == 0
    assert sums(base, by) == (1000, 100)
    assert not close(base, lost[0], books.settled(100)), "what comes too late charges nothing"
    assert books.number(base, "SELECT COUNT(*) FROM usage WHERE outcome = 'process_died' AND cost_nanousd = 0") == 3
    assert balanced(base)


def test_every_contradiction_is_named(base: Database) -> None:
    by = books.payer(base, credit_nanousd=1000, cap_nanousd=500)
    hold(base, books.opening(by), 100)
    with base.begin() as tx:
        tx.run("UPDATE account SET balance_nanousd = balance_nanousd + 1, held_nanousd = held_nanousd + 2")
        tx.run("UPDATE api_key SET spent_nanousd = spent_nanousd + 3, held_nanousd = held_nanousd + 4")
    with base.each() as tx:
        found = {c.what: (c.account, c.stored_nanousd, c.rows_nanousd) for c in money.contradictions(tx)}
    assert found == {
        "balance": ("someone", 1001, 1000),
        "held": ("someone", 102, 100),
        "spent by capped key": (by.key_id, 3, 0),
        "held by capped key": (by.key_id, 104, 100),
    }


def test_checking_the_books_takes_time_by_rows_and_not_by_accounts_times_rows(base: Database) -> None:
    with base.begin() as tx:
        made = [accounts.create(tx, f"account {i}", "pro", NOW_MS) for i in range(300)]
        base.connection.executemany(
            """INSERT INTO usage (id, account_id, key_id, state, outcome, surface, requested_model, started_at_ms)
               VALUES (?, ?, 'key', 'settled', 'ok', 'v1', 'm', 1)""",
            [(str(i), made[i % 300].id) for i in range(3000) if made[i % 300]],  # type: ignore[union-attr]
        )
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        base.connection.set_progress_handler(count, 1000)
        assert money.contradictions(tx) == []
        assert accounts.low(tx, 1, NOW_MS) == []
        base.connection.set_progress_handler(None, 0)
    assert steps < 1000, "thousands of steps of SQLite's machine"


actions = st.lists(
    st.tuples(
        st.sampled_from(["hold", "hold", "extend", "settle", "release", "again", "credit", "die"]),
        st.integers(0, 2),
        st.integers(0, 9),
        st.integers(0, 700),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(actions)
def test_whatever_the_order_the_books_are_those_of_a_ledger_kept_by_hand(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[str, int, int, int]]
) -> None:
    """Balance = credits - costs; held = sum of holds; never granted more than there was, under cap and balance."""
    base = books.fresh(tmp_path_factory.mktemp("books"))
    caps = (None, 800, None)
    people = [books.payer(base, f"account {i}", 1000, cap) for i, cap in enumerate(caps)]
    balance, spent = [1000, 1000, 1000], [0, 0, 0]
    held: list[dict[str, int]] = [{}, {}, {}]
    openings: dict[str, Opening] = {}
    closed: list[tuple[int, Opening]] = []
    for action, who, which, amount in todo:
        by, mine = people[who], held[who]
        left = balance[who] - sum(mine.values())
        cap = caps[who]
        if cap is not None:
            left = min(left, cap - spent[who] - sum(mine.values()))
        assert available(base, by) == left
        chosen = list(mine)[which % len(mine)] if mine else None
        if action == "hold":
            opening = books.opening(by, f"{which}-owner")
            if tried(lambda o=opening, a=amount: hold(base, o, a)):  # type: ignore[misc]
                assert amount <= left
                mine[opening.id], openings[opening.id] = amount, opening
            else:
                assert amount > left or (cap is not None and left <= 0)
        elif action == "credit":
            with base.begin() as tx:
                accounts.credit(tx, by.account_id, amount, "grant", "", NOW_MS)
            balance[who] += amount
        elif action == "die":
            with base.begin() as tx:
                money.release_all(tx, f"{which}-owner")
            for books_of in held:
                for lost in [i for i in books_of if openings[i].owner == f"{which}-owner"]:
                    del books_of[lost]
        elif action == "again" and closed:
            assert not close(base, closed[which % len(closed)][1], books.settled(amount))
        elif chosen is None:
            continue
        elif action == "extend":
            if tried(lambda o=openings[chosen], a=amount: extend(base, o, a)):  # type: ignore[misc]
                assert amount <= left
                mine[chosen] += amount
            else:
                assert amount > left or (cap is not None and left <= 0)
        elif action in ("settle", "release"):
            cost = amount if action == "settle" else 0
            assert close(base, openings[chosen], books.settled(cost) if cost else books.RELEASED)
            closed.append((who, openings[chosen]))
            del mine[chosen]
            balance[who] -= cost
            spent[who] += cost
        assert [sums(base, p) for p in people] == [(b, sum(h.values())) for b, h in zip(balance, held, strict=True)]
    assert balanced(base)
    base.close()


def tried(attempt: Callable[[], bool]) -> bool:
    return attempt()


def test_sixteen_threads_are_granted_exactly_what_there_is(base: Database) -> None:
    by = books.payer(base, credit_nanousd=250 * 100)
    granted: list[Opening] = []

    def work() -> None:
        for _ in range(50):
            opening = books.opening(by)
            if hold(base, opening, 100):
                granted.append(opening)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 250
    assert sums(base, by) == (25_000, 25_000)
    assert balanced(base)


PROCESS = """
import sys
from pathlib import Path
import books
from thermly.store import money
from thermly.store.db import Database

path, account, key, capped = sys.argv[1:]
by = books.Payer(account, key, "", int(capped))
base = Database(Path(path))
sys.stdin.readline()
granted = 0
for _ in range(200):
    opening = books.opening(by)
    with base.begin() as tx:
        granted += money.hold(tx, opening, 100)
print(granted)
"""


@pytest.mark.parametrize("cap_nanousd", [None, 180 * 100])
def test_four_processes_are_granted_exactly_what_there_is(base: Database, cap_nanousd: int | None) -> None:
    by = books.payer(base, credit_nanousd=250 * 100, cap_nanousd=cap_nanousd)
    processes = [books.spawn(PROCESS, base.path, by.account_id, by.key_id, by.capped) for _ in range(4)]
    for process in processes:
        books.start(process)
    assert sum(int(books.said(process)) for process in processes) == (250 if cap_nanousd is None else 180)
    assert balanced(base)
