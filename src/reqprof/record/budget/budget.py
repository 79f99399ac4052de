"""The share of the process's CPU that profiling may take, held by profiling fewer requests."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE: Final = 60.0

# What was seen counts less with each profile since and, unless profiles are rare, as time goes by:
# after so many of them, and so many seconds, 1 / e of it is left. Never less after the shortest.
_PROFILES = 20.0
_SECONDS = 30.0
_SHORTEST_SECONDS = 4.0
_RARE = 12.0
_GUESSED = 3.0  # profiles that the first guess counts for


class Used(NamedTuple):
    """Since the process began, in CPU seconds: all of it, and what profiling cost, by estimate."""

    process: float
    cost: float
    profiles: int


class Budget:
    """Sets ``factor``, above 0 and at most 1, by which the rate of sampling is lowered.

    ``share`` is what profiling may take of the process's CPU. ``meter`` tells what was used so far.
    ``guess`` is what profiling costs with a factor of 1, for each CPU second of the app's own work,
    as far as is known before anything was seen: a first second without a limit would cost more than
    a minute may.

    That cost is proportional to the factor, so their ratio is all that has to be known: it is taken
    from what was seen of late, and the factor follows from it. Where the load changes, the share is
    right again after about a minute, or some 20 profiles where they come more slowly.
    """

    def __init__(
        self,
        share: float,
        meter: Callable[[], Used],
        guess: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Of the process's CPU the cost is a part itself; of the app's own it is so many times.
        self._wanted = share / (1.0 - share) if share < 1.0 else math.inf
        self._meter = meter
        self._guess = guess
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Know nothing yet: so it is in a forked child."""
        self._minute: deque[tuple[float, Used]] = deque()
        self.factor = self._fitting(self._guess)
        self._profiles = self._cost = self._app = 0.0  # the last one in seconds times the factor

    def turn(self) -> None:
        """Take note of what was used since the last turn, and set the factor anew."""
        used, moment = self._meter(), self._clock()
        self._minute.append((moment, used))
        if len(self._minute) == 1:
            return  # nothing to compare with
        last, before = self._minute[-2]
        seconds = moment - last
        while moment - self._minute[1][0] >= MINUTE:
            self._minute.popleft()
        cost = used.cost - before.cost
        app = max(0.0, used.process - before.process - cost)
        if not self._app:
            self._profiles = _GUESSED
            self._app = _GUESSED * app * self.factor
            self._cost = self._app * self._guess
        kept = _kept(seconds, used.profiles - before.profiles, self._profiles)
        self._profiles = self._profiles * kept + used.profiles - before.profiles
        self._cost = max(0.0, self._cost * kept + cost)
        self._app = self._app * kept + app * self.factor
        if self._app:
            self.factor = self._fitting(self._cost / self._app)

    @property
    def spent(self) -> float | None:
        """The share that profiling took in the last minute; None before one is over."""
        if not self._minute:
            return None
        (began, first), (moment, last) = self._minute[0], self._minute[-1]
        process = last.process - first.process
        if moment - began < MINUTE or not process:
            return None
        return min(1.0, max(0.0, (last.cost - first.cost) / process))

    def _fitting(self, cost: float) -> float:
        """The factor for what profiling costs with a factor of 1."""
        return 1.0 if cost <= self._wanted else self._wanted / cost


def _kept(seconds: float, profiles: int, known: float) -> float:
    """The part of what was seen before that still counts."""
    kept = math.exp(-profiles / _PROFILES)
    if known > _RARE:
        kept = min(kept, math.exp(-seconds / _SECONDS))
    return max(kept, math.exp(-seconds / _SHORTEST_SECONDS))
