"""What profiling costs a request: ratios of medians, all variants interleaved in one run.

``python benchmarks/overhead.py [--rounds N] [--workload flask ...] [--engine exact ...]`` with the
dependency group benchmarks installed. *Request* is the CPU time of the thread that serves;
*process* adds the writer's, up to the file on disk. CPU time and not wall time, as other work on
the machine disturbs it less. Bare cProfile is enabled before the app is called and disabled after
it, in this process's only busy thread: on Python 3.12 and later it can do no more than that.
*Unwrapped, again* shows how far two equal variants differ. Where few requests are recorded, or
none, the ratios are those of a hundred requests together, and of one time that they are tallied.
Under a budget the process has to be measured from outside: see ``budget.py``;
``--budget-seconds 0`` leaves that out. The numbers to hold come last.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import budget
import pyinstrument
import werkzeug.middleware.profiler
import yappi
from common import engines, machine, verdict
from workloads import NAMES, workload

import reqprof
from reqprof.store.background import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workloads import Workload

    Variant = tuple[Callable[[], None], Callable[[], object]]
    Variants = dict[str, Variant]
    Found = dict[str, tuple[float, float]]

BASE, AGAIN = "unwrapped", "unwrapped, again"
BARE, BARE_CHEAP, DUMPED = "bare cProfile", "bare cProfile, builtins=False", "cProfile, dump_stats"
NOT_CHOSEN, PROFILED, CHEAP = "not chosen", "profiled", "profiled, builtins=False"
TIMED = "timing only"
ONE_IN, NONE_KEPT, WORST = 100, "profiled, nothing kept", "profiled, worst_per_route=10"
SAMPLED = f"one in {ONE_IN} profiled"
BUDGET = 0.02
WARM_UP = 5
FEWER = 3  # times as few rounds of a hundred requests
SILENCE = os.open(os.devnull, os.O_WRONLY)
BY_EVENTS = sys.version_info >= (3, 12)


# Other profilers, each as a context around the app.


@contextmanager
def bare(files: Iterator[Path] | None = None, **options: Any) -> Iterator[None]:
    """A profiler enabled and disabled by hand; with ``files`` it is written to the next one."""
    profiler = cProfile.Profile(**options)
    profiler.enable()
    try:
        yield
    finally:
        profiler.disable()
        if files is not None:
            profiler.dump_stats(next(files))


@contextmanager
def under_yappi(clock: str) -> Iterator[None]:
    yappi.set_clock_type(clock)
    # From Python 3.12 on it records every thread, and tells of each event in reqprof's own.
    told = os.dup(2)
    os.dup2(SILENCE, 2)
    yappi.start(builtins=True, profile_threads=False)
    try:
        yield
    finally:
        yappi.stop()
        os.dup2(told, 2)
        os.close(told)


def sampled(work: Workload, names: Iterable[str], folder: Path) -> Variants:
    """By name: many requests, of which few or none are recorded, and what to wait for then."""
    made: Variants = {BASE: plain(work, work.app), AGAIN: plain(work, work.app)}
    made["sample=0, timing=False"] = ours(work, folder, sample=0.0, timing=False)
    made[TIMED] = ours(work, folder, sample=0.0)
    made["watch on"] = ours(work, folder, sample=0.0, watch_after="200ms")
    for engine in names:
        made[f"{NOT_CHOSEN}, {engine}"] = ours(work, folder, engine=engine, sample=1e-9)
        for name, keeping in (
            (SAMPLED, {}),
            (f"{SAMPLED}, nothing kept", {"slower_than": 1000}),
            (f"{SAMPLED}, worst_per_route=10", {"worst_per_route": 10}),
        ):
            options = {"engine": engine, "builtins": False, **keeping}
            made[f"{name}, {engine}"] = ours(work, folder, sample=one_in(ONE_IN), **options)
    return {name: (partial(repeat, request), settle) for name, (request, settle) in made.items()}


def one_in(number: int) -> Callable[[object], bool]:
    """A rate without chance, which would blur the medians."""
    turn = itertools.count(number // 2)
    return lambda request: next(turn) % number == 0


def repeat(request: Callable[[], None]) -> None:
    for _ in range(ONE_IN):
        request()


def recorded(work: Workload, names: Iterable[str], folder: Path) -> Variants:
    """By name: one request that somebody records, and what is to be waited for after it."""
    made: Variants = {BASE: plain(work, work.app)}
    for engine in names:
        made[f"{PROFILED}, {engine}"] = ours(work, folder, engine=engine)
        made[f"{CHEAP}, {engine}"] = ours(work, folder, engine=engine, builtins=False)
        made[f"{NONE_KEPT}, {engine}"] = ours(work, folder, engine=engine, slower_than=1000)
        made[f"{WORST}, {engine}"] = ours(work, folder, engine=engine, worst_per_route=10)
    folder.mkdir(parents=True, exist_ok=True)
    files = (folder / f"{number}.prof" for number in itertools.count())
    sampling = partial(pyinstrument.Profiler, async_mode="disabled")
    made |= {
        BARE: plain(work, work.within(bare)),
        BARE_CHEAP: plain(work, work.within(partial(bare, builtins=False))),
        DUMPED: plain(work, work.within(partial(bare, files))),
        "pyinstrument, 1 ms": plain(work, work.within(sampling)),
    }
    for clock in ("wall", "cpu"):
        request, _ = plain(work, work.within(partial(under_yappi, clock)))
        made[f"yappi, {clock} clock"] = (request, yappi.clear_stats)
    if not work.asynchronous:
        made["werkzeug's ProfilerMiddleware"] = plain(
            work,
            werkzeug.middleware.profiler.ProfilerMiddleware(
                work.app, stream=None, profile_dir=str(folder)
            ),
        )
    return made


def plain(work: Workload, app: Any) -> Variant:
    return partial(work.request, app), lambda: None


def ours(work: Workload, folder: Path, **options: Any) -> Variant:
    app = reqprof.ProfilerMiddleware(work.app, out_dir=folder, **options)
    return partial(work.request, app), partial(settle, app)


def settle(app: Any) -> None:
    """Wait until what has ended is on disk and tallied, as it is each second."""
    done = threading.Event()
    for step in (app._recorder.upkeep.beat, done.set):
        BACKGROUND.submit(step, sys.maxsize)
    done.wait()


def measure(made: Variants, rounds: int) -> Found:
    """Median CPU seconds of the request's thread and of the process, by variant."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    order = list(made)
    for turn in range(rounds + WARM_UP):
        random.shuffle(order)
        for name in order:
            # The first request after another variant pays for what that switched on or off: from
            # Python 3.12 on the interpreter rewrites code then.
            once(*made[name])
            found = once(*made[name])
            if turn >= WARM_UP:
                seen[name].append(found)
    return {
        name: (statistics.median(a for a, _ in times), statistics.median(b for _, b in times))
        for name, times in seen.items()
    }


