"""gunicorn's threaded worker, kept on the same thread while a client goes on talking.

The stock worker hands a connection back to its poller after every response; for a client that sends its next
request at once this costs a tenth of a whole request. Here the thread waits a moment for it.
"""

import errno
import select
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER_MS = 20


class Worker(ThreadWorker):  # type: ignore[misc]
    def accept(self, listener: Any) -> None:
        """Out of file handles is no reason to end every stream: the client waits in the backlog meanwhile."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.log.error("out of file handles: raise the limit (ulimit -n)")
            time.sleep(0.1)

    def handle(self, conn: Any) -> Any:
        while True:
            again = super().handle(conn)
            if again is not True or not self.alive or conn.is_http2:
                return again
            if conn.parser.unreader.buf.getvalue():
                continue  # the next request has been read already
            waiting = select.poll()
            waiting.register(conn.sock, select.POLLIN)
            if not waiting.poll(LINGER_MS):
                return again
