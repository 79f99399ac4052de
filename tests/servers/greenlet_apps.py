"""Views that let other greenlets run in the middle of their work."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import gevent

import reqprof

if TYPE_CHECKING:
    from collections.abc import Iterator

TURNS = 4
WORK = {
    "/sleep": {"sleep_work": 2 * TURNS, "sleep_leaf": 7 * TURNS},
    "/nap": {"nap_work": TURNS, "nap_leaf": 3 * TURNS},
    "/stream": {"stream_work": TURNS, "stream_leaf": 5 * TURNS},
    "/busy": {"busy_work": 1, "busy_leaf": 200},
}
"""The calls that each route makes."""

STEPS = {"/sleep": "sleep_step", "/nap": "nap_step", "/stream": "stream_step", "/busy": "busy_view"}
"""Who calls ``X_work``: a frame that is open while other greenlets run."""


def sleep_leaf() -> None: ...


def sleep_work(times: int) -> None:
    for _ in range(times):
        sleep_leaf()


def sleep_step() -> None:
    sleep_work(3)
    time.sleep(0.001)
    sleep_work(4)


def sleep_view() -> list[bytes]:
    for _ in range(TURNS):
        sleep_step()
    return [b"slept"]


def nap_leaf() -> None: ...


def nap_work(times: int) -> None:
    for _ in range(times):
        nap_leaf()


def nap_step() -> None:
    gevent.sleep(0.001)
    nap_work(3)


def nap_view() -> list[bytes]:
    for _ in range(TURNS):
        nap_step()
    return [b"napped"]


def stream_leaf() -> None: ...


def stream_work(times: int) -> None:
    for _ in range(times):
        stream_leaf()


def stream_step() -> bytes:
    stream_work(5)
    time.sleep(0.001)
    return b"a chunk"


def stream_view() -> Iterator[bytes]:
    for _ in range(TURNS):
        yield stream_step()


def busy_leaf() -> None: ...


def busy_work(times: int) -> None:
    for _ in range(times):
        busy_leaf()


def busy_view() -> list[bytes]:
    """Never lets anybody else run."""
    busy_work(200)
    return [b"busy"]


VIEWS = {"/sleep": sleep_view, "/nap": nap_view, "/stream": stream_view, "/busy": busy_view}


def plain(environ: Any, start_response: Any) -> Any:
    view = VIEWS.get(environ["PATH_INFO"])
    if view is None:
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Type", "text/plain")])
    return view()


wrapped = reqprof.ProfilerMiddleware(
    plain,
    out_dir=os.environ.get("TEST_PROFILES", "profiles"),
    engine=os.environ.get("TEST_ENGINE", "auto"),
)
