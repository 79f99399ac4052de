"""What profiling costs a request: ratios of medians, all variants interleaved in one run.

``python benchmarks/overhead.py [--rounds N]`` with the test group installed. *Request* is the CPU
time of the thread that serves; *process* adds the writer's, up to the file on disk. CPU time and
not wall time, as other work on the machine disturbs it less.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import werkzeug.middleware.profiler
from common import EXAMPLES, get_asgi, get_wsgi, machine

sys.path.insert(0, EXAMPLES)

import flask_app.views
import starlette_app.views

import reqprof

if TYPE_CHECKING:
    from collections.abc import Callable

    Variants = dict[str, tuple[Callable[[], None], Callable[[], object]]]

BASE, BARE, DUMPED = "unwrapped", "bare cProfile", "bare cProfile, dump_stats"


def bare(request: Callable[[], None], file: Path | None = None) -> Callable[[], None]:
    """A profiler enabled and disabled by hand; with ``file`` written there in the request."""

    def profiled() -> None:
        profiler = cProfile.Profile()
        profiler.enable()
        request()
        profiler.disable()
        if file is not None:
            profiler.dump_stats(file)

    return profiled


def variants(app: Any, request: Callable[[Any], None], folder: Path) -> Variants:
    """By name: one request, and what is to be waited for after it."""

    def wrapped(name: str, **options: Any) -> Any:
        return reqprof.ProfilerMiddleware(app, out_dir=folder / name, **options)

    def nothing() -> None: ...

    unsampled = wrapped("unsampled", sample=0.0)
    rarely = wrapped("rarely", sample=1e-9)
    profiled = wrapped("profiled")
    cheap = wrapped("cheap", builtins=False)
    return {
        BASE: (lambda: request(app), nothing),
        "wrapped, sample=0": (lambda: request(unsampled), nothing),
        "wrapped, not chosen by its rate": (lambda: request(rarely), nothing),
        "profiled": (lambda: request(profiled), profiled.flush),
        "profiled, builtins=False": (lambda: request(cheap), cheap.flush),
        BARE: (bare(lambda: request(app)), nothing),
        DUMPED: (bare(lambda: request(app), folder / "bare.prof"), nothing),
    }


def measure(made: Variants, rounds: int) -> dict[str, tuple[float, float]]:
    """Median CPU seconds of the request's thread and of the process, by variant."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    order = list(made)
    for turn in range(rounds + 5):
        random.shuffle(order)
        for name in order:
            request, settle = made[name]
            process, thread = time.process_time(), time.thread_time()
            request()
            thread = time.thread_time() - thread
            settle()
            if turn >= 5:
                seen[name].append((thread, time.process_time() - process))
    return {
        name: (statistics.median(a for a, _ in times), statistics.median(b for _, b in times))
        for name, times in seen.items()
    }


def report(title: str, found: dict[str, tuple[float, float]]) -> None:
    """A table of ratios."""
    base, recorded, dumped = found[BASE], found[BARE][0], found[DUMPED][1]
    print(f"\n{title}: unwrapped {base[0] * 1e3:.2f} ms")
    print(f"{'':34}{'/ unwrapped':>24}{'/ cProfile':>12}{'/ dumped':>12}")
    print(f"{'':34}{'request':>12}{'process':>12}{'request':>12}{'process':>12}")
    for name, (request, process) in found.items():
        ratios = (request / base[0], process / base[1])
        to_bare = (request / recorded, process / dumped)
        print(f"{name:34}" + "".join(f"{ratio:12.2f}" for ratio in (*ratios, *to_bare)))


def main() -> None:
    """Both examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    print(f"{machine()}, {rounds} rounds")
    folder = Path(tempfile.mkdtemp(prefix="reqprof-overhead-"))
    try:
        flask = flask_app.views.create_app()
        made = variants(flask.wsgi_app, lambda app: get_wsgi(app, "/books/3"), folder)
        theirs = werkzeug.middleware.profiler.ProfilerMiddleware(
            flask.wsgi_app, stream=None, profile_dir=str(folder)
        )
        made["werkzeug's ProfilerMiddleware"] = (lambda: get_wsgi(theirs, "/books/3"), lambda: None)
        report("flask, GET /books/3", measure(made, rounds))

        starlette = starlette_app.views.create_app()
        with asyncio.Runner() as runner:
            made = variants(starlette, lambda app: runner.run(get_asgi(app, "/stops/3")), folder)
            report("starlette, GET /stops/3", measure(made, rounds))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