def once(request: Callable[[], None], settle: Callable[[], object]) -> tuple[float, float]:
    process, thread = time.process_time(), time.thread_time()
    request()
    thread = time.thread_time() - thread
    settle()
    return thread, time.process_time() - process


def calls(work: Workload) -> int:
    """What cProfile counts in one request, which is not the first."""
    for _ in range(WARM_UP):
        work.request(work.app)
    profiler = cProfile.Profile()
    work.request(work.within(lambda: profiler))
    return sum(entry.callcount for entry in profiler.getstats())


def report(title: str, found: Found) -> None:
    """A table of ratios. Where C functions are left out, bare cProfile leaves them out too."""
    base = found[BASE]
    bares = DUMPED in found
    print(f"\n{title}: unwrapped {base[0] * 1e3:.2f} ms")
    print(f"{'':36}{'/ unwrapped':>24}" + f"{'/ cProfile':>12}{'/ dumped':>12}" * bares)
    print(f"{'':36}" + f"{'request':>12}{'process':>12}" * (1 + bares))
    for name, (request, process) in found.items():
        ratios = [request / base[0], process / base[1]]
        if bares:
            like = BARE_CHEAP if "builtins=False" in name else BARE
            ratios += [request / found[like][0], process / found[DUMPED][1]]
        print(f"{name:36}" + "".join(f"{ratio:12.2f}" for ratio in ratios))


def to_hold(name: str) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Of a workload: a variant, what it is measured against, and the limit for each engine."""
    yield NOT_CHOSEN, BASE, {"cprofile": 1.02, "exact": 1.02}
    if name == "cpu":
        if BY_EVENTS:
            yield PROFILED, BARE, {"cprofile": 2.6, "exact": 0.7}
        return
    limits = {"cprofile": 2.0, "exact": 0.7} if BY_EVENTS else {"cprofile": 1.15, "exact": 0.8}
    yield PROFILED, BARE, limits
    if name == "flask" and BY_EVENTS:
        yield CHEAP, BASE, {"cprofile": 2.5, "exact": 1.35}


def held(name: str, found: Found, names: Iterable[str]) -> Iterator[str]:
    for variant, base, limits in to_hold(name):
        for engine in names:
            if (full := f"{variant}, {engine}") in found:
                ratio = found[full][0] / found[base][0]
                yield verdict(f"{name}: {variant} / {base}, {engine}", ratio, limits[engine])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--workload", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--engine", nargs="+", choices=engines(), default=engines())
    parser.add_argument("--budget-seconds", type=float, default=120)
    options = parser.parse_args()
    print(f"{machine()}, {options.rounds} rounds")
    lines: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="reqprof-overhead-"))
    try:
        for name in options.workload:
            with workload(name) as work:
                title = f"{name}, {calls(work):,} calls"
                for made, times in ((sampled, 1 / FEWER), (recorded, 1)):
                    variants = made(work, options.engine, folder / name)
                    found = measure(variants, round(options.rounds * times))
                    report(title, found)
                    lines += held(name, found, options.engine)
    finally:
        shutil.rmtree(folder)
    if seconds := options.budget_seconds:
        print(
            f"\nflask, a budget of {BUDGET}: its share of the process's CPU",
            budget.head(),
            sep="\n",
        )
        for engine in options.engine:
            print(*budget.lines(budget.Plan(engine, BUDGET, seconds=seconds)), sep="\n", flush=True)
    print("\nnumbers to hold", *lines, sep="\n")


if __name__ == "__main__":
    main()
