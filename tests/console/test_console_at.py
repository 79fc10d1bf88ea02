"""The secret that signs the console's cookies."""

import stat
from pathlib import Path

from stories.stack import at_once

from thermly.console.at import of_file


def test_whoever_comes_first_makes_it_and_all_have_the_same(tmp_path: Path):
    path = tmp_path / "console.secret"
    found = at_once(16, lambda _: of_file(path))
    assert len({*found}) == 1 and len(found[0]) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["console.secret"]
