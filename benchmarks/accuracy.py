"""How near the widths of a picture are to what the program does when nobody records it.

``python benchmarks/accuracy.py [--workload flask ...] [--seconds N] [--worst N]`` with the
dependency group benchmarks installed. A process serves requests over and over, unprofiled, and
py-spy looks at its stack from outside some thousand times: where it is seen how often is the truth,
as far as a sample can tell. Then the same requests are recorded, and their trees added up.

Printed is the total variation distance between where the time is by py-spy and by a tree: 0 is the
same, 1 has nothing in common, 0.1 says that a tenth of the time is in the wrong place. *Functions*
compares the self times of functions, *stacks* those of whole stacks, and *merged* those of stacks
after recursion has been merged (a, b, a, c is a, c), as reconstructed trees have it.

py-spy sees Python functions only, so time in C functions counts for what called them. A second run
of py-spy tells how far two samples of the same thing differ. Both runs together are what the trees
are compared with, so that a tree without any fault would be at about half of that. The recorded
requests, too, are halved and the halves compared. *Compensated* is less what recording took by the
calibration. ``--worst`` lists the functions that are most wrong.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from common import engines, machine
from workloads import NAMES, workload

import reqprof
from reqprof.store import reader
from reqprof.tree.merge import merge
from reqprof.tree.profile import tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workloads import Workload

    from reqprof.model import Function
    from reqprof.tree.node import Node

    Stack = tuple[Function, ...]
    Widths = dict[Stack, float]

RATE = 500  # a second: more would stop the process for a good part of its time
WARM_UP = 50
FRAME = re.compile(r"(.*) \((.*):(\d+)\)")


# The processes that are looked at.


def serve(work: Workload) -> None:
    """Until the process is ended."""
    for _ in range(WARM_UP):
        work.request(work.app)
    print("ready", flush=True)
    while True:
        work.request(work.app)


def record(work: Workload, folder: Path, requests: int, engine: str, *, builtins: bool) -> None:
    """So many requests, a file for each."""
    app = reqprof.ProfilerMiddleware(work.app, out_dir=folder, engine=engine, builtins=builtins)
    for _ in range(WARM_UP):
        work.request(work.app)
    for _ in range(requests):
        work.request(app)
        app.flush()


def child(*arguments: str) -> list[str]:
    return [sys.executable, __file__, *arguments]


@contextmanager
def served(name: str) -> Iterator[int]:
    """The id of a process that serves, unprofiled."""
    with subprocess.Popen(child("--serve", name), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process.pid
        finally:
            process.kill()


# What was seen, and what was recorded, as seconds or samples by stack.


def sampled(name: str, entry: Function, seconds: float, folder: Path) -> Widths:
    """Samples of py-spy, by stack."""
    file = folder / "samples"
    with served(name) as pid:
        subprocess.run(
            [
                *("py-spy", "record", "--format", "raw", "--function", "--full-filenames"),
                *("--rate", str(RATE), "--duration", f"{seconds:.0f}", "--pid", str(pid)),
                *("--output", str(file)),
            ],
            check=True,
            capture_output=True,
        )
    widths: Widths = defaultdict(float)
    for line in file.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        add(widths, [_function(frame) for frame in frames.split(";")], float(count), entry)
    return widths


def _function(frame: str) -> Function:
    found = FRAME.fullmatch(frame)
    if found is None:
        return "", 0, frame
    name, file, line = found.groups()
    return file, int(line), name.rpartition(".")[2]


def add(widths: Widths, stack: list[Function], time: float, entry: Function) -> None:
    """Count the stack from the app's first function on; others are not the app's."""
    if entry in stack and time > 0:
        widths[tuple(stack[stack.index(entry) :])] += time


def recorded(folder: Path, halves: int = 1) -> list[Node]:
    """The trees of a folder, added up; with two halves, every other file's for itself."""
    files = sorted(folder.glob("*.prof"))
    return [
        merge(tree_of(reader.read(file)) for file in files[half::halves]) for half in range(halves)
    ]


def widths_of(tree: Node, own: Callable[[Node], float], entry: Function) -> Widths:
    """Seconds by stack of Python functions, C functions' and unnamed ones' counted for callers."""
    widths: Widths = defaultdict(float)
    path: list[Node] = []
    for depth, node in tree.walk():
        path[depth:] = [node]
        stack = [above.function for above in path if above.function[0] not in ("", "~")]
        add(widths, stack, own(node), entry)
    return widths


def measured(node: Node) -> float:
    return node.self_time


def compensated(node: Node) -> float:
    """Below nothing where the estimate is too high: to be added to what called it first."""
    return node.self_time - node.overhead


# Comparing.


class Distance(NamedTuple):
    """Total variation distance, three ways."""

    functions: float
    stacks: float
    merged: float


def distance(one: Widths, other: Widths) -> Distance:
    ways = (lambda stack: stack[-1:], lambda stack: stack, merge_recursion)
    return Distance(*(variation(grouped(one, way), grouped(other, way)) for way in ways))


