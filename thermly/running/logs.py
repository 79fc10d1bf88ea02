"""Log lines on stderr: time, level, room, sentence. Keys are redacted wherever they turn up; prompts are
never handed to a logger in the first place."""

import logging
import re
import sys

# Ours and the vendors' keys, Stripe's keys and webhook secrets, and passwords in addresses.
_KEY = re.compile(
    r"\b((?:sk|rk|pk|gsk|xai|whsec)[-_][\w-]{4})[\w-]+|\b(AIza)[\w-]+|(Bearer )\S+|(://[^\s:/@]*:)\S+(?=@)"
)


class Redacted(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _KEY.sub(lambda m: (m[1] or m[2] or m[3] or m[4]) + "…", super().format(record))


def configure(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacted("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logger = logging.getLogger("thermly")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
