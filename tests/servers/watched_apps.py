"""Apps that answer at once on ``/fast``, and elsewhere are slow, each in its own way."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import time
from typing import Any

import reqprof.asgi
import reqprof.wsgi
from tests.servers.apps import lifespan

SECONDS = 1.0
_EXPRESSION = re.compile(r"(a|b|ab)*c")


def sleeping() -> None:
    time.sleep(SECONDS)


def matching() -> None:
    """Holds the interpreter most of the time."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        _EXPRESSION.match("ab" * 15 + "d")


def querying() -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 1000000)"
    connection = sqlite3.connect(":memory:")
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        connection.execute(numbers + " SELECT sum(i) FROM n").fetchall()
    connection.close()


async def locked() -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    asyncio.get_running_loop().call_later(SECONDS, lock.release)
    await lock.acquire()


def stuck() -> None:
    time.sleep(600)


def stubborn() -> None:
    """Not even SIGABRT ends it."""
    signal.signal(signal.SIGABRT, signal.SIG_IGN)
    until = time.monotonic() + 600
    while time.monotonic() < until:
        time.sleep(1)


WORK = {f"/{work.__name__}": work for work in (sleeping, matching, querying, stuck, stubborn)}


def plain_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    WORK.get(environ["PATH_INFO"], lambda: None)()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x"]


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["path"] == "/locked":
        await locked()
    else:
        WORK.get(scope["path"], lambda: None)()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x"})


_out = os.environ.get("TEST_PROFILES", "profiles")
_options = json.loads(os.environ.get("TEST_OPTIONS", "{}"))
wsgi = reqprof.wsgi.ProfilerMiddleware(plain_wsgi, _out, sample=0.0, **_options)
asgi = reqprof.asgi.ProfilerMiddleware(plain_asgi, _out, sample=0.0, **_options)
