import os
import signal
import subprocess
from pathlib import Path

import books
import pytest

from thermly.store import owners

LIVE = """
import sys
from pathlib import Path
from thermly.store.owners import Owner

me = Owner(Path(sys.argv[1]))
print(me.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path: Path) -> subprocess.Popen[str]:
    return books.spawn(LIVE, tmp_path)


def name_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_living_process_is_not_dead(tmp_path: Path, process: subprocess.Popen[str]) -> None:
    name = name_of(process)
    assert owners.known(tmp_path) == [name]
    assert not owners.dead(tmp_path, name)
    assert not owners.dead(tmp_path, name), "looking does not take the lock away"


def test_a_killed_process_is_dead_at_once(tmp_path: Path, process: subprocess.Popen[str]) -> None:
    name = name_of(process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert owners.dead(tmp_path, name)
    assert owners.known(tmp_path) == [name]
    owners.forget(tmp_path, name)
    assert owners.known(tmp_path) == []
    assert owners.dead(tmp_path, name), "who left no file is dead"
    owners.forget(tmp_path, name)


def test_this_process_is_alive_for_itself(tmp_path: Path) -> None:
    me, other = owners.Owner(tmp_path / "run"), owners.Owner(tmp_path / "run")
    assert me.name != other.name
    assert me.name.startswith(f"{os.getpid()}-")
    assert not owners.dead(tmp_path / "run", me.name)
    assert set(owners.known(tmp_path / "run")) == {me.name, other.name}
    me._file.close()
    other._file.close()


def test_what_else_lies_in_the_folder_is_nobody(tmp_path: Path) -> None:
    (tmp_path / "redis.sock").touch()
    (tmp_path / "some-thing.txt").touch()
    (tmp_path / "12-abc.draft").touch()
    assert owners.known(tmp_path) == []


CROWD = """
import sys
from pathlib import Path
from thermly.store import owners

folder = Path(sys.argv[1])
sys.stdin.readline()
for _ in range(150):
    me = owners.Owner(folder)
    for name in owners.known(folder):
        if owners.dead(folder, name):
            owners.forget(folder, name)
            assert name != me.name
    assert me.name in owners.known(folder)
    me._file.close()
"""


def test_processes_that_start_at_once_do_not_take_each_other_for_dead(tmp_path: Path) -> None:
    """Each of them looks for the dead while others come and go."""
    crowd = [books.spawn(CROWD, tmp_path) for _ in range(4)]
    for process in crowd:
        books.start(process)
    for process in crowd:
        books.said(process)
