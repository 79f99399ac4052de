"""What share of a process's CPU profiling takes under a budget, by the system's own account.

``python benchmarks/budget.py [--budget B ...] [--threads N ...] [--seconds S] [--settle S]`` with
the dependency group benchmarks installed. Two processes serve the same requests at the same times,
one of them under a budget and one that only times them, and their CPU seconds are read from
``/proc/PID/stat``: what the one has used more is what profiling took, whatever reqprof itself
thinks. With ``--unwrapped`` the other one is without reqprof, so that timing counts too. The load
goes up ten times and down again; each phase is measured once it has settled. With ``--threads``
above 1 as many threads serve as fast as they can instead, as on a server that has all it can do;
then the processes serve equal numbers of requests, one after the other in short turns, of which
there are as many as the seconds say.

*Share* is what was measured, *estimate* what reqprof thinks that it was; ``--sample`` sets a rate,
and with ``--budget 1`` nothing holds it: then the two columns say how good the estimate is. On a
machine that has other work to do neither is worth much.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import engines, machine
from workloads import workload

import reqprof

if TYPE_CHECKING:
    from collections.abc import Iterator

LOW, HIGH = 15.0, 150.0  # requests a second
TURN_REQUESTS = 160
_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


# In the process that serves.


def serve(folder: str, options: dict[str, Any], name: str, threads: int) -> None:
    """Serve as the lines on standard input say; after each, print what reqprof knows of itself."""
    with workload(name) as work, ThreadPoolExecutor(threads) as pool:
        app = reqprof.ProfilerMiddleware(work.app, out_dir=folder, **options) if options else None
        request = partial(work.request, app or work.app)
        for line in sys.stdin:
            order = json.loads(line)
            if "rate" in order:
                paced(request, order["rate"], order["seconds"])
            else:
                list(pool.map(lambda _: request(), range(order["requests"])))
            if app is not None:
                app.flush()
            print(json.dumps(known(app)), flush=True)


def paced(request: Any, rate: float, seconds: float) -> None:
    """Requests at even times. Both processes have the same times, as both go by the clock."""
    due = time.monotonic() + 0.2
    until = due + seconds
    while due < until:
        time.sleep(max(0.0, due - time.monotonic()))
        request()
        due += 1 / rate


def known(app: Any) -> dict[str, Any]:
    recorder = None if app is None else app._recorder
    if recorder is None or recorder._limit is None:
        return {}
    cost, used = [], threading.Event()

    def ask() -> None:  # of the thread that alone may
        limit = recorder._limit
        cost.append(limit._expense.used(recorder.engine).cost)
        used.set()

    reqprof.store.background.BACKGROUND.submit(ask, sys.maxsize)
    used.wait(10)
    return {"cost": cost[0], "rate": recorder.rate, **app.counters}


# In the process that measures.


@dataclass
class Server:
    process: subprocess.Popen[str]

    def tell(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())  # type: ignore[no-any-return]

    def cpu(self) -> float:
        """CPU seconds so far, as the system counts them."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICK


