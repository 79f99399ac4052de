"""What profiling costs the process: measured where it can be, and estimated where it cannot.

What tracing adds to a request cannot be read off the request itself. So beside the requests that
are profiled, others are only measured, chosen by the same rules: the two, compared route by route,
tell how much slower a traced request is, with all that cold caches and rewritten code do to it.
What it does to other threads follows from that.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from reqprof.record import route
from reqprof.record.budget.budget import Used
from reqprof.record.budget.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.engines import Engine
    from reqprof.record.recording import Recording

WHOLE: Final = 2.0
"""A first guess of what a profile costs, its stats and file included, in untraced requests."""

# What can be measured of reqprof's own work before a request and after it leaves out the door's,
# and what waking the background thread costs: about so much of it all is seen.
_SEEN_AROUND = 0.5

# What the thread that writes makes the others pay, in parts of its own CPU time, where they never
# rest: between a fifth and a half was seen, with one thread and with eight.
_BESIDE_WRITING = 0.3

_MOST_WAITING = 100_000
_SHORT = 1e-6  # seconds, less than between any two looks


class Effect(NamedTuple):
    """What tracing does, in parts of the CPU time that the same work takes untraced.

    ``slower`` is added to the request itself: a guess, until requests have been compared. ``after``
    is added to what runs next, with cold caches and code that the interpreter rewrites for it, and
    ``beside`` to what other threads do meanwhile.
    """

    slower: float
    after: float
    beside: float


# Of a small page of Flask, as far as they can be told apart.
_BY_EVENTS = {
    ("exact", True): Effect(0.5, 0.25, 0.5),
    ("exact", False): Effect(0.27, 0.25, 0.2),
    ("cprofile", True): Effect(2.0, 0.25, 2.3),
    ("cprofile", False): Effect(0.85, 0.25, 1.0),
}
_BY_HOOK = {
    ("exact", True): Effect(0.7, 0.15, 0.0),
    ("exact", False): Effect(0.6, 0.15, 0.0),
    ("cprofile", True): Effect(0.9, 0.15, 0.0),
    ("cprofile", False): Effect(0.75, 0.15, 0.0),
}


def effect(engine: Engine) -> Effect:
    """Of that engine, on this Python."""
    known = _BY_EVENTS if sys.version_info >= (3, 12) else _BY_HOOK
    return known[engine.name, engine.builtins]


class _Ended(NamedTuple):
    template: str | None
    path: str
    cpu: float
    around: float
    traced: bool


class _Clocks(NamedTuple):
    """Seconds: of CPU, of the process and of what its background thread did not tally; of time."""

    process: float
    background: float
    now: float


class Expense:
    """Of one middleware. Requests report from any thread; all else is for the background thread.

    ``process`` and ``thread`` are its clocks of CPU seconds, that of the thread being the
    background thread's, and ``now`` that on the wall.
    """

    def __init__(
        self,
        process: Callable[[], float] = time.process_time,
        thread: Callable[[], float] = time.thread_time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process, self._thread, self._now = process, thread, now
        self.reset()

    def reset(self) -> None:
        """In a forked child: what the parent used is not its own."""
        self._ended: deque[_Ended] = deque(maxlen=_MOST_WAITING)
        self._comparison = Comparison()
        self._timing = self._cost = self._beside = 0.0
        self._looked: _Clocks | None = None
        self._profiles = 0

    def ended(self, recording: Recording, cpu: float, *, traced: bool) -> None:
        """A request that was profiled, or only measured, has used so many CPU seconds."""
        template, path = recording.template, recording.request.path or ""
        self._ended.append(_Ended(template, path, cpu, recording.around, traced))

    def timed(self, seconds: float) -> None:
        """So much of this thread's CPU time was for tallies of all requests, and not profiling."""
        self._timing += seconds

    def used(self, engine: Engine | None) -> Used:
        """All so far; ``engine`` is what has recorded."""
        looked = _Clocks(self._process(), self._thread() - self._timing, self._now())
        if self._looked is not None:
            self._cost += _written(self._looked, looked)
        self._looked = looked
        if engine is not None:
            self._cost += self._requests(engine)
        return Used(looked.process, self._cost, self._profiles)

    def _requests(self, engine: Engine) -> float:
        """What those that have ended since the last time have cost, and made others pay."""
        guess = effect(engine)
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        for one in ended:
            name = route.guess(one.path) if one.template is None else one.template
            self._comparison.add(name, one.cpu, traced=one.traced)
        slower = self._comparison.slower(guess.slower)
        profiles = [one.cpu for one in ended if one.traced]
        self._profiles += len(profiles)
        untraced = sum(profiles) / (1.0 + slower)
        cpu = engine.disturbed()
        # Requests that have not ended yet are among the others until they have: then they are not.
        others = cpu - self._beside - sum(profiles)
        self._beside = cpu
        # Where calls are denser than on that page, others feel it too. Where they seem to be less
        # dense, it may be that others have paid for rewriting the code.
        beside = guess.beside * max(1.0, slower / guess.slower)
        return (
            untraced * (slower + guess.after)
            + others * beside / (1.0 + beside)
            + sum(one.around for one in ended) / _SEEN_AROUND
        )


def _written(first: _Clocks, last: _Clocks) -> float:
    """What the background thread has cost meanwhile, and made the others pay."""
    seconds = last.background - first.background
    others = last.process - first.process - seconds
    busy = min(1.0, max(0.0, others) / max(last.now - first.now, _SHORT))
    return seconds * (1.0 + _BESIDE_WRITING * busy)
