"""The benchmark's own tools measure what they say: the load driver against the fake provider, nothing between."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent / "bench"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the benchmark needs Linux"),
    pytest.mark.skipif(
        not (os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")),
        reason="the benchmark's tools need a C compiler, and none is installed",
    ),
]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    import rig

    rig.build()
    return rig


@pytest.fixture
def upstream(rig: Any, tmp_path: Path) -> Iterator[Any]:
    upstream = rig.Upstream(tmp_path)
    yield upstream
    assert upstream.running.stop() == 0


def test_driver_counts_what_the_provider_answered(rig: Any, upstream: Any) -> None:
    url = upstream.url + rig.CHAT
    found = rig.load(url, ["X-Test: 1"], {"connections": 4, "seconds": 0.4}, 20)
    assert found["requests"] == upstream.stats()["chat"] > 100
    assert not any(found["errors"].values()) and not found["statuses"]
    assert 0 < found["p50_ms"] <= found["p90_ms"] <= found["p99_ms"] <= found["max_ms"]

    found = rig.load(url, [], {"stream": True, "connections": 20, "chunks": 10, "ramp_ms": 100}, 20)
    assert (found["requests"], found["chunks"], found["with_usage"]) == (20, 200, 20)
    assert not any(found["errors"].values())
    assert upstream.stats()["chunks"] == 200

    found = rig.load(upstream.url + "/nowhere", [], {"connections": 1, "seconds": 0.1}, 20)
    assert found["requests"] == 0
    assert found["statuses"]["404"] == found["errors"]["status"] > 0
