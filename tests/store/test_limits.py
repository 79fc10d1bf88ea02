import books
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermly.store import limits
from thermly.store.db import Database

NOW_MS = books.NOW_MS
BASE_MS, MOST_MS = 5_000, 120_000


def count(base: Database, key: str, now_ms: int, amount: int = 1) -> tuple[int, int]:
    with base.each() as tx:
        return limits.count(tx, key, 60, amount, now_ms)


def peek(base: Database, key: str, now_ms: int) -> tuple[int, int]:
    with base.each() as tx:
        return limits.peek(tx, key, now_ms)


def test_a_window_opens_with_the_first_request_and_stays_where_it_is(base: Database) -> None:
    assert count(base, "key", NOW_MS) == (1, NOW_MS + 60_000)
    assert count(base, "key", NOW_MS + 59_999) == (2, NOW_MS + 60_000)
    assert peek(base, "key", NOW_MS + 59_999) == (2, NOW_MS + 60_000)


def test_a_window_that_has_ended_counts_from_one_again(base: Database) -> None:
    count(base, "key", NOW_MS, 10)
    assert peek(base, "key", NOW_MS + 60_000) == (0, 0)
    assert count(base, "key", NOW_MS + 60_000) == (1, NOW_MS + 120_000)


def test_every_key_has_a_window_of_its_own(base: Database) -> None:
    count(base, "one", NOW_MS, 3)
    assert count(base, "other", NOW_MS + 1) == (1, NOW_MS + 60_001)
    with base.each() as tx:
        assert limits.clear(tx, "one") == 1
    assert peek(base, "one", NOW_MS) == (0, 0)
    assert peek(base, "other", NOW_MS + 1)[0] == 1
    with base.each() as tx:
        assert limits.clear(tx) == 1


@settings(deadline=None, max_examples=50)
@given(steps=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50_000), st.integers(1, 5)), max_size=30))
def test_windows_are_those_of_a_clock_and_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    base = books.fresh(tmp_path_factory.mktemp("books"))
    windows: dict[str, tuple[int, int]] = {}
    now_ms = NOW_MS
    for key, later_ms, amount in steps:
        now_ms += later_ms
        counted, resets_at_ms = windows.get(key, (0, 0))
        if resets_at_ms <= now_ms:
            counted, resets_at_ms = 0, now_ms + 60_000
        windows[key] = (counted + amount, resets_at_ms)
        assert count(base, key, now_ms, amount) == windows[key]
    base.close()


PROCESS = """
import sys, threading
from pathlib import Path
from thermly.store import limits
from thermly.store.db import Database

base = Database(Path(sys.argv[1]))
sys.stdin.readline()
seen = []
def work():
    for _ in range(50):
        with base.each() as tx:
            seen.append(limits.count(tx, "key", 60, 1, int(sys.argv[2]))[0])
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*seen)
"""


def test_no_request_is_counted_twice_or_left_out_by_several_processes(base: Database) -> None:
    count(base, "other", NOW_MS)
    processes = [books.spawn(PROCESS, base.path, NOW_MS) for _ in range(3)]
    for process in processes:
        books.start(process)
    seen = [int(number) for process in processes for number in books.said(process).split()]
    assert sorted(seen) == list(range(1, 301))


def test_sweeping_drops_windows_that_have_ended_and_only_so_many_at_once(base: Database) -> None:
    for i in range(5):
        count(base, f"old {i}", NOW_MS)
    count(base, "new", NOW_MS + 1)
    with base.begin() as tx:
        assert [limits.sweep(tx, NOW_MS + 60_000, limit=3) for _ in range(3)] == [3, 2, 0]
    assert peek(base, "new", NOW_MS + 60_000) == (1, NOW_MS + 60_001)


def cool(base: Database, now_ms: int, reason: str = "upstream_error") -> None:
    with base.begin() as tx:
        limits.cool(tx, "openai/gpt-4o", reason, now_ms, BASE_MS, MOST_MS)


def cools_until_ms(base: Database) -> int:
    return books.number(base, "SELECT until_ms FROM cooldown")


def test_a_target_cools_twice_as_long_with_each_failure_in_a_row_up_to_a_bound(base: Database) -> None:
    spans, now_ms = [], NOW_MS
    for _ in range(12):
        cool(base, now_ms)
        spans.append((cools_until_ms(base) - now_ms) // 1000)
        now_ms = cools_until_ms(base)
    assert spans == [5, 10, 20, 40, 80, *[120] * 7]


def test_a_target_that_answered_starts_anew(base: Database) -> None:
    cool(base, NOW_MS)
    cool(base, NOW_MS)
    with base.begin() as tx:
        limits.warm(tx, "openai/gpt-4o")
        assert limits.cooling(tx, NOW_MS) == {}
    cool(base, NOW_MS)
    assert cools_until_ms(base) == NOW_MS + BASE_MS


def test_failures_far_apart_are_no_row(base: Database) -> None:
    """Whoever answers after its cooldown is not asked to report it: time forgets."""
    cool(base, NOW_MS)
    cool(base, NOW_MS)
    until_ms = cools_until_ms(base)
    cool(base, until_ms + MOST_MS)
    assert cools_until_ms(base) == until_ms + MOST_MS + 4 * BASE_MS
    until_ms = cools_until_ms(base)
    cool(base, until_ms + MOST_MS + 1)
    assert cools_until_ms(base) == until_ms + MOST_MS + 1 + BASE_MS
    assert books.number(base, "SELECT failures FROM cooldown") == 1


def test_what_cools_is_told_with_the_last_reason_until_its_time_is_over(base: Database) -> None:
    cool(base, NOW_MS, "first")
    cool(base, NOW_MS, "last")
    with base.each() as tx:
        assert limits.cooling(tx, NOW_MS + 9_999) == {"openai/gpt-4o": "last"}
        assert limits.cooling(tx, NOW_MS + 10_000) == {}


def test_an_upstream_that_asks_for_longer_than_the_bound_gets_it(base: Database) -> None:
    with base.begin() as tx:
        for _ in range(3):
            limits.cool(tx, "openai/gpt-4o", "rate_limited", NOW_MS, 300_000, MOST_MS)
    assert cools_until_ms(base) == NOW_MS + 300_000
