"""What profiling costs a process that has all it can do: CPU seconds and requests a second.

``python benchmarks/saturation.py [--rounds N] [--workload flask] [--engine exact ...]`` with the
dependency group benchmarks installed. Threads serve requests as fast as they can, some hundred in
each variant's turn; a turn ends when the last profile is on the disk. *CPU* is what the system
charged the process for a request, all threads and the writer's included. Medians of the turns;
*unwrapped, again* shows how far two equal variants differ.

First the sampling rate to choose in production: eight threads, one request in a hundred recorded.
From Python 3.12 on all eight pay for it. *Nothing kept* is what recording alone takes, with no
stats made and no file written: no way of storing can cost less. Then every request recorded, in
one thread and in eight, against bare cProfile whose stats each request dumps into a file. From
Python 3.12 on that cannot record two threads at once, so it has one. *Stored* is the share of the
requests that left a file: where requests come faster than the writer can write, it leaves some out
and counts them.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import engines, machine, verdict
from overhead import bare
from workloads import workload

import reqprof

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workloads import Workload

THREADS = 8
RATE = 0.01
BASE, AGAIN, BARE = "unwrapped", "unwrapped, again", "cProfile, dump_stats"
SAMPLED = f"sample={RATE}, builtins=False"
ALL, ALL_BY_MANY = "sample=1", f"sample=1, {THREADS} threads"
TO_HOLD = {SAMPLED: {"cprofile": 1.05, "exact": 1.02}, ALL: {"cprofile": 0.9, "exact": 1.3}}
BY_EVENTS = sys.version_info >= (3, 12)


@dataclass(frozen=True)
class Variant:
    """An app, and how many threads serve it."""

    app: Any
    threads: int

    def count(self, name: str) -> int:
        return int(getattr(self.app, "counters", {}).get(name, 0))


@dataclass(frozen=True)
class Load:
    """What one turn cost, in seconds for a request."""

    cpu: float
    wall: float


def processor() -> float:
    """CPU seconds of this process so far, as the system counts them."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def serve(work: Workload, variant: Variant, requests: int) -> Load:
    """Serve so many requests with all threads at once, to the last file."""

    def some() -> None:
        for _ in range(requests // variant.threads):
            work.request(variant.app)

    threads = [threading.Thread(target=some) for _ in range(variant.threads)]
    cpu, wall = processor(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    getattr(variant.app, "flush", lambda: None)()
    return Load((processor() - cpu) / requests, (time.perf_counter() - wall) / requests)


def measure(
    work: Workload, variants: dict[str, Variant], rounds: int, requests: int
) -> dict[str, Load]:
    """Medians, by variant."""
    seen: dict[str, list[Load]] = {name: [] for name in variants}
    order = list(variants)
    for turn in range(rounds + 1):
        random.shuffle(order)
        for name in order:
            # From Python 3.12 on code is rewritten when another variant's events are gone.
            serve(work, variants[name], requests // 10)
            found = serve(work, variants[name], requests)
            if turn:
                seen[name].append(found)
    return {
        name: Load(
            statistics.median(load.cpu for load in loads),
            statistics.median(load.wall for load in loads),
        )
        for name, loads in seen.items()
    }


def sampled(work: Workload, names: Iterable[str], folder: Path) -> dict[str, Variant]:
    """One request in a hundred."""
    wrap = partial(reqprof.ProfilerMiddleware, work.app)
    variants = {BASE: Variant(work.app, THREADS), AGAIN: Variant(work.app, THREADS)}
    variants["sample=0"] = Variant(wrap(out_dir=folder / "none", sample=0.0), THREADS)
    for engine in names:
        for builtins in (False, True):
            name = f"sample={RATE}{'' if builtins else ', builtins=False'}, {engine}"
            app = wrap(out_dir=folder / name, engine=engine, sample=RATE, builtins=builtins)
            variants[name] = Variant(app, THREADS)
        app = wrap(
            out_dir=folder / engine, engine=engine, sample=RATE, builtins=False, slower_than=3600
        )
        variants[f"{SAMPLED}, nothing kept, {engine}"] = Variant(app, THREADS)
    return variants


def all_recorded(work: Workload, names: Iterable[str], folder: Path) -> dict[str, Variant]:
    """Every request."""
    wrap = partial(reqprof.ProfilerMiddleware, work.app)
    dumped = folder / "dumped"
    dumped.mkdir(parents=True)
    files = (dumped / f"{number}.prof" for number in itertools.count())
    variants = {BARE: Variant(work.within(partial(bare, files)), 1)}
    for engine in names:
        for name, threads in ((ALL, 1), (ALL_BY_MANY, THREADS)):
            app = wrap(out_dir=folder / f"{name}, {engine}", engine=engine)
            variants[f"{name}, {engine}"] = Variant(app, threads)
    return variants


def report(title: str, variants: dict[str, Variant], found: dict[str, Load], base: str) -> None:
    print(
        f"\n{title}: {base} {found[base].cpu * 1e3:.2f} ms CPU, {1 / found[base].wall:.0f} a second"
    )
    print(f"{'':40}{'CPU':>10}{'a second':>10}{'recorded':>10}{'stored':>10}")
    for name, load in found.items():
        cells = f"{load.cpu / found[base].cpu:10.3f}{found[base].wall / load.wall:10.2f}"
        if recorded := variants[name].count("profiled"):
            waits = variants[name].count("skipped_backlog")
            share = variants[name].count("stored") / (recorded + waits)
            cells += f"{recorded:10,}{share:10.0%}"
        print(f"{name:40}{cells}", flush=True)


def held(name: str, loads: dict[str, Load], many: dict[str, Load], engine: str) -> Iterator[str]:
    if BY_EVENTS:
        ratio = loads[f"{SAMPLED}, {engine}"].cpu / loads[BASE].cpu
        limit = TO_HOLD[SAMPLED][engine]
        yield verdict(f"{name}: CPU, {SAMPLED} / {BASE}, {engine}", ratio, limit)
    ratio = many[BARE].wall / many[f"{ALL}, {engine}"].wall
    what = f"{name}: requests a second, {ALL} / {BARE}, {engine}"
    yield verdict(what, ratio, TO_HOLD[ALL][engine], least=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=400, help="in a turn of the first table")
    parser.add_argument("--workload", choices=("flask", "cpu"), default="flask")
    parser.add_argument("--engine", nargs="+", choices=engines(), default=engines())
    options = parser.parse_args()
    name, rounds, requests = options.workload, options.rounds, options.requests
    print(f"{machine()}, {rounds} rounds of {requests}")
    folder = Path(tempfile.mkdtemp(prefix="reqprof-saturation-"))
    try:
        with workload(name) as work:
            variants = sampled(work, options.engine, folder)
            some = measure(work, variants, rounds, requests)
            report(f"{name}, {THREADS} threads", variants, some, BASE)
            variants = all_recorded(work, options.engine, folder)
            every = measure(work, variants, rounds, requests // 4)
            report(f"{name}, all recorded", variants, every, BARE)
    finally:
        shutil.rmtree(folder)
    lines = [line for engine in options.engine for line in held(name, some, every, engine)]
    print("\nnumbers to hold", *lines, sep="\n")


if __name__ == "__main__":
    main()
