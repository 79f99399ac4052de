"""What profiles cost that are elsewhere: to ship, and to read back, in bundles and one by one.

``python benchmarks/shipping.py [--profiles N] [--rounds N]`` with the dependency group benchmarks
installed. The store is moto's S3 server on loopback, a Python process that shares this machine's
cores: its seconds are its own, not those of S3. So the ratios count, and the CPU of our side. The
profiles are those of ``store.py``. Each way runs in a process of its own, all in turns, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from common import machine
from store import corpus

from reqprof.store import index
from reqprof.store.anywhere import Reader
from reqprof.store.reduction import reduce
from reqprof.store.remote.folder import Folder
from reqprof.store.remote.objects import put, reached, sizes
from reqprof.store.remote.shipping import Shipper
from reqprof.store.stats import Total
from reqprof.tree.total import Total as Trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUCKET = "s3://benchmark"
SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
"""


@contextmanager
def s3() -> Iterator[None]:
    """A server, which this process and its children find, with an empty bucket."""
    server = [sys.executable, "-c", SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(server, text=True, **pipes) as process:
        os.environ["AWS_ENDPOINT_URL"] = process.stdout.readline().strip()
        os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        with reached(BUCKET) as (files, root):
            files.mkdir(root)
        yield
        process.communicate("")


def ship(folder: Path) -> None:
    Shipper(folder, f"{BUCKET}/{os.urandom(4).hex()}", print).ship(index.find(folder).stored)


def ship_again(folder: Path) -> None:
    Shipper(folder, f"{BUCKET}/bundles", print).ship(index.find(folder).stored)


def put_each(folder: Path) -> None:
    home = f"{BUCKET}/{os.urandom(4).hex()}"
    with reached(home) as (files, root):
        for path in folder.glob("*.prof"):
            put(files, f"{root}/{path.name}", path.read_bytes())


def put_at_once(folder: Path) -> None:
    home = f"{BUCKET}/{os.urandom(4).hex()}"
    with reached(home) as (files, root):
        files.pipe({f"{root}/{path.name}": path.read_bytes() for path in folder.glob("*.prof")})


def merge(place: str | Path) -> None:
    assert _reduced(place, Total, table_only=True).stats


def trees(place: str | Path) -> None:
    assert _reduced(place, Trees).tree.total


def _reduced(place: str | Path, total: type[Any], *, table_only: bool = False) -> Any:
    found = index.find(place) if isinstance(place, Path) else Folder(place).found()
    reader = Reader(trusted=False, table_only=table_only)
    reduced = reduce([one.path for one in found.stored], total, reader)
    assert not reduced.bad
    return reduced.total


def listing(url: str) -> None:
    assert Folder(url).found().stored


JOBS: dict[str, Callable[[Path], None]] = {
    "ship, all new": ship,
    "ship, nothing new": ship_again,
    "an object each, one by one": put_each,
    "an object each, many at once": put_at_once,
    "listing of bundles": lambda _: listing(f"{BUCKET}/bundles"),
    "listing of objects": lambda _: listing(f"{BUCKET}/objects"),
    "merge of files, untrusted": merge,
    "merge of bundles": lambda _: merge(f"{BUCKET}/bundles"),
    "merge of objects": lambda _: merge(f"{BUCKET}/objects"),
    "trees of bundles": lambda _: trees(f"{BUCKET}/bundles"),
    "trees of files, untrusted": trees,
}


def child(job: str, folder: Path) -> None:
    """Prints the seconds of a job, and those of the processor."""
    index.find(folder)
    with reached(BUCKET) as (files, root):
        files.ls(root)  # what the first request takes is not what is measured
    began, worked = time.perf_counter(), time.process_time()
    JOBS[job](folder)
    print(json.dumps([time.perf_counter() - began, time.process_time() - worked]))


def seconds(job: str, folder: Path) -> list[float]:
    done = subprocess.run(
        [sys.executable, __file__, "--child", job, str(folder)],
        check=True,
        stdout=subprocess.PIPE,
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--profiles", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, metavar=("JOB", "DIR"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child(wanted.child[0], Path(wanted.child[1]))
        return
    count = wanted.profiles
    print(f"{machine()}, {wanted.rounds} rounds, {count:,} profiles")
    with s3(), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in corpus()[:count]:
            shutil.copy(path, folder)
        prepare(folder)
        ways = {name: partial(seconds, name, folder) for name in JOBS}
        taken: dict[str, list[list[float]]] = {name: [] for name in JOBS}
        for _ in range(wanted.rounds):
            for name, way in ways.items():
                taken[name].append(way())
    print("\nms each: from start to end, and of our processor")
    whole = {name: median(one for one, _ in times) for name, times in taken.items()}
    for name, times in taken.items():
        worked = median(one for _, one in times)
        print(f"  {name:40}{whole[name] * 1e3 / count:8.3f}{worked * 1e3 / count:8.3f}")
    ratios = {
        "an object each, one by one / ship": ("an object each, one by one", "ship, all new"),
        "an object each, many at once / ship": ("an object each, many at once", "ship, all new"),
        "listing, objects / bundles": ("listing of objects", "listing of bundles"),
        "merge, objects / bundles": ("merge of objects", "merge of bundles"),
        "merge, bundles / files": ("merge of bundles", "merge of files, untrusted"),
        "trees, bundles / files": ("trees of bundles", "trees of files, untrusted"),
    }
    print("\nratios")
    for name, (one, other) in ratios.items():
        print(f"  {name:40}{whole[one] / whole[other]:8.2f}")


def prepare(folder: Path) -> None:
    """Ship the profiles, in bundles and one by one, and tell what they take."""
    with reached(BUCKET) as (files, root):
        for path in folder.glob("*.prof"):
            put(files, f"{root}/objects/{path.name}", path.read_bytes())
        ship_again(folder)
        there = sizes(files, f"{root}/bundles")
        single = sizes(files, f"{root}/objects")
    packed, loose = sum(there.values()), sum(single.values())
    print(f"{len(there)} bundles of {packed / 1e6:.1f} MB, for {loose / 1e6:.1f} MB of profiles")


if __name__ == "__main__":
    main()
