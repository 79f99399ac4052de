"""What a request that is recorded costs the thread beside it, which is not.

``python benchmarks/bystanders.py [--rounds N]`` with the test group installed. A neighbour thread
works for requests over and over, in each of several ways; meanwhile this thread serves its own,
unprofiled, and takes its CPU time for one. Printed are ratios to the time beside a neighbour that
is unprofiled too; all ways in turns, medians. A recorded neighbour is in one long request, so that
something is in flight all the time, as it is on a busy server. Then the same beside a profiled
websocket session: one that is idle, which should cost nothing, and one that talks all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import EXAMPLES, get_wsgi, interleave, machine

sys.path.insert(0, EXAMPLES)

import flask_app.views

import reqprof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Serve = Callable[[], None]

BASE = "unprofiled"
PATH = "/books/3"
REQUESTS = 10  # a round
WEBSOCKET_RESTS_SECONDS = 0.3  # until what was switched on for it is off again
TALKING_SECONDS = 0.005


def tiny_calls(environ: Any, start_response: Any) -> list[bytes]:
    """10,000 calls of next to nothing."""

    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    fibonacci(18)
    start_response("200 OK", [])
    return [b""]


class Neighbour:
    """An app that serves the requests of another all the time, in one request of its own."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._stop, self._served = threading.Event(), threading.Event()

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        while not self._stop.is_set():
            self._serve()
            self._served.set()
        return [b""]

    @contextmanager
    def at_work(self, serve_it: Serve) -> Iterator[None]:
        """``serve_it`` serves this app, in a thread."""
        self._stop.clear()
        self._served.clear()
        thread = threading.Thread(target=serve_it)
        thread.start()
        assert self._served.wait(30)
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


@contextmanager
def websocket(middleware: Any, *, talks: bool) -> Iterator[None]:
    """A session that is open, in an event loop in a thread of its own."""
    opened = threading.Event()
    loop = asyncio.new_event_loop()

    async def receive() -> Any:
        await asyncio.sleep(TALKING_SECONDS if talks else 600)
        return {"type": "websocket.receive", "text": "x"}

    async def send(message: Any) -> None:
        opened.set()

    async def session() -> None:
        scope = {"type": "websocket", "path": "/ws", "headers": []}
        with suppress(asyncio.CancelledError):
            await middleware(scope, receive, send)

    task = loop.create_task(session())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    assert opened.wait(30)
    time.sleep(WEBSOCKET_RESTS_SECONDS)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})


def own_time(serve: Serve) -> float:
    """CPU seconds of this thread for a request, which others cannot lengthen by being there."""
    serve()
    began = time.thread_time()
    for _ in range(REQUESTS):
        serve()
    return (time.thread_time() - began) / REQUESTS


def under_cprofile(serve: Serve) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    serve()
    profiler.disable()


def beside_neighbours(app: Any, folder: Path) -> dict[str, Callable[[], float]]:
    serve = partial(get_wsgi, app, PATH)
    busy = Neighbour(serve)
    ways: dict[str, Any] = {BASE: busy}
    for name, options in {"profiled": {}, "profiled, builtins=False": {"builtins": False}}.items():
        ways[name] = reqprof.ProfilerMiddleware(busy, out_dir=folder / name, **options)

    def measure(way: str) -> float:
        with busy.at_work(partial(get_wsgi, ways[way], "/")):
            found = own_time(serve)
        getattr(ways[way], "flush", lambda: None)()
        return found

    def beside_cprofile() -> float:
        with busy.at_work(partial(under_cprofile, partial(get_wsgi, busy, "/"))):
            return own_time(serve)

    return {way: partial(measure, way) for way in ways} | {"bare cProfile": beside_cprofile}


def beside_websockets(app: Any, folder: Path) -> dict[str, Callable[[], float]]:
    serve = partial(get_wsgi, app, PATH)
    profiled = reqprof.ProfilerMiddleware(echo, out_dir=folder / "websockets")

    def measure(middleware: Any, talks: bool) -> float:
        with websocket(middleware, talks=talks):
            return own_time(serve)

    return {
        BASE: partial(measure, echo, False),
        "profiled, idle": partial(measure, profiled, False),
        "unprofiled, talking": partial(measure, echo, True),
        "profiled, talking": partial(measure, profiled, True),
    }


def report(title: str, found: dict[str, float]) -> None:
    print(f"\n{title}: {found[BASE] * 1e3:.2f} ms beside an unprofiled one")
    for name, seconds in found.items():
        print(f"  {name:32}{seconds / found[BASE]:8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    print(f"{machine()}, {rounds} rounds")
    folder = Path(tempfile.mkdtemp(prefix="reqprof-bystanders-"))
    apps = {f"flask, GET {PATH}": flask_app.views.create_app().wsgi_app, "cpu": tiny_calls}
    try:
        for name, app in apps.items():
            made = beside_neighbours(app, folder / name[:3])
            report(f"{name}, beside a request", interleave(made, rounds))
            made = beside_websockets(app, folder / name[:3])
            report(f"{name}, beside a websocket", interleave(made, rounds))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
