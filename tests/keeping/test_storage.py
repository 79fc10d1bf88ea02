"""Images in a folder: whole or not there, on full disks, under killed and under many writers."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import pytest

from thermly.keeping.storage import TEMPORARY_S, Folder

NAME = "0123456789abcdef.png"
posix = pytest.mark.skipif(os.name != "posix", reason="modes, limits and signals as POSIX has them")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "instance" / "images"


@pytest.fixture
def folder(path: Path) -> Folder:
    return Folder(path)


def kept(folder: Folder, name: str) -> bytes | None:
    file = folder.open(name)
    if file is None:
        return None
    with file:
        return file.read()


def run(code: str, path: Path) -> "subprocess.Popen[str]":
    """Python in a process of its own, with `folder` in it."""
    start = "import errno, os, secrets, sys\nfrom pathlib import Path\nfrom thermly.keeping.storage import Folder\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + code, str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


# ---- one by one


def test_an_image_is_kept_until_it_is_deleted(folder: Folder):
    folder.put(NAME, b"abc")
    assert (kept(folder, NAME), [*folder.names()]) == (b"abc", [NAME])
    folder.delete(NAME)
    folder.delete(NAME)
    assert (kept(folder, NAME), [*folder.names()]) == (None, [])


def test_an_empty_folder_need_not_be_there(folder: Folder, path: Path):
    assert (kept(folder, NAME), [*folder.names()]) == (None, [])
    folder.delete(NAME)
    folder.sweep_temporary(time.time())
    assert not path.exists()


@pytest.mark.parametrize(
    "name", ["-" * 16 + ".gif", "_" * 64 + ".webp", "aZ09-_aZ09-_aZ09.jpg", "0123456789abcdef.png"]
)
def test_names(folder: Folder, name: str):
    folder.put(name, b"x")
    assert [*folder.names()] == [name]


def test_a_file_that_is_open_can_still_be_read_when_it_is_deleted(folder: Folder):
    folder.put(NAME, b"abc")
    file = folder.open(NAME)
    assert file is not None
    with file:
        folder.delete(NAME)
        assert file.read() == b"abc"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a.png",
        "0123456789abcde.png",
        "x" * 65 + ".png",
        "0123456789abcdef",
        "0123456789abcdef.svg",
        "0123456789abcdef.PNG",
        "0123456789abcdef.jpeg",
        "0123456789abcdef.png\n",
        "0123456789abcdef.png\0",
        "0123456789abcdef.png.png",
        "0123456789abcdéf.png",
        "../0123456789abcdef.png",
        "..%2F0123456789abcdef.png",
        "/etc/0123456789abcdef.png",
        "0123456789abcdef/0123456789abcdef.png",
        "..\\0123456789abcdef.png",
        "../../0123456789abcdef",
        ".0123456789abcdef.tmp",
        "0123456789abcdef.png:stream.png",
    ],
)
def test_no_name_leads_anywhere_else(folder: Folder, path: Path, name: str):
    folder.put(NAME, b"mine")
    before = path.parent / "0123456789abcdef.png"
    before.write_bytes(b"another's")
    with pytest.raises(ValueError, match="no name"):
        folder.put(name, b"x")
    with pytest.raises(ValueError, match="no name"):
        folder.delete(name)
    assert folder.open(name) is None
    assert before.read_bytes() == b"another's"
    assert os.listdir(path) == [NAME] and sorted(os.listdir(path.parent)) == [NAME, "images"]


def test_what_else_is_in_the_folder_is_no_image(folder: Folder, path: Path):
    folder.put(NAME, b"x")
    for name in (".0123456789abcdef.tmp", "README", "x.png"):
        (path / name).write_bytes(b"x")
    assert [*folder.names()] == [NAME]


@posix
def test_nobody_else_can_read_them(folder: Folder, path: Path):
    before = os.umask(0)
    try:
        folder.put(NAME, b"x")
    finally:
        os.umask(before)
    assert (path.stat().st_mode & 0o777, (path / NAME).stat().st_mode & 0o777) == (0o700, 0o600)


# ---- disks that are full


def check_full(folder: Folder, path: Path) -> None:
    folder.put(NAME, bytes(20_000))
    with pytest.raises(OSError) as caught:
        folder.put("f" * 16 + ".png", bytes(200_000))
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(path) == [NAME]
    folder.put("e" * 16 + ".png", bytes(20_000))
    assert kept(folder, NAME) == bytes(20_000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True, timeout=20
    )
    if not made or made.returncode:
        pytest.skip("no disk can be made here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True, timeout=20)


def test_a_disk_that_is_full(small_disk: Path):
    check_full(Folder(small_disk / "images"), small_disk / "images")


@posix
def test_a_file_that_may_not_grow_so_large(path: Path):
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
folder = Folder(Path(sys.argv[1]))
folder.put("0123456789abcdef.png", bytes(100_000))
try:
    folder.put("f" * 16 + ".png", bytes(100_001))
except OSError as error:
    print(error.errno == errno.EFBIG, os.listdir(sys.argv[1]))
"""
    with run(code, path) as process:
        assert process.communicate(timeout=20)[0] == f"True ['{NAME}']\n"