def variation(one: Widths, other: Widths) -> float:
    """Half the sum of the differences of the shares."""
    whole, other_whole = sum(one.values()), sum(other.values())
    return (
        sum(
            abs(one.get(stack, 0) / whole - other.get(stack, 0) / other_whole)
            for stack in one.keys() | other.keys()
        )
        / 2
    )


def grouped(widths: Widths, way: Callable[[Stack], Stack]) -> Widths:
    """Added up by what ``way`` makes of a stack; what is below nothing is nothing."""
    found: Widths = defaultdict(float)
    for stack, time in widths.items():
        found[way(stack)] += time
    return {stack: max(0.0, time) for stack, time in found.items()}


def merge_recursion(stack: Stack) -> Stack:
    merged: list[Function] = []
    for function in stack:
        if function in merged:
            del merged[merged.index(function) :]
        merged.append(function)
    return tuple(merged)


def together(runs: Iterable[Widths]) -> Widths:
    whole: Widths = defaultdict(float)
    for run in runs:
        for stack, count in run.items():
            whole[stack] += count
    return whole


@dataclass(frozen=True)
class Settings:
    """How long to look, and how much to record."""

    seconds: float
    requests: int
    worst: int


def compare(name: str, settings: Settings, folder: Path) -> None:
    """One workload."""
    with workload(name) as work:
        entry = work.entry
    runs = [sampled(name, entry, settings.seconds, folder) for _ in range(2)]
    truth = together(runs)
    print(f"\n{name}: {sum(truth.values()):,.0f} samples, {settings.requests:,} requests recorded")
    print(f"{'':44}{'functions':>10}{'stacks':>10}{'merged':>10}")
    show("py-spy, one run and another", distance(*runs))
    found: dict[str, Widths] = {}
    if "exact" in engines():
        for builtins in (True, False):
            trees = made(name, "exact", settings, folder, builtins=builtins)
            title = "exact" if builtins else "exact, builtins=False"
            halves = [widths_of(tree, measured, entry) for tree in trees]
            show(f"{title}, one half and the other", distance(*halves))
            found[f"{title}, measured"] = together(halves)
            found[f"{title}, compensated"] = widths_of(merge(trees), compensated, entry)
    trees = made(name, "cprofile", settings, folder, builtins=True)
    found["cprofile, reconstructed"] = widths_of(merge(trees), measured, entry)
    for title, widths in found.items():
        show(f"py-spy and {title}", distance(truth, widths))
    if settings.worst:
        show_worst(truth, found, settings.worst)


def made(name: str, engine: str, settings: Settings, folder: Path, *, builtins: bool) -> list[Node]:
    """Two trees, each of half of the requests, recorded in a process of their own."""
    profiles = folder / f"{name}-{engine}-{builtins}"
    options = ["--requests", str(settings.requests), "--into", str(profiles)]
    options += [] if builtins else ["--no-builtins"]
    subprocess.run(child("--record", name, "--engine", engine, *options), check=True)
    return recorded(profiles, halves=2)


def show(what: str, found: Distance) -> None:
    print(f"{what:44}" + "".join(f"{number:10.3f}" for number in found), flush=True)


def show_worst(truth: Widths, found: dict[str, Widths], number: int) -> None:
    """The functions whose shares of the time are most wrong, in percent of the whole."""
    titles = [title for title in found if title.startswith("exact, ") and "False" not in title]
    shares = [shares_of(widths) for widths in (truth, *(found[title] for title in titles))]
    wrong = {
        function: max(abs(share[function] - shares[0][function]) for share in shares[1:])
        for function in set().union(*shares)
    }
    print("\n  most wrong, % of the time: py-spy, " + ", ".join(titles))
    for function in sorted(wrong, key=wrong.__getitem__, reverse=True)[:number]:
        cells = "".join(f"{share[function] * 100:8.2f}" for share in shares)
        file, line, name = function
        print(f"  {cells}  {Path(file).name}:{line} {name}")


def shares_of(widths: Widths) -> dict[Function, float]:
    whole = sum(widths.values())
    shares: dict[Function, float] = defaultdict(float)
    for stack, time in widths.items():
        shares[stack[-1]] += time / whole
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--seconds", type=float, default=20, help="of each run of py-spy")
    parser.add_argument("--requests", type=int, default=400, help="recorded by each engine")
    parser.add_argument("--worst", type=int, default=0, help="functions to list")
    # What this program says to itself:
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--record", help=argparse.SUPPRESS)
    parser.add_argument("--engine", default="exact", help=argparse.SUPPRESS)
    parser.add_argument("--no-builtins", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if name := options.serve or options.record:
        with workload(name) as work:
            if options.serve:
                serve(work)
            builtins = not options.no_builtins
            record(work, options.into, options.requests, options.engine, builtins=builtins)
        return
    print(machine())
    settings = Settings(options.seconds, options.requests, options.worst)
    for name in options.workload:
        folder = Path(tempfile.mkdtemp(prefix="reqprof-accuracy-"))
        try:
            compare(name, settings, folder)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
