"""Who else held a request's event loop while the request waited."""

from __future__ import annotations

import time
from _thread import get_ident

from reqprof.store.native import after_fork

WORST = 5
"""How many others are told by name."""


class Company:
    """One async request among those that are recorded on its event loop's thread.

    Made, and left, on that thread; times are seconds.
    """

    def __init__(self, id: str) -> None:  # noqa: A002
        self._id = id
        self._thread = get_ident()
        self._loop = _loops.setdefault(self._thread, _Loop())
        self._loop_ran, self._loop_cpu = self._loop.ran, self._loop.cpu
        self._cpu_began = time.thread_time()
        self._ran = 0.0
        self._held_by: dict[str, float] = {}
        self._met = {other: other._ran for other in list(self._loop.present)}
        for other in self._met:
            other._met[self] = 0.0
        self._loop.present.add(self)

    def step(self, ran: float, cpu: float) -> None:
        """A task of the request held the loop for so long."""
        self._ran += ran
        self._loop.ran += ran
        self._loop.cpu += cpu

    def leave(self) -> tuple[float, dict[str, float]]:
        """At most how long others held the loop, and the worst of those that were recorded.

        Of what was recorded all the time counts, of everything else on the thread its CPU time.
        """
        loop = self._loop
        loop.present.discard(self)
        for other, since in list(self._met.items()):
            self._blame(other._id, other._ran - since)
            if (mine := other._met.pop(self, None)) is not None:
                other._blame(self._id, self._ran - mine)
        self._met = {}
        held = max(0.0, loop.ran - self._loop_ran - self._ran)
        if get_ident() == self._thread:
            cpu = time.thread_time() - self._cpu_began
            held += max(0.0, cpu - (loop.cpu - self._loop_cpu))
        return held, self._held_by

    def _blame(self, other: str, seconds: float) -> None:
        if seconds > 0:
            self._held_by[other] = seconds
            if len(self._held_by) > WORST:
                del self._held_by[min(self._held_by, key=self._held_by.__getitem__)]


class _Loop:
    """What all recorded requests together have taken of one thread."""

    def __init__(self) -> None:
        self.ran = self.cpu = 0.0
        self.present: set[Company] = set()


_loops: dict[int, _Loop] = {}
after_fork(_loops.clear)