@posix
def test_a_folder_that_cannot_be_written_to(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(OSError):
        Folder(tmp_path / "file").put(NAME, b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


# ---- writers that do not get to the end


@posix
def test_a_writer_that_is_interrupted_leaves_nothing(folder: Folder, path: Path):
    class TimeIsUp(BaseException):
        pass

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        with pytest.raises(TimeIsUp):
            folder.put(NAME, bytes(128 << 20))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not path.exists() or os.listdir(path) == []


def temporary(path: Path) -> list[Path]:
    return [*path.glob(".*.tmp")]


def kill_a_writer(path: Path) -> None:
    """Once it has kept some images and is at work on another."""
    code = """
folder, data = Folder(Path(sys.argv[1])), bytes(8 << 20)
while True:
    folder.put(secrets.token_hex(16) + ".png", data)
"""
    with run(code, path) as process:
        give_up = time.monotonic() + 20
        while not (len([*Folder(path).names()]) > 1 and temporary(path)):
            assert process.poll() is None and time.monotonic() < give_up
        process.send_signal(signal.SIGKILL)


@posix
def test_a_writer_that_is_killed_leaves_whole_images_and_what_can_be_swept(folder: Folder, path: Path):
    for _ in range(50):
        kill_a_writer(path)
        names = [*folder.names()]
        assert len(names) > 1
        assert {(path / name).stat().st_size for name in names} == {8 << 20}
        if left := temporary(path):
            break
        for name in names:
            folder.delete(name)
    (one,) = left
    born = one.stat().st_mtime
    folder.sweep_temporary(born + TEMPORARY_S - 1)
    assert temporary(path) == [one], "its writer may be alive"
    folder.sweep_temporary(born + TEMPORARY_S + 1)
    assert temporary(path) == []
    assert sorted(folder.names()) == sorted(names)


def test_nothing_else_is_swept(folder: Folder, path: Path):
    folder.put(NAME, b"x")
    for name in (".hidden", "0123456789abcdef.tmp", ".0123456789abcdef.tmp.png"):
        (path / name).write_bytes(b"x")
    before = sorted(os.listdir(path))
    folder.sweep_temporary(time.time() + 10 * TEMPORARY_S)
    assert sorted(os.listdir(path)) == before


def test_sweepers_do_not_get_in_each_others_way(folder: Folder, path: Path):
    folder.put(NAME, b"x")
    for i in range(300):
        (path / f".{i:016x}.tmp").write_bytes(b"")
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(folder.sweep_temporary, time.time() + 2 * TEMPORARY_S) for _ in range(8)]:
            done.result()
    assert os.listdir(path) == [NAME]


# ---- many writers


def test_many_writers_from_the_first_moment_on(path: Path):
    def write(i: int) -> None:
        Folder(path).put(f"{i:016x}.webp", bytes([i]) * 10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    folder = Folder(path)
    assert sorted(folder.names()) == [f"{i:016x}.webp" for i in range(64)]
    assert all(kept(folder, f"{i:016x}.webp") == bytes([i]) * 10_000 for i in range(64))
    assert temporary(path) == []


@posix
def test_nobody_ever_sees_half_an_image(folder: Folder, path: Path):
    """Not even where two writers have one name."""
    versions = [bytes([i]) * (1 << 20) for i in (1, 2)]
    over = threading.Event()

    def write(data: bytes) -> None:
        while not over.is_set():
            folder.put(NAME, data)

    folder.put(NAME, versions[0])
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, data) for data in versions]
        try:
            seen = {kept(folder, NAME) for _ in range(200)}
        finally:
            over.set()
        for writer in writers:
            writer.result()
    assert seen <= {*versions}
    assert os.listdir(path) == [NAME]
