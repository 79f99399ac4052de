"""What share of a server's CPU profiling takes under a budget, by the system's own account.

``python benchmarks/budget.py [--budget B ...] [--threads N ...] [--pairs N] [--seconds S]
[--settle S]`` with the dependency group benchmarks installed. A pair is two processes of gunicorn
that get the same requests at the same times, one of them under a budget and one that only times
them, and their CPU seconds are read from ``/proc/PID/stat``: what the one has used more is what
profiling took, whatever reqprof itself thinks. With ``--unwrapped`` the other one is without
reqprof, so that timing counts too. The load goes up ten times and down again; each phase is
measured once it has settled. With ``--threads`` above 1 as many clients send requests as fast as
they are answered instead, as to a server that has all it can do; then the processes serve equal
numbers of requests, one after the other in short turns, of which there are as many as the seconds
say.

*Share* is what was measured, *estimate* what ``reqprof status`` says of the last minute; *rate* is
that of the last moment. ``--sample`` sets a rate, and with ``--budget 1`` nothing holds it: then
the two columns say how good the estimate is. ``--budget 0`` profiles nothing in both: that is how
far two equal processes differ. On a machine that has other work to do none of it is worth much.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from common import engines, machine
from served import TALLY_SECONDS, Server, started

from reqprof.store import status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.store.status import Status

LOW, HIGH = 15.0, 150.0  # requests a second
TURN_REQUESTS = 800


@dataclass(frozen=True)
class Plan:
    """What is served and how, and for how long it settles and is measured: seconds, or turns."""

    engine: str
    budget: float
    threads: int = 1
    sample: float = 1.0
    builtins: bool = False
    drop: bool = False
    unwrapped: bool = False
    settle: float = 60.0
    seconds: float = 120.0

    def pair(self, stack: ExitStack) -> tuple[Server, Server]:
        """One with a budget, and one that it is compared with."""
        options = {"engine": self.engine, "sample": self.sample, "builtins": self.builtins}
        options |= {"budget": self.budget} if self.budget else {"sample": 0.0}
        options |= {"slower_than": 1000} if self.drop else {}
        bare = None if self.unwrapped else {"sample": 0.0}
        return started(stack, "gunicorn", options), started(stack, "gunicorn", bare)


@dataclass(frozen=True)
class Measured:
    """The share that profiling took, what reqprof thinks, requests profiled and the last rate."""

    share: float
    estimate: float
    profiled: int
    rate: float

    def __str__(self) -> str:
        return f"{self.share:10.2%}{self.estimate:10.2%}{self.profiled:10,}{self.rate:10.3g}"


def paced(server: Server, rate: float, seconds: float, begin: float) -> None:
    """Requests at even times, the same for all servers, as all go by the clock."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        connection.request("GET", "/")
        connection.getresponse().read()
    connection.close()


def both(pair: tuple[Server, Server], rate: float, seconds: float) -> list[float]:
    """The CPU seconds that each used for the same requests at the same times."""
    before = [server.cpu() for server in pair]
    begin = time.monotonic() + 0.2
    with ThreadPoolExecutor(len(pair)) as pool:
        list(pool.map(lambda server: paced(server, rate, seconds, begin), pair))
    time.sleep(TALLY_SECONDS)
    return [server.cpu() - used for server, used in zip(pair, before, strict=True)]


def by_turns(pair: tuple[Server, Server], turns: int) -> list[float]:
    """The CPU seconds that each used for so many turns of its own."""
    for number in range(turns):
        for server in pair if number % 2 else reversed(pair):
            server.turn(TURN_REQUESTS)
    return [sum(server.turns[-turns:]) for server in pair]


def said(server: Server) -> Status:
    """What the server says of itself."""
    (found,) = (one for one in status.read(server.folder) if one.timed)
    return found


def measure(plan: Plan) -> Iterator[tuple[str, Measured]]:
    """Each phase of the plan, once it has been measured."""
    phases = [("low", LOW), ("ten times", HIGH), ("low again", LOW)]
    with ExitStack() as stack:
        pair = plan.pair(stack)
        for name, rate in phases if plan.threads == 1 else [(f"{plan.threads} threads", 0.0)]:
            used = []
            profiled = []
            for length in (plan.settle, plan.seconds):
                used = both(pair, rate, length) if rate else by_turns(pair, int(length))
                now = said(pair[0])
                profiled.append(now.counters.get("profiled", 0))
            share, count = 1 - used[1] / used[0], profiled[1] - profiled[0]
            yield name, Measured(share, now.cost or 0.0, count, now.rate or 0.0)


def head() -> str:
    """Of the table that :func:`lines` makes."""
    names = ("share", "estimate", "profiled", "rate")
    return f"{'':40}{'budget':>8}" + "".join(f"{name:>10}" for name in names)


def lines(plan: Plan, pairs: int = 1) -> Iterator[str]:
    """One for each phase of each pair, and the means where there are several."""
    found: dict[str, list[Measured]] = {}
    for _ in range(pairs):
        for name, measured in measure(plan):
            found.setdefault(name, []).append(measured)
            yield f"{plan.engine + ', ' + name:40}{plan.budget:8.2g}{measured}"
    for name, each in found.items() if pairs > 1 else ():
        shares = [one.share for one in each]
        spread = f"{statistics.mean(shares):10.2%}  sd {statistics.stdev(shares):.2%}"
        yield f"{plan.engine + ', ' + name + ', mean':40}{plan.budget:8.2g}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", nargs="+", type=float, default=[0.02, 0.1])
    parser.add_argument("--threads", nargs="+", type=int, choices=(1, 8), default=[1, 8])
    parser.add_argument("--pairs", type=int, default=1, help="one after the other")
    parser.add_argument("--seconds", type=float, default=120, help="or turns, of several threads")
    parser.add_argument("--settle", type=float, default=60, help="likewise, before each phase")
    parser.add_argument("--sample", type=float, default=1.0)
    parser.add_argument("--builtins", action="store_true", help="record calls of C functions too")
    parser.add_argument("--drop", action="store_true", help="keep no profile")
    parser.add_argument("--unwrapped", action="store_true", help="compare with the app alone")
    parser.add_argument("--engine", nargs="+", choices=engines(), default=engines()[-1:])
    given: dict[str, Any] = vars(parser.parse_args())
    every = itertools.product(*(given.pop(name) for name in ("engine", "budget", "threads")))
    pairs = given.pop("pairs")
    print(machine(), head(), sep="\n")
    for engine, share, threads in every:
        for line in lines(Plan(engine, share, threads, **given), pairs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
