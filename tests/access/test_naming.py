"""Which names are refused, and that all others are not."""

import pytest

from thermly.access import naming


@pytest.mark.parametrize(
    "name", ["acme", "Zoë & Søn", "研究", "شركة", "a\u200fb", "👩‍🔬", "<script>", "account_1", ""]
)
def test_people_may_write_as_they_do(name: str) -> None:
    naming.check(name)
    naming.check_account(name)


@pytest.mark.parametrize("sign", ["\0", "\n", "\x1b", "\x7f", "\x85", "\u2028", "\ud800", "\u202e", "\u2066"])
def test_what_nobody_sees_is_refused(sign: str) -> None:
    for check in (naming.check, naming.check_account):
        with pytest.raises(naming.BadName, match="control characters"):
            check(f"a{sign}b")


@pytest.mark.parametrize("name", ["acc_", "acc_0123", "ACC_x"])
def test_an_account_is_not_called_as_ids_are(name: str) -> None:
    naming.check(name)
    with pytest.raises(naming.BadName, match="acc_"):
        naming.check_account(name)
