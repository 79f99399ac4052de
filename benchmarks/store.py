"""What a folder of many profiles costs: to list, to merge, to write and to prune.

``python benchmarks/store.py [--sizes 100 1000 10000] [--rounds N] [--only listing ...]`` with the
dependency group benchmarks installed. The profiles are those of the two examples under their own
traffic, served by gunicorn and uvicorn: ten thousand requests, recorded once and kept in the user's
cache. Each way to do a thing runs in a process of its own, all ways in turns, medians of the
seconds that it takes there, imports left out but for the listings, which are timed whole. Memory is
the most that the process ever had. The numbers to hold come last.

The hundred thousand of the listings are links to these files under names of their own, with index
lines of their own: a listing opens no file.
"""

from __future__ import annotations

import argparse
import atexit
import json
import marshal
import os
import pstats
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import EXAMPLES, interleave, machine, served, verdict

from reqprof.model import Request
from reqprof.store import index, naming, reader
from reqprof.store.caps import Caps
from reqprof.store.decode import decode
from reqprof.store.format import split
from reqprof.store.reduction import reduce
from reqprof.store.stats import collector_paused, merge
from reqprof.store.writer import Writer
from reqprof.tree.total import Total

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REQUESTS = 10_000
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "reqprof-benchmarks"
APPS = {
    "flask_app": ("SHOP_PROFILES", ["gunicorn", "--bind", "fd://{fd}", "--threads", "4"], "shop"),
    "starlette_app": ("TRAMS_PROFILES", ["uvicorn", "--fd", "{fd}"], "trams"),
}
FLOOR, PSTATS, MERGE, POOL = "marshal.loads", "pstats.Stats", "merge", "merge, two processes"
UNTRUSTED, TREES, TREES_POOL = "merge, untrusted", "trees", "trees, two processes"
DASK, TREES_DASK = "merge, Dask", "trees, Dask"


# --- the profiles


def corpus() -> list[Path]:
    """Ten thousand real profiles, recorded where they are not there yet."""
    folders = [_recorded(name) for name in APPS]
    files = [path for folder in folders for path in folder.glob("*.prof")]
    # By their ids: the two apps' profiles mixed, and the same mixture in every run.
    return sorted(files, key=lambda path: path.name[-17:])


def _recorded(name: str) -> Path:
    folder = CACHE / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    half = REQUESTS // len(APPS)
    if folder.exists():
        return folder
    print(f"recording {half:,} requests of {name} for {folder}", file=sys.stderr)
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    variable, server, module = APPS[name]
    levels = ["--log-level", "error"]
    path = os.pathsep.join([EXAMPLES, os.environ.get("PYTHONPATH", "")])
    environ = {variable: str(fresh), "PYTHONPATH": path}
    app = f"{name}.{module}:app"
    with served([*server, *levels, app], quiet=True, **environ) as (_, port):
        traffic = [sys.executable, str(Path(EXAMPLES) / name / "traffic.py")]
        url = f"http://127.0.0.1:{port}"
        subprocess.run([*traffic, url, "--requests", str(half), "--clients", "4"], check=True)
    fresh.rename(folder)
    return folder


