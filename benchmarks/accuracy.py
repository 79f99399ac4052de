"""How much of the time a tree made of callers and callees has on stacks that did not take it.

``python benchmarks/accuracy.py [--requests N] [--case flask ...]`` with the dependency group
benchmarks installed. Requests of the Flask example and of Django's admin are traced call by call,
all before anything is made of one. The trace has the true stacks, and cProfile's numbers for them
follow from the same readings of the clock, so that nothing but the making of the tree is compared.
The first 60 requests of each are not recorded, and one that lost the processor to other programs
for more than 2 % of its time is made again. Each is made once before it is recorded, so that
caches are warm.

*TV* is the total variation distance between self times by true stack and by a method's: 0 is the
same, 1 has nothing in common. Recursion is merged on both sides first (a, b, a, c is a, c). Each
side is divided by its own sum, so a method that drops time is not blamed for that in TV:
*sum* tells how much of the time it has. *Phantom* is the share of its time on stacks that no true
stack begins with. Time that a tree has not told apart (…) counts for the caller of what it is.

*flameprof* is its folded output at its default threshold, of the requests' numbers added up, as
merged files have them, and of each request, the outputs added. *merged edges* is our tree of the
numbers added up, *per request* the trees of all requests, added: as reqprof does it. ms is CPU time
for each tree made.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common import machine, verdict
from traced import WARM_UP, traced
from widths import merge_recursion, variation

from reqprof.tree.build import build
from reqprof.tree.reconstruct.graph import without_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from widths import Widths

    from reqprof.model import Entry, Function, Stats
    from tests.tree.oracle import Truth

    Method = Callable[[Stats], Widths]

# Requests, the most that TV per request may be, and as a share of flameprof's of merged edges.
CASES = {"flask": (200, 0.03, 1 / 4), "django": (120, 0.21, 1 / 3)}


@dataclass(frozen=True)
class Result:
    """What a method made of the traffic."""

    distance: float
    phantom: float
    kept: float  # share of the time it still has
    milliseconds: float  # for each tree


def flameprof(stats: Stats) -> Widths:
    """Self seconds by stack, as it writes them for flamegraph.pl."""
    from flameprof import render

    numbers = {function: number for number, function in enumerate(stats)}
    functions = list(stats)
    # Names that hold its separators are not escaped; numbers are safe. A root's callers are none.
    table = {
        (str(numbers[f]), 0, ""): (
            *entry[:4],
            {(str(numbers[c]), 0, ""): e for c, e in entry[4].items() if c in numbers},
        )
        for f, entry in stats.items()
    }
    out = io.StringIO()
    with contextlib.redirect_stderr(io.StringIO()):  # it warns of roots
        render(table, out, "log", log_mult=1e9)
    widths: Widths = defaultdict(float)
    for line in out.getvalue().splitlines():
        frames, _, nanoseconds = line.rpartition(" ")
        stack = tuple(functions[int(frame.partition(":")[0])] for frame in frames.split(";"))
        widths[merge_recursion(stack)] += int(nanoseconds) / 1e9
    return widths


def ours(stats: Stats) -> Widths:
    """Self seconds by stack; what was not told apart is its caller's."""
    widths: Widths = defaultdict(float)
    path: list[Function] = []
    for depth, node in build(stats).walk():
        path[depth:] = [node.function]
        stack = tuple(path[1:-1] if node.is_rest else path[1:])
        if node.self_time > 0:
            widths[stack] += node.self_time
    return widths


def measure(method: Method, tables: Sequence[Stats], truth: Widths) -> Result:
    """The method applied to each table, its answers added up."""
    found: Widths = defaultdict(float)
    spent = 0.0
    for stats in tables:
        began = time.thread_time()
        widths = method(stats)
        spent += time.thread_time() - began
        for stack, width in widths.items():
            found[stack] += width
    begun = {stack[:depth] for stack in truth for depth in range(1, len(stack) + 1)}
    whole = sum(found.values())
    phantom = sum(width for stack, width in found.items() if stack not in begun)
    return Result(
        variation(truth, found),
        phantom / whole,
        whole / sum(truth.values()),
        spent / len(tables) * 1000,
    )


def added(tables: Iterable[Stats]) -> Stats:
    """The tables' numbers added, as pstats does it."""
    whole: Stats = {}
    for stats in tables:
        for function, entry in stats.items():
            whole[function] = _sum(whole[function], entry) if function in whole else entry
    return whole


def _sum(one: Entry, other: Entry) -> Entry:
    callers = dict(one[4])
    for caller, edge in other[4].items():
        callers[caller] = _added(callers[caller], edge) if caller in callers else edge
    return (*_added(one[:4], other[:4]), callers)


def _added(one: Any, other: Any) -> Any:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def compare(case: str, requests: int) -> list[str]:
    """Print a case's table; the verdicts on it."""
    truth: Widths = defaultdict(float)
    tables = []
    for request in traced(case, requests):
        tables.append(without_addresses(request.stats))
        add_true(truth, request)
    whole = added(tables)
    results = {
        "flameprof, merged edges": measure(flameprof, [whole], truth),
        "flameprof, per request": measure(flameprof, tables, truth),
        "ours, merged edges": measure(ours, [whole], truth),
        "ours, per request": measure(ours, tables, truth),
    }
    print(f"\n{case}: {len(tables)} requests, {len(whole)} functions, {len(truth)} stacks")
    print(f"  {'':26}{'TV':>8}{'phantom':>10}{'sum':>8}{'ms':>9}{'TV to flameprof':>18}")
    base = results["flameprof, merged edges"].distance
    for name, r in results.items():
        numbers = f"{r.distance:8.3f}{r.phantom:10.3f}{r.kept:8.3f}{r.milliseconds:9.1f}"
        print(f"  {name:26}{numbers}{r.distance / base:18.2f}")
    return verdicts(case, results)


def add_true(truth: Widths, request: Truth) -> None:
    """Count a request's stacks, the addresses in names left out as trees leave them out."""
    plain = {f: next(iter(without_addresses({f: entry}))) for f, entry in request.stats.items()}
    for stack, width in request.self_time.items():
        truth[merge_recursion(tuple(plain[f] for f in stack))] += width


def verdicts(case: str, results: dict[str, Result]) -> list[str]:
    _, most, part = CASES[case]
    best = results["ours, per request"]
    base = results["flameprof, merged edges"]
    lost = max(abs(r.kept - 1) for name, r in results.items() if name.startswith("ours"))
    share = best.distance / base.distance
    return [
        verdict(f"{case}: TV of ours per request, in hundredths", best.distance * 100, most * 100),
        verdict(f"{case}: the same in hundredths of flameprof's", share * 100, round(part * 100)),
        verdict(f"{case}: time that ours lost or made up, in hundredths", lost * 100, 0.05),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--requests", type=int, help="recorded for each case")
    options = parser.parse_args()
    print(f"{machine()}; {WARM_UP} requests before the first that is recorded")
    lines = []
    for case in options.case:
        lines += compare(case, options.requests or CASES[case][0])
    print()
    print("\n".join(lines))


if __name__ == "__main__":
    main()
