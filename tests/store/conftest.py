from collections.abc import Iterator
from pathlib import Path

import books
import pytest

from thermly.store.db import Database


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Database]:
    base = books.fresh(tmp_path)
    yield base
    base.close()


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    books.end_spawned()
