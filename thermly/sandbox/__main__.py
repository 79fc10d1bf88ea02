"""`python -m thermly.sandbox`: serves until SIGTERM or SIGINT. Says nothing unless it is asked to."""

from __future__ import annotations

import argparse
import signal
import socket
import threading

from thermly.sandbox.server import Sandbox, listen

_THREAD_STACK_BYTES = 512 * 1024  # hundreds of streams are hundreds of stacks


def main() -> int:
    options = _options()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.stack_size(_THREAD_STACK_BYTES)
    if options.fd is None:
        listener = listen(options.host, options.port)
    else:
        listener = socket.socket(fileno=options.fd)
        listener.setblocking(True)
    sandbox = Sandbox(listener, options.verbose)
    threading.Thread(target=sandbox.serve, daemon=True).start()
    if options.verbose:
        print(f"the sandbox listens on {sandbox.url}", flush=True)
    ended.wait()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m thermly.sandbox", description="An offline upstream.")
    parser.add_argument("--port", type=int, default=9099, help="0 takes any free port (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--fd", type=int, help="an inherited listening socket, instead of --host and --port")
    parser.add_argument("--verbose", action="store_true", help="print the address and every request")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