def started(stack: ExitStack, arguments: list[str]) -> Server:
    command = [sys.executable, __file__, "--serve", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    assert process.stdin is not None
    stack.callback(process.stdin.close)
    return Server(process)


@dataclass
class Measured:
    """CPU seconds of both processes, what reqprof thinks it took, and its last rate."""

    with_it: float
    without: float
    estimate: float
    profiled: int
    rate: float

    def __str__(self) -> str:
        share = 1 - self.without / self.with_it
        estimate = self.estimate / self.with_it
        return f"{share:10.2%}{estimate:10.2%}{self.profiled:10,}{self.rate:10.3g}"


def both(profiled: Server, bare: Server, turns: list[dict[str, Any]], *, at_once: bool) -> Measured:
    """Both follow the same orders, and are measured meanwhile."""
    used = [0.0, 0.0]
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for number, order in enumerate([{"requests": 0}, *turns]):
        servers = [profiled, bare] if number % 2 else [bare, profiled]
        before = {id(one): one.cpu() for one in servers}
        for group in [servers] if at_once else [[one] for one in servers]:
            for one in group:
                one.tell(**order)
            said = {id(one): one.answer() for one in group}
            last = said.get(id(profiled), last)
        first = first or last
        for at, one in enumerate((profiled, bare)):
            used[at] += one.cpu() - before[id(one)]
    return Measured(
        *used,
        last["cost"] - first["cost"],
        last.get("profiled", 0) - first.get("profiled", 0),
        last["rate"],
    )


@dataclass(frozen=True)
class Plan:
    """What is served and how, and for how long it settles and is measured: seconds, or turns."""

    engine: str
    budget: float
    threads: int = 1
    workload: str = "flask"
    sample: float = 1.0
    builtins: bool = False
    drop: bool = False
    unwrapped: bool = False
    settle: float = 60.0
    seconds: float = 120.0

    def options(self) -> dict[str, Any]:
        chosen = {"engine": self.engine, "budget": self.budget, "sample": self.sample}
        chosen["builtins"] = self.builtins
        return chosen | ({"slower_than": 1000} if self.drop else {})

    def phases(self) -> Iterator[tuple[str, list[Any], list[Any]]]:
        """By name: the orders until it has settled, and those that are measured."""
        if self.threads > 1:
            turn = {"requests": TURN_REQUESTS}
            many = (max(1, int(number)) for number in (self.settle, self.seconds))
            settling, measured = ([turn] * number for number in many)
            yield f"{self.threads} threads", settling, measured
            return
        for name, rate in (("low", LOW), ("ten times", HIGH), ("low again", LOW)):
            orders = [{"rate": rate, "seconds": s} for s in (self.settle, self.seconds)]
            yield name, orders[:1], orders[1:]


def measure(plan: Plan) -> Iterator[tuple[str, Measured]]:
    """Each phase of the plan, once it has been measured."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reqprof-budget-"))
        rest = [plan.workload, str(plan.threads)]
        profiled = started(stack, [folder, json.dumps(plan.options()), *rest])
        alone = {} if plan.unwrapped else {"sample": 0.0}
        bare = started(stack, [folder, json.dumps(alone), *rest])
        for name, settling, measured in plan.phases():
            at_once = plan.threads == 1
            both(profiled, bare, settling, at_once=at_once)
            yield name, both(profiled, bare, measured, at_once=at_once)


def head() -> str:
    """Of the table that :func:`lines` makes."""
    names = ("share", "estimate", "profiled", "rate")
    return f"{'':40}{'budget':>8}" + "".join(f"{name:>10}" for name in names)


def lines(plan: Plan) -> Iterator[str]:
    for name, found in measure(plan):
        yield f"{plan.engine + ', ' + name:40}{plan.budget:8.2g}{found}"


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        folder, chosen, name, threads = sys.argv[2:]
        serve(folder, json.loads(chosen), name, int(threads))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", nargs="+", type=float, default=[0.02, 0.1])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=120, help="or turns, of several threads")
    parser.add_argument("--settle", type=float, default=60, help="likewise, before each phase")
    parser.add_argument("--sample", type=float, default=1.0)
    parser.add_argument("--builtins", action="store_true", help="record calls of C functions too")
    parser.add_argument("--drop", action="store_true", help="keep no profile")
    parser.add_argument("--unwrapped", action="store_true", help="compare with the app alone")
    parser.add_argument("--workload", choices=("flask", "cpu"), default="flask")
    parser.add_argument("--engine", nargs="+", choices=engines(), default=engines()[-1:])
    given = vars(parser.parse_args())
    every = itertools.product(*(given.pop(name) for name in ("engine", "budget", "threads")))
    print(f"{machine()}, {given['workload']}", head(), sep="\n")
    for engine, share, threads in every:
        for line in lines(Plan(engine, share, threads, **given)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
