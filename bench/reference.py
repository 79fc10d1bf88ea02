"""About the least that a Flask gateway can be, to compare with: it passes on what it gets, on gunicorn's threads
and `requests`. No keys, no limits, no money, no cache, no other dialect, no check of anything.
"""

import os
import threading
from collections.abc import Iterator

import requests
from flask import Flask, Response, request

app = Flask(__name__)
UPSTREAM = os.environ["UPSTREAM"]
local = threading.local()


def session() -> requests.Session:
    mine: requests.Session | None = getattr(local, "session", None)
    if mine is None:
        mine = local.session = requests.Session()
        mine.trust_env = False  # else it looks for proxies and .netrc at every call
    return mine


@app.post("/v1/<path:rest>")
def passthrough(rest: str) -> Response:
    body = request.get_json()
    stream = bool(body.get("stream"))
    answer = session().post(f"{UPSTREAM}/v1/{rest}", json=body, stream=stream, timeout=(5, 300))
    kind = answer.headers.get("Content-Type", "application/json")
    if not stream:
        return Response(answer.content, answer.status_code, content_type=kind)

    def chunks() -> Iterator[bytes]:
        with answer:
            yield from answer.iter_content(chunk_size=None)

    return Response(chunks(), answer.status_code, content_type=kind)
