"""Work that is no request: one stretch of the thread that asks, recorded and then described.

Nothing here starts a thread: what runs tests and scripts may fork, and count its threads.
"""

from __future__ import annotations

import os
import platform
import secrets
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from reqprof.model import Request
from reqprof.record.engines import choose, cprofile
from reqprof.store.index import HOST

if TYPE_CHECKING:
    from reqprof.model import Stats
    from reqprof.record.engines import Engine


class Recorded(NamedTuple):
    """What a job leaves: its table, its facts and, with the exact engine, its call tree."""

    stats: Stats
    request: Request
    tree: bytes | None


def engine(clock: str = "wall") -> Engine:
    """What records jobs by that clock; raises :exc:`Unavailable` where nothing can."""
    return choose.engine("auto", builtins=True, clock=clock)


class Job:
    """One piece of work. ``enter`` and ``leave`` are its session's, to be called once each.

    ``path`` names this piece, ``route`` all pieces of its sort. Raises :exc:`Unavailable`.
    """

    def __init__(self, engine: Engine, path: str, route: str) -> None:
        # Not engine.session(), which on Python 3.12 has a thread look after sessions that rest.
        kind = choose.exact.Session if engine.name == "exact" else cprofile.Session
        self._session = kind(builtins=engine.builtins, clock=engine.clock)
        self._engine = engine
        self._path = path
        self._route = route
        self._start = time.time()
        self._pid = os.getpid()
        self.enter = self._session.enter
        self.leave = self._session.leave

    @property
    def is_here(self) -> bool:
        """Whether this process is the one that began it, and not forked off meanwhile."""
        return os.getpid() == self._pid

    def close(self) -> None:
        """It has ended, whether or not it is to be described."""
        self._session.close()

    def describe(self, error: BaseException | None = None) -> Recorded:
        """What was recorded of the closed job, which ``error`` has ended; raises what went wrong.

        It can be asked for once.
        """
        session = self._session
        if session.fault is not None:
            raise session.fault
        stats, tree = session.finish(), session.calltree()
        request = Request(
            id=secrets.token_hex(6),
            kind="job",
            path=self._path,
            route=self._route,
            exception=None if error is None else type(error).__name__,
            start=self._start,
            duration=session.ran(),
            total=session.ran(),
            cpu=session.cpu(),
            cost=session.cost(stats),
            calls=session.calls(stats),
            beyond=session.beyond(),
            pid=self._pid,
            host=HOST,
            thread=threading.current_thread().name,
            python=platform.python_version(),
            engine=self._engine.name,
            builtins=self._engine.builtins,
            clock=self._engine.clock,
            interrupted=session.interrupted(),
        )
        session.drop()
        return Recorded(stats, request, tree)
