"""Identifiers sort by time and never meet."""

import re

from thermly import ids


def test_ids_sort_by_the_time_of_their_making():
    made = [ids.new() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert [i[:11] for i in made] == sorted(i[:11] for i in made)
    assert all(re.fullmatch(r"[0-9a-f]{22}", i) for i in made)


def test_keys_are_long_and_say_whose_they_are():
    keys = {ids.new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"sk-thermo-[\w-]{32}", key) for key in keys)
