"""``python -m tests.servers.eventlet_process (before|after) FOLDER``: an app under eventlet.

The app is wrapped before or after eventlet patches the standard library. Prints, as JSON, what the
clients got, the middleware's counters and what the log said.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import urllib.request
from typing import Any

import eventlet
import eventlet.wsgi

import reqprof

REQUESTS = 20


def plain(environ: Any, start_response: Any) -> list[bytes]:
    time.sleep(0.001)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


class Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


def main(when: str, folder: str) -> None:
    heard = Heard()
    logging.getLogger("reqprof").addHandler(heard)
    if when == "after":
        eventlet.monkey_patch()
    app = reqprof.ProfilerMiddleware(plain, out_dir=folder)
    if when == "before":
        eventlet.monkey_patch()
    listener = eventlet.listen(("127.0.0.1", 0))
    eventlet.spawn(eventlet.wsgi.server, listener, app, log_output=False)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def fetch(number: int) -> list[Any]:
        with urllib.request.urlopen(f"{address}/{number}", timeout=30) as response:
            return [response.status, response.read().decode()]

    answers = list(eventlet.GreenPool(8).imap(fetch, range(REQUESTS)))
    app.flush()
    print(json.dumps({"answers": answers, "counters": app.counters, "log": heard.lines}))


if __name__ == "__main__":
    main(*sys.argv[1:])
