"""The running stack, shared by every test that wants the whole thing; nothing here touches the other tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from stories.stack import Caller, Stack

# A machine that is busy with something else is no reason to fail.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: tests that kill things, or look back at all others; they run last")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for the whole run (with pytest-xdist: for each worker)."""
    if sys.platform != "linux":
        pytest.skip("finds the stack's processes in /proc")
    stack = Stack(tmp_path_factory.mktemp("stack") / "instance", upstream_idle_timeout_s=3).start()
    yield stack
    code = stack.stop()
    doctor = stack.run("doctor")
    assert code == 0, stack.log()
    assert doctor.returncode == 0, doctor.stdout
    assert "Traceback" not in stack.log(), stack.log()


@pytest.fixture(scope="session")
def rich(stack: Stack) -> Caller:
    """Somebody with plenty of credit and no limit, for tests that do not count."""
    return stack.caller()


@pytest.fixture
def caller(stack: Stack) -> Caller:
    """Somebody new, whose books have only this test in them."""
    return stack.caller()


@pytest.fixture
def calm(stack: Stack) -> None:
    """No target is cooling down from an earlier test."""
    stack.calm()
