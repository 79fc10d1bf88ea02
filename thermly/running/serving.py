"""The web server processes: gunicorn, or waitress where there is none (Windows) or less will do.

Knows: server options. Must not know: how the app is made.
"""

import os
from collections.abc import Callable
from typing import Any

from thermly.settings import Settings

MakeApp = Callable[[Settings], Any]


def allow_many_files() -> None:
    """A stream takes four file handles; the usual soft limit of 1,024 is spent at 250 streams."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def options(settings: Settings, fd: int | None) -> dict[str, Any]:
    """gunicorn's settings. Threads are made as they are needed, so their number costs nothing while idle."""
    found: dict[str, Any] = {
        "bind": f"fd://{fd}" if fd is not None else f"{settings.host}:{settings.port}",
        "worker_class": "thermly.web.worker.Worker",
        "workers": settings.web_workers or min(usable_cores(), 4),
        "threads": settings.web_threads,
        "worker_connections": settings.web_threads + 2000,
        "backlog": 4096,
        "keepalive": 75,
        "timeout": 120,
        "graceful_timeout": settings.drain_s,
        "loglevel": "warning",
        "control_socket_disable": True,
        # gunicorn would believe every proxy on this machine; `trusted_proxies` says whom the app believes.
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "proc_name": "thermly",
    }
    if os.path.isdir("/dev/shm"):
        found["worker_tmp_dir"] = "/dev/shm"
    return found


def gunicorn(settings: Settings, make_app: MakeApp, fd: int | None = None) -> None:
    """Serve until SIGTERM; streams in flight are given `drain_s`."""
    from gunicorn.app.base import BaseApplication

    allow_many_files()

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in options(settings, fd).items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return make_app(settings)

    Server().run()


def waitress(settings: Settings, make_app: MakeApp) -> None:
    import waitress as server

    server.serve(
        make_app(settings),
        host=settings.host,
        port=settings.port,
        threads=min(settings.web_threads, 64),
        channel_timeout=settings.upstream_timeout_s,
        ident="thermly",
        clear_untrusted_proxy_headers=False,  # the app itself knows whom to believe
    )