def linked(files: Sequence[Path], count: int, folder: Path) -> Path:
    """A folder of ``count`` profiles whose names and index lines are their own."""
    folder.mkdir()
    index.prepare(folder)
    known = [(path, request) for path in files if (request := reader.facts(path)) is not None]
    lines: dict[tuple[int, int], list[bytes]] = {}
    for number in range(count):
        path, request = known[number % len(known)]
        mine = replace(request, id=f"{number:012x}", start=request.start + number, pid=number % 4)
        name = naming.name(mine)
        os.link(path, folder / name)
        of_file = lines.setdefault((mine.pid, number // 4000), [])
        of_file.append(index.line(name, path.stat().st_size, mine))
    for (pid, part), some in lines.items():
        place = folder / index.FOLDER / f"benchmark-{pid}-{part:08x}.jsonl"
        place.write_bytes(b"".join(some))
    return folder


# --- what is measured, each in a process of its own


def _floor(files: list[Path]) -> None:
    with collector_paused():
        for path in files:
            marshal.loads(path.read_bytes())


def _pstats(files: list[Path]) -> None:
    pstats.Stats(*map(str, files))


def _pool(files: list[Path]) -> None:
    with ProcessPoolExecutor(2) as pool:
        merge(files, executor=pool)


def _trees(files: list[Path]) -> None:
    reduce(files, Total, reader.read)


def _trees_pool(files: list[Path]) -> None:
    with ProcessPoolExecutor(2) as pool:
        reduce(files, Total, reader.read, pool)


def _dask(files: list[Path]) -> None:
    merge(files, executor=_client().get_executor(pure=False))


def _trees_dask(files: list[Path]) -> None:
    reduce(files, Total, reader.read, _client().get_executor(pure=False), workers=2)


@cache
def _client() -> Any:
    """Two processes, which have been there for a while and know this package."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    client = Client(cluster)
    merge(corpus()[:2], executor=client.get_executor(pure=False))
    # Before it is left to the interpreter's end, which it does not survive quietly.
    atexit.register(cluster.close)
    atexit.register(client.close)
    return client


def _decoded(files: list[Path]) -> None:
    for path in files:
        parts = split(path.read_bytes())
        assert parts is not None
        decode(parts.stats)


def _marshalled(files: list[Path]) -> None:
    for path in files:
        parts = split(path.read_bytes())
        assert parts is not None
        marshal.loads(parts.stats)


JOBS: dict[str, Callable[[list[Path]], None]] = {
    FLOOR: _floor,
    PSTATS: _pstats,
    MERGE: merge,  # type: ignore[dict-item]
    POOL: _pool,
    UNTRUSTED: partial(merge, trusted=False),  # type: ignore[dict-item]
    TREES: _trees,
    TREES_POOL: _trees_pool,
    DASK: _dask,
    TREES_DASK: _trees_dask,
    "restricted decoder": _decoded,
    "marshal, of the same bytes": _marshalled,
}


def child(job: str, count: int) -> None:
    """Do a job with so many of the profiles; prints the seconds and the most bytes of memory."""
    files = corpus()[:count]
    for path in files:
        path.read_bytes()  # from the disk, which is not what is measured
    if "Dask" in job:
        _client()
    began = time.perf_counter()
    JOBS[job](files)
    seconds = time.perf_counter() - began
    # Not what getrusage tells, which begins with the parent's.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps([seconds, int(found[1]) << 10 if found else 0]))


class Jobs:
    """Runs them, and remembers the memory that they took."""

    def __init__(self) -> None:
        self.memory: dict[tuple[str, int], int] = {}

    def seconds(self, job: str, count: int) -> float:
        """How long it takes with so many profiles."""
        command = [sys.executable, __file__, "--child", job, str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        seconds, memory = json.loads(done.stdout)
        self.memory[job, count] = max(memory, self.memory.get((job, count), 0))
        return float(seconds)

    def in_turns(self, names: Sequence[str], count: int, rounds: int) -> dict[str, float]:
        """The medians of several."""
        ways = {name: partial(self.seconds, name, count) for name in names}
        return interleave(ways, rounds, warm_up=0)


def command(*words: str) -> float:
    """Seconds that the command takes, from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "reqprof", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


# --- the parts


def listing(sizes: Sequence[int], rounds: int) -> list[str]:
    """``reqprof slowest`` over so many profiles, and over ten times as many as the largest."""
    files = corpus()
    held: list[str] = []
    print("\nlistings, whole processes, seconds")
    folder = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        ways = {"reqprof --version": partial(command, "--version")}
        for count in (1000, 10_000, 100_000):
            place = str(linked(files, count, folder / str(count)))
            ways[f"slowest, {count:,}"] = partial(command, "slowest", place)
            ways[f"--by route, {count:,}"] = partial(command, "slowest", place, "--by", "route")
            ways[f"scandir, {count:,}"] = partial(_scan, place)
        found = interleave(ways, rounds, warm_up=1)
    finally:
        shutil.rmtree(folder)
    for name, seconds in found.items():
        print(f"  {name:40}{seconds:8.3f}")
    held.append(verdict("slowest over 100,000, seconds", found["slowest, 100,000"], 0.5))
    held.append(verdict("--by route over 100,000, seconds", found["--by route, 100,000"], 1.0))
    return held


def _scan(folder: str) -> float:
    began = time.perf_counter()
    sum(1 for _ in os.scandir(folder))
    return time.perf_counter() - began


def merging(sizes: Sequence[int], rounds: int) -> list[str]:
    """Tables and trees of so many profiles, against pstats and against reading them."""
    jobs = Jobs()
    held: list[str] = []
    ways = [FLOOR, MERGE, POOL, DASK, UNTRUSTED, TREES, TREES_POOL, TREES_DASK]
    for count in sizes:
        some = [*ways, PSTATS] if count <= 1000 else ways
        found = jobs.in_turns(some, count, rounds)
        if PSTATS not in found:  # minutes
            found[PSTATS] = jobs.seconds(PSTATS, count)
        print(f"\n{count:,} profiles: ms each, times marshal.loads, MB")
        for name, seconds in sorted(found.items(), key=lambda pair: pair[1]):
            memory = jobs.memory[name, count] / 1e6
            each = seconds * 1e3 / count
            print(f"  {name:28}{each:8.3f}{seconds / found[FLOOR]:8.2f}{memory:8.0f}")
        if count == 1000:
            for how in (POOL, MERGE):  # the first is what the command does, where it can
                faster = found[PSTATS] / found[how]
                held.append(verdict(f"pstats / {how}, 1,000 files", faster, 6, least=True))
            held.append(verdict("trees: Dask / pool", found[TREES_DASK] / found[TREES_POOL], 1.3))
        held.append(verdict(f"merge / marshal, {count:,} files", found[MERGE] / found[FLOOR], 5))
    least, most = (jobs.memory[MERGE, count] for count in (min(sizes), max(sizes)))
    held.append(verdict(f"memory, {max(sizes):,} / {min(sizes):,} files", most / least, 1.15))
    return held


def decoding(sizes: Sequence[int], rounds: int) -> list[str]:
    """The decoder that nothing crashes."""
    names = ["marshal, of the same bytes", "restricted decoder"]
    found = Jobs().in_turns(names, min(1000, max(sizes)), rounds)
    ratio = found[names[1]] / found[names[0]]
    return [verdict("restricted decoder / marshal", ratio, 8)]


def writing(sizes: Sequence[int], rounds: int) -> list[str]:
    """What storing a profile costs the background thread, and what pruning adds."""
    profiles = [reader.read(path) for path in corpus()[:200]]
    unlimited = Caps(max_files=None, max_bytes=None, min_free=None)
    capped = Caps(max_files=1000, max_bytes=None, min_free=None)

    def write(folder: Path, caps: Caps) -> Callable[[], float]:
        made = Writer(folder, caps)
        numbers = iter(range(10**9))

        def once() -> float:
            began = time.process_time()
            for profile in profiles:
                assert isinstance(profile.request, Request)
                told = replace(profile.request, id=f"{next(numbers):012x}")
                made.write(profile.stats, told, None, None, profile.tree)
            return (time.process_time() - began) / len(profiles)

        return once

    folders = {name: Path(tempfile.mkdtemp()) for name in ("without caps", "1,000 files at most")}
    both = zip(folders.items(), (unlimited, capped), strict=True)
    ways = {name: write(folder, caps) for (name, folder), caps in both}
    found = interleave(ways, rounds=10, warm_up=10)
    each = [len(index.line("a.prof", 9, p.request)) for p in profiles if p.request]
    print("\nwriting, ms of CPU for a profile")
    for name, seconds in found.items():
        print(f"  {name:40}{seconds * 1e3:8.3f}")
    print(f"  bytes of an index line{statistics.median(each):26.0f}")
    for name, folder in folders.items():
        lines = sum(path.read_bytes().count(b"\n") for path in index.files(folder))
        count = len(index.names(folder))
        print(f"  lines of the index for {count:,} profiles, {name}: {lines:,}")
        shutil.rmtree(folder)
    return []


PARTS = {"listing": listing, "merging": merging, "decoding": decoding, "writing": writing}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, REQUESTS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--child", nargs=2, metavar=("JOB", "COUNT"), help=argparse.SUPPRESS)
    wanted: Any = parser.parse_args()
    if wanted.child:
        child(wanted.child[0], int(wanted.child[1]))
        return
    print(f"{machine()}, {wanted.rounds} rounds, {len(corpus()):,} profiles")
    held = [line for name in wanted.only for line in PARTS[name](wanted.sizes, wanted.rounds)]
    print("\nnumbers to hold", *held, sep="\n")


if __name__ == "__main__":
    main()
