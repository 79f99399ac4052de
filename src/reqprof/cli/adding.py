"""Adding up the chosen profiles: in this process, or in several where there are many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reqprof.cli.captions import Tally
from reqprof.cli.gather import Reason
from reqprof.cli.talk import bar
from reqprof.errors import NotFound, ReqprofError, UsageError
from reqprof.store.reduction import CHUNK, reduce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from reqprof.cli.gather import Remarks
    from reqprof.model import Profile
    from reqprof.store.anywhere import Reader
    from reqprof.store.reduction import Sum
    from reqprof.store.stored import Stored

S = TypeVar("S", bound="Sum")

WORTH = 1000
"""Profiles from which several processes are faster than one."""


DASK_SECONDS = 5
"""How long a scheduler may take to answer."""


class Counted(Generic[S]):
    """A sum of profiles, with what there is to say about them: a sum again."""

    def __init__(self, empty: Callable[[], S], *, weighted: bool = False) -> None:
        self.sum = empty()
        self.tally = Tally(weighted=weighted)

    def add(self, profile: Profile) -> None:
        """Add one profile."""
        self.tally.add(profile)
        self.sum.add(profile)

    def join(self, other: Counted[S]) -> None:
        """Add what another has added up."""
        self.tally.join(other.tally)
        self.sum.join(other.sum)


def add_up(
    chosen: Sequence[Stored],
    empty: Callable[[], Counted[S]],
    remarks: Remarks,
    read: Reader,
    workers: Workers,
) -> Counted[S]:
    """The sum of all that ``read`` can read, done by ``workers``.

    Raises ReqprofError where not one can be read, or a process dies.
    """
    files = [one.path for one in chosen]
    if workers.dask is not None:
        # The cluster's processes are elsewhere.
        files = [file.absolute() if isinstance(file, Path) else file for file in files]
    try:
        with (
            workers.executor(len(files)) as (executor, count),
            bar(len(files), "Reading profiles") as done,
        ):
            reduced = reduce(files, empty, read, executor, done, count)
    except BrokenProcessPool:
        raise ReqprofError(
            "one of the processes was killed, for want of memory perhaps; try --jobs 1"
        ) from None
    for error in reduced.bad:
        remarks.unreadable(error)
    for path in reduced.gone:
        # A folder in use is pruned while we read it.
        remarks.leave_out(path, Reason.GONE)
    for error in getattr(reduced.total.sum, "damaged", ()):
        remarks.table_alone(error)
    if not reduced.total.tally.count:
        there = "; the cluster's workers must see the same files" if workers.dask else ""
        raise ReqprofError(f"none of the {len(files)} profiles can be read{there}")
    return reduced.total


@dataclass(frozen=True, slots=True)
class Workers:
    """Who adds up: so many processes here, or those of a Dask cluster; else who is worth it."""

    jobs: int | None = None
    dask: str | None = None  # the address of its scheduler

    @contextmanager
    def executor(self, files: int) -> Iterator[tuple[Executor | None, int]]:
        """What runs the tasks for so many files, and how many at a time; None is this process.

        Raises NotFound where the scheduler does not answer, UsageError where Dask is not installed.
        """
        if self.dask is not None:
            with _cluster(self.dask) as cluster:
                yield cluster
            return
        jobs = self.jobs or (_cores() if files >= WORTH else 1)
        jobs = min(jobs, -(-files // CHUNK))  # more would find nothing to do
        if jobs == 1:
            yield None, 1
            return
        with _pool(jobs) as executor:
            yield executor, jobs


@contextmanager
def _pool(jobs: int) -> Iterator[Executor]:
    # A fork has all that is imported here, but no threads, such as those of an s3:// listing.
    forks = sys.platform == "linux" and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if forks else "spawn")
    # Ctrl-C, which reaches them all, is for this process to answer.
    deaf = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(jobs, context, signal.signal, deaf) as pool:
        pool.submit(int).result()  # forks them all, before a bar starts a thread
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()  # a chunk may take a minute
            raise


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--dask needs Dask: pip install 'reqprof[dask]'") from None
    try:
        client: Any = Client(address, timeout=DASK_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise NotFound(f"no Dask scheduler at {address}: {error}") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise NotFound(f"the Dask scheduler at {address} has no workers")
        # A task is done once: what it reads may be other files the next time.
        yield client.get_executor(pure=False), threads


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
