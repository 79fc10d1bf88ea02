import os
from collections.abc import Callable, Iterator
from pathlib import Path

import books
import pytest
from click.testing import CliRunner, Result

from thermly.cli import main
from thermly.store.db import Database

Run = Callable[..., Result]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The instance that every command of this test works on: a folder that is not there yet."""
    for name in list(os.environ):
        if name.startswith("THERMLY_") or name.removesuffix("_FILE").endswith(("_API_KEY", "_BASE_URL")):
            monkeypatch.delenv(name)
    folder = tmp_path / "instance"
    monkeypatch.setenv("THERMLY_INSTANCE", str(folder))
    monkeypatch.setenv("REDIS_URL", "redis://nobody.invalid")
    return folder


@pytest.fixture
def run(instance: Path) -> Run:
    """A command, which must end as told: with a result (0), or with a sentence (1 or 2) and never a traceback."""

    def run(*words: str, code: int | tuple[int, ...] = 0) -> Result:
        result = CliRunner().invoke(main, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert result.exit_code in (code if isinstance(code, tuple) else (code,)), result.output
        if result.exit_code:
            assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """The sentence that a command is refused with."""

    def refused(*words: str) -> str:
        result = run(*words, code=(1, 2))
        assert result.stdout == "", "who pipes the output on gets nothing wrong"
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith("Error: ") and len(last) > 15
        return last

    return refused


@pytest.fixture
def base(instance: Path) -> Iterator[Database]:
    """The instance's database, migrated and empty."""
    base = books.fresh(instance)
    yield base
    base.close()


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    books.end_spawned()
