"""One daemon thread per process on which everything happens that no request should wait for."""

from __future__ import annotations

import atexit
import heapq
import logging
import sys
import time
import weakref
from _queue import Empty, SimpleQueue  # of C: queue's may be gevent's, which needs a loop
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from reqprof.store.native import after_fork, original, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]

logger = logging.getLogger("reqprof")

EXIT_SECONDS = 5.0
"""How long a process that ends waits for its last profiles."""


class Background:
    """Runs jobs one after the other; starts with its first job, and again in a forked child."""

    def __init__(self) -> None:
        self._last: list[weakref.WeakMethod[Job]] = []
        self._reset()
        after_fork(self._reset)
        atexit.register(self.drain, EXIT_SECONDS)

    def _reset(self) -> None:
        # What the parent had queued is the parent's to write, and its thread is not here.
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._plan: list[_Planned] = []
        self._plans: set[_Planned] = set()  # on their way to the plan; no jobs yet
        self._started = False
        self._thread = 0  # its ident, once it runs
        self._starting = original("_thread", "allocate_lock")()

    @property
    def backlog(self) -> int:
        """Jobs that wait."""
        return self._jobs.qsize() - len(self._plans)

    def submit(self, job: Job, limit: int) -> bool:
        """Queue ``job``; False where ``limit`` jobs wait already or no thread can be had.

        Safe to call from a finaliser: nothing here blocks.
        """
        if self.backlog >= limit or not self._running():
            return False
        self._jobs.put(job)
        return True

    def later(self, seconds: float, job: Job) -> bool:
        """Run ``job`` in about so many seconds, unless the process ends before."""
        planned = _Planned(seconds, job)
        if not self._running():
            return False
        self._plans.add(planned)
        self._jobs.put(lambda: self._take_up(planned))
        return True

    def before_drain(self, job: Job) -> None:
        """Run the method ``job`` at the end of each drain, for as long as its object lives."""
        self._last = [each for each in self._last if each() is not None]
        self._last.append(weakref.WeakMethod(job))

    def drain(self, timeout: float) -> bool:
        """Wait, at most ``timeout`` seconds, until what is queued now is done.

        And what those jobs queue in their turn: a request that was dropped ends on this thread.
        """
        if not self._started or self._thread == original("_thread", "get_ident")():
            return True
        done = original("_thread", "allocate_lock")()
        done.acquire()
        self._jobs.put(lambda: self._jobs.put(partial(self._end_drain, done)))
        return bool(done.acquire(timeout=timeout))

    def _end_drain(self, done: Any) -> None:
        for each in self._last:
            if (job := each()) is not None:
                self._jobs.put(job)
        self._jobs.put(done.release)

    def _running(self) -> bool:
        if self._started:
            return True
        if sys.is_finalizing():
            return False  # a thread that starts now never runs, and start() would wait for it
        if not self._starting.acquire(blocking=False):
            return True  # another thread is starting it, and the queue is there already
        try:
            if not self._started:
                # Known before it runs: who drains meanwhile must wait for it.
                self._started = True
                start_thread(self._work, "reqprof-writer")
                _drain_at_process_end(self)
        except RuntimeError:  # no thread to be had, or the interpreter is ending
            self._started = False
            return False
        finally:
            self._starting.release()
        return True

    def _work(self) -> None:
        self._thread = original("_thread", "get_ident")()
        while True:
            job = self._next()
            try:
                job()
            except BaseException:
                # A job answers for its own faults; this is the last net. Even an exit that a
                # user's filename_format asks for must not end the thread.
                logger.exception("a reqprof job failed")
            del job  # a waiting thread keeps no finished profile alive

    def _next(self) -> Job:
        """The next job, once there is one."""
        while True:
            pause = self._plan[0].due - time.monotonic() if self._plan else None
            if pause is not None and pause <= 0:
                return heapq.heappop(self._plan).job
            with suppress(Empty):
                return self._jobs.get(timeout=pause)

    def _take_up(self, planned: _Planned) -> None:
        self._plans.discard(planned)
        heapq.heappush(self._plan, planned)


class _Planned:
    """A job and when it is due."""

    def __init__(self, seconds: float, job: Job) -> None:
        self.due = time.monotonic() + seconds
        self.job = job

    def __lt__(self, other: _Planned) -> bool:
        return self.due < other.due


def _drain_at_process_end(background: Background) -> None:
    """Children that end without atexit have ways of their own."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    # billiard's processes run the finalisers of multiprocessing, and know no parent.
    is_child = process is not None and process.parent_process() is not None
    if util is not None and (is_child or "billiard" in sys.modules):
        util.Finalize(None, background.drain, args=(EXIT_SECONDS,), exitpriority=100)
    celery = sys.modules.get("celery.signals")
    if celery is not None:
        # A child of its pool runs no finaliser either: billiard ends it by os._exit.
        _drain_with_celery(background, celery.worker_process_shutdown)


def _drain_with_celery(background: Background, shutdown: Any) -> None:
    def drain(**_: object) -> None:
        background.drain(EXIT_SECONDS)

    shutdown.connect(drain, weak=False, dispatch_uid=f"reqprof-{id(background)}")


BACKGROUND = Background()
