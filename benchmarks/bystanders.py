"""What a request that is recorded costs the thread beside it, which is not.

``python benchmarks/bystanders.py [--rounds N] [--workload cpu ...] [--engine exact ...]`` with the
dependency group benchmarks installed. A neighbour thread works for requests over and over, in each
of several ways; meanwhile this thread serves its own, unprofiled, and takes its CPU time for one.
Printed are ratios to the time beside a neighbour that is unprofiled too; all ways in turns,
medians. A recorded neighbour is in one long request, so that something is in flight all the time,
as it is on a busy server. Then the same beside a profiled websocket session: one that is idle,
which should cost nothing, and one that talks all the time. The numbers to hold come last.
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

from common import engines, get_wsgi, interleave, machine, verdict
from workloads import workload

import reqprof

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Serve = Callable[[], None]

BASE, PROFILED, CHEAP = "unprofiled", "profiled", "profiled, builtins=False"
# Beside flask's page, by engine, where events are the whole process's.
TO_HOLD = {PROFILED: {"cprofile": 3.5, "exact": 1.6}, CHEAP: {"cprofile": 2.1, "exact": 1.2}}
BY_EVENTS = sys.version_info >= (3, 12)
REQUESTS = 10  # a round
WEBSOCKET_RESTS_SECONDS = 0.3  # until what was switched on for it is off again
TALKING_SECONDS = 0.005


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


def beside_neighbours(
    serve: Serve, names: Iterable[str], folder: Path
) -> dict[str, Callable[[], float]]:
    busy = Neighbour(serve)
    ways: dict[str, Any] = {BASE: busy}
    for engine in names:
        for way, builtins in ((PROFILED, True), (CHEAP, False)):
            name = f"{way}, {engine}"
            ways[name] = reqprof.ProfilerMiddleware(
                busy, out_dir=folder / name, engine=engine, builtins=builtins
            )

    def measure(way: str) -> float:
        with busy.at_work(partial(get_wsgi, ways[way], "/")):
            found = own_time(serve)
        getattr(ways[way], "flush", lambda: None)()
        return found

    def beside_cprofile() -> float:
        with busy.at_work(partial(under_cprofile, partial(get_wsgi, busy, "/"))):
            return own_time(serve)

    return {way: partial(measure, way) for way in ways} | {"bare cProfile": beside_cprofile}


def beside_websockets(
    serve: Serve, names: Iterable[str], folder: Path
) -> dict[str, Callable[[], float]]:
    def measure(middleware: Any, talks: bool) -> float:
        with websocket(middleware, talks=talks):
            return own_time(serve)

    made: dict[str, Callable[[], float]] = {
        BASE: partial(measure, echo, False),
        "unprofiled, talking": partial(measure, echo, True),
    }
    for engine in names:
        profiled = reqprof.ProfilerMiddleware(echo, out_dir=folder / "websockets", engine=engine)
        made[f"profiled, idle, {engine}"] = partial(measure, profiled, False)
        made[f"profiled, talking, {engine}"] = partial(measure, profiled, True)
    return made


def report(title: str, found: dict[str, float]) -> None:
    print(f"\n{title}: {found[BASE] * 1e3:.2f} ms beside an unprofiled one")
    for name, seconds in found.items():
        print(f"  {name:40}{seconds / found[BASE]:8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--workload", nargs="+", choices=("flask", "cpu"), default=("flask", "cpu"))
    parser.add_argument("--engine", nargs="+", choices=engines(), default=engines())
    options = parser.parse_args()
    print(f"{machine()}, {options.rounds} rounds")
    lines: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="reqprof-bystanders-"))
    try:
        for name in options.workload:
            with workload(name) as work:
                serve = partial(work.request, work.app)
                made = beside_neighbours(serve, options.engine, folder / name)
                found = interleave(made, options.rounds)
                report(f"{name}, beside a request", found)
                made = beside_websockets(serve, options.engine, folder / name)
                report(f"{name}, beside a websocket", interleave(made, options.rounds))
            if name == "flask" and BY_EVENTS:
                lines += held(found, options.engine)
    finally:
        shutil.rmtree(folder)
    if lines:
        print("\nnumbers to hold", *lines, sep="\n")


def held(found: dict[str, float], names: Iterable[str]) -> Iterator[str]:
    for way, limits in TO_HOLD.items():
        for engine in names:
            ratio = found[f"{way}, {engine}"] / found[BASE]
            yield verdict(f"flask: beside {way} / beside {BASE}, {engine}", ratio, limits[engine])


if __name__ == "__main__":
    main()
