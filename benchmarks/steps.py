"""What following an async request costs, in nanoseconds: per step, per child task, per pool job.

``python benchmarks/steps.py [--rounds N] [--times N]`` with the test group installed; run it with
each Python that matters. A *step* is what a request does from one suspension to the next, here
nothing but an ``await``, so many awaiting frames deep. *Passing* is what everybody pays once
reqprof is there: a request that was not chosen, tasks and jobs started outside of any recorded
request. CPU time of the thread, and of the process where a pool thread has a part in it; medians.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
import types
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import interleave, machine

from reqprof.asgi import ProfilerMiddleware
from reqprof.record.notes import Notes, frames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    Body = Callable[[], Awaitable[None]]

BARE, PASSING, PROFILED, CHEAP = "bare", "passing", "profiled", "builtins=False"
DEPTHS = (1, 3, 11)
SCOPE = {"type": "http", "path": "/", "headers": []}
UNWRAPPED_SUBMIT = ThreadPoolExecutor.submit  # before a middleware wraps it


@types.coroutine
def pause() -> Generator[None, None, None]:
    yield


async def steps(depth: int, times: int) -> None:
    if depth > 1:
        await steps(depth - 1, times)
        return
    for _ in range(times):
        await pause()


async def nothing() -> None: ...


def no_job() -> None: ...


async def tasks(times: int) -> None:
    for _ in range(times):
        await asyncio.create_task(nothing())


async def jobs(times: int) -> None:
    for _ in range(times):
        await asyncio.to_thread(no_job)


class Served:
    """One middleware for each way to be served, over an app whose body is given each time."""

    def __init__(self, folder: Path) -> None:
        self._body: Body = nothing
        self._ways: dict[str, Any] = {BARE: self._app, PASSING: self._app}
        self._profiled = {
            PROFILED: ProfilerMiddleware(self._app, folder / "all"),
            CHEAP: ProfilerMiddleware(self._app, folder / "cheap", builtins=False),
        }
        self._ways.update(self._profiled)
        self._unchosen: Any = ProfilerMiddleware(self._app, folder / "unchosen", sample=1e-9)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        await self._body()

    def request(self, way: str, body: Body) -> Any:
        self._body = body
        return self._ways[way](SCOPE, None, None)

    def request_not_chosen(self, body: Body) -> Any:
        self._body = body
        return self._unchosen(SCOPE, None, None)

    def flush(self) -> None:
        for middleware in self._profiled.values():
            assert middleware.flush()


def drive(coroutine: Any) -> None:
    """Run it without an event loop, whose own cost would hide that of a step."""
    step = coroutine.send
    try:
        while True:
            step(None)
    except StopIteration:
        return


def step_variants(served: Served, depth: int, times: int) -> dict[str, Callable[[], float]]:
    def measure(way: str) -> float:
        body = partial(steps, depth, times)
        request = served.request_not_chosen(body) if way == PASSING else served.request(way, body)
        began = time.thread_time_ns()
        drive(request)
        spent = time.thread_time_ns() - began
        served.flush()
        return spent / times

    return {way: partial(measure, way) for way in (BARE, PASSING, PROFILED, CHEAP)}


def loop_variants(
    served: Served, runner: asyncio.Runner, body: Callable[[int], Awaitable[None]], times: int
) -> dict[str, Callable[[], float]]:
    """Tasks and jobs, in a loop whose task factory and pools are wrapped, or bare."""
    loop = runner.get_loop()
    runner.run(served.request(PROFILED, partial(body, 1)))
    factory, submit = loop.get_task_factory(), ThreadPoolExecutor.submit

    def measure(way: str) -> float:
        loop.set_task_factory(None if way == BARE else factory)
        ThreadPoolExecutor.submit = UNWRAPPED_SUBMIT if way == BARE else submit  # type: ignore[method-assign]
        request = served.request(way, partial(body, times))
        began = time.process_time_ns()
        runner.run(request)
        spent = time.process_time_ns() - began
        ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
        served.flush()
        return spent / times

    return {way: partial(measure, way) for way in (BARE, PASSING, PROFILED, CHEAP)}


def noting(depth: int, times: int) -> float:
    """Noting where a request is suspended, and adding up the wait."""
    suspended = steps(depth, 1)
    suspended.send(None)
    notes = Notes()
    began = time.thread_time_ns()
    for _ in range(times):
        notes.wait(frames(suspended), 1e-6, child=False)
    spent = time.thread_time_ns() - began
    suspended.close()
    return spent / times


def report(what: str, found: dict[str, float]) -> None:
    added = {way: nanoseconds - found[BARE] for way, nanoseconds in found.items()}
    cells = [f"{found[BARE]:12.0f}"]
    cells += [f"{found[way]:12.0f}{added[way]:+10.0f}" for way in (PASSING, PROFILED, CHEAP)]
    print(f"{what:24}" + "".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--times", type=int, default=2000, help="steps, tasks and jobs a round")
    options = parser.parse_args()
    print(f"{machine()}, {options.rounds} rounds of {options.times}; ns each, and above bare")
    print(f"{'':24}{BARE:>12}" + "".join(f"{way:>12}{'':10}" for way in (PASSING, PROFILED, CHEAP)))
    folder = Path(tempfile.mkdtemp(prefix="reqprof-steps-"))
    try:
        served = Served(folder)
        for depth in DEPTHS:
            made = step_variants(served, depth, options.times)
            report(f"a step, {depth} deep", interleave(made, options.rounds))
        with asyncio.Runner() as runner:
            for what, body in {"a child task": tasks, "a pool job": jobs}.items():
                made = loop_variants(served, runner, body, options.times)
                report(what, interleave(made, options.rounds))
        for depth in DEPTHS:
            found = interleave({"": partial(noting, depth, options.times)}, options.rounds)
            print(f"of a step, noting where it waits, {depth} deep: {found['']:.0f}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
