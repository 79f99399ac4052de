"""How near the widths of a picture are to what the program does when nobody records it.

``python benchmarks/sampled.py [--workload flask ...] [--seconds N] [--worst N]`` with the
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
requests, too, are halved and the halves compared.

Requests that lost the processor to other programs for more than a tenth of their time are left
out, and garbage is collected between requests.

*Compensated* is less what recording took by the calibration. Between the recorded requests as many
are served unprofiled, so what recording really added is known; *scaled* is less as much in all,
but shared out as by the calibration: what is still wrong then is not its sum. *Reconstructed* is
the tree that is made of cProfile's callers and callees. ``--worst`` lists the functions that are
most wrong.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import engines, machine
from widths import add, distance, shares_of, together, widths_of
from workloads import NAMES, workload

import reqprof
from reqprof.store import reader
from reqprof.tree.merge import merge
from reqprof.tree.profile import tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from widths import Distance, Widths
    from workloads import Workload

    from reqprof.model import Function, Profile
    from reqprof.tree.node import Node

# A second. More would see one moment twice where another program has the processor.
RATE = 250
WARM_UP = 50
UNPROFILED = "unprofiled"  # the file that says how long a request took that was not recorded
LOST = 0.1  # of a request's time, to other programs: more is not looked at
KINDS = (("exact", True), ("exact", False), ("cprofile", True))
FRAME = re.compile(r"(.*) \((.*):(\d+)\)")


# The processes that are looked at.


def serve(work: Workload) -> None:
    """Until the process is ended."""
    for number in itertools.count():
        if number == WARM_UP:
            print("ready", flush=True)
        tidied(work.request, work.app)


def record(work: Workload, folder: Path, requests: int, engine: str, *, builtins: bool) -> None:
    """So many requests, a file for each; and the CPU seconds of as many without recording."""
    app = reqprof.ProfilerMiddleware(work.app, out_dir=folder, engine=engine, builtins=builtins)
    for _ in range(WARM_UP):
        tidied(work.request, work.app)
    spent = 0.0
    for _ in range(requests):
        tidied(work.request, work.app)  # which pays for what the last one switched
        began = time.thread_time()
        work.request(work.app)
        spent += time.thread_time() - began
        tidied(work.request, app)
        app.flush()
    (folder / UNPROFILED).write_text(str(spent / requests))


def tidied(request: Callable[[Any], None], app: Any) -> None:
    """One request; garbage is collected after it, and is not the time of whoever was at work."""
    gc.disable()
    request(app)
    gc.collect(0)


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
    beside = Path(sys.executable).with_name("py-spy")
    command = [
        *(str(beside) if beside.exists() else "py-spy", "record", "--format", "raw"),
        *("--function", "--full-filenames", "--rate", str(RATE), "--output", str(file)),
    ]
    with served(name) as pid:
        command += ["--duration", f"{seconds:.0f}", "--pid", str(pid)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"py-spy cannot look at another process here: {ended.stderr}")
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


def undisturbed(folder: Path) -> list[Profile]:
    """The profiles of a folder, without those whose request often lost the processor to others."""
    profiles = [reader.read(file) for file in sorted(folder.glob("*.prof"))]
    return [profile for profile in profiles if _lost(profile) < LOST]


def _lost(profile: Profile) -> float:
    """The share of its time in which it did not run."""
    request = profile.request
    assert request is not None
    assert request.cpu is not None
    return 1 - request.cpu / request.total


def measured(node: Node) -> float:
    return node.self_time


def compensated(node: Node, scale: float = 1.0) -> float:
    """As pictures have it: never below nothing."""
    return max(0.0, node.self_time - scale * node.overhead)


@dataclass(frozen=True)
class Settings:
    """How long to look, and how much to record."""

    seconds: float
    requests: int
    worst: int


@dataclass(frozen=True)
class Recorded:
    """Requests that one engine recorded: a tree of one half of them, and one of the other."""

    halves: list[Node]
    requests: int
    unprofiled: float  # CPU seconds of a request that was not recorded

    def added(self) -> tuple[float, float]:
        """Seconds that recording added to a request: in truth, and as estimated."""
        tree = merge(self.halves)
        estimate = sum(node.overhead for _, node in tree.walk())
        return tree.total / self.requests - self.unprofiled, estimate / self.requests

    def widths(self, entry: Function) -> Iterator[tuple[str, Widths]]:
        """What the tree says, more and more corrected."""
        tree = merge(self.halves)
        real, estimate = self.added()
        if not estimate:
            yield "reconstructed", widths_of(tree, measured, entry)
            return
        yield "measured", widths_of(tree, measured, entry)
        yield "compensated", widths_of(tree, compensated, entry)
        yield "scaled", widths_of(tree, partial(compensated, scale=real / estimate), entry)


def compare(name: str, settings: Settings, folder: Path) -> None:
    """One workload."""
    with workload(name) as work:
        entry = work.entry
    runs = [sampled(name, entry, settings.seconds, folder) for _ in range(2)]
    truth = together(runs)
    print(f"\n{name}: {sum(truth.values()):,.0f} samples, {settings.requests:,} requests recorded")
    print(f"{'':44}{'functions':>10}{'stacks':>10}{'merged':>10}")
    show("py-spy, one run and another", distance(*runs))
    for engine, builtins in KINDS:
        if engine in engines():
            found = made(name, engine, settings, folder, builtins=builtins)
            print(f"{engine if builtins else f'{engine}, builtins=False'}: {told(found)}")
            halves = [widths_of(half, measured, entry) for half in found.halves]
            show("  one half and the other", distance(*halves))
            widths = dict(found.widths(entry))
            for way in widths:
                show(f"  py-spy and {way}", distance(truth, widths[way]))
            show_worst(truth, widths, settings.worst)


def told(found: Recorded) -> str:
    real, estimate = (seconds * 1e6 for seconds in found.added())
    estimated = f", by its estimate {estimate:.0f}" if estimate else ""
    base = found.unprofiled * 1e6
    return f"recording added {real:.0f} us to the {base:.0f} of each of {found.requests}{estimated}"


def made(name: str, engine: str, settings: Settings, folder: Path, *, builtins: bool) -> Recorded:
    """Requests recorded in a process of their own."""
    profiles = folder / f"{name}-{engine}-{builtins}"
    options = ["--requests", str(settings.requests), "--into", str(profiles)]
    options += [] if builtins else ["--no-builtins"]
    subprocess.run(child("--record", name, "--engine", engine, *options), check=True)
    kept = undisturbed(profiles)
    trees = [merge(map(tree_of, half)) for half in (kept[::2], kept[1::2])]
    return Recorded(trees, len(kept), float((profiles / UNPROFILED).read_text()))


def show(what: str, found: Distance) -> None:
    print(f"{what:44}" + "".join(f"{number:10.3f}" for number in found), flush=True)


def show_worst(truth: Widths, found: dict[str, Widths], number: int) -> None:
    """The functions whose shares of the time are most wrong, in percent of the whole."""
    if not number:
        return
    shares = [shares_of(widths) for widths in (truth, *found.values())]
    wrong = {
        function: max(abs(share[function] - shares[0][function]) for share in shares[1:])
        for function in set().union(*shares)
    }
    print("  most wrong, % of the time: py-spy, " + ", ".join(found))
    for function in sorted(wrong, key=wrong.__getitem__, reverse=True)[:number]:
        cells = "".join(f"{share[function] * 100:8.2f}" for share in shares)
        file, line, name = function
        print(f"  {cells}  {Path(file).name}:{line} {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--seconds", type=float, default=40, help="of each run of py-spy")
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
        folder = Path(tempfile.mkdtemp(prefix="reqprof-sampled-"))
        try:
            compare(name, settings, folder)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
