"""Which profiles are kept, decided from the facts alone, before the stats are made."""

from __future__ import annotations

from heapq import heappush, heappushpop
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from reqprof.durations import as_seconds
from reqprof.record.choice.dice import throw
from reqprof.record.choice.rules import check_callable

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Request

MAX_ROUTES = 1000
"""Routes of one window with a ranking each; further ones share one."""

_OTHER = ""  # no route is called so
_WINDOWS = 2  # requests that ended just before the hour are decided just after it


class Verdict(NamedTuple):
    """Why a profile is kept, one of :data:`reqprof.model.KEPT`, and its weight."""

    kept: str
    weight: float


class File(NamedTuple):
    """A profile on disk: its name in the folder, and the id of its request."""

    name: str
    id: str


class Keeping:
    """The rules after the request; a profile is kept if any of them says yes.

    ``slower_than`` is seconds or a duration as text, ``worst_per_route`` the number of slowest
    requests of each route and window, ``worst_window`` a window's length, ``baseline`` the share
    that is kept whatever it is, and ``keep`` a callable that gets the facts. Without any of these
    everything is kept. ``keep_errors`` is no rule of its own: it keeps what the others would not.

    Raises TypeError or ValueError, naming the argument. ``fault`` is called with what ``keep``
    raises; the other rules then decide alone. For one thread at a time.
    """

    def __init__(
        self,
        *,
        slower_than: float | str | None = None,
        keep_errors: bool = True,
        worst_per_route: int | None = None,
        worst_window: float | str = 3600.0,
        baseline: float = 0.0,
        keep: Callable[[Request], object] | None = None,
        fault: Callable[[BaseException], None] = lambda error: None,
        chance: Callable[[], float] = throw,
    ) -> None:
        self._limit = None if slower_than is None else as_seconds("slower_than", slower_than)
        self._errors = keep_errors
        self._worst = _worst(worst_per_route, as_seconds("worst_window", worst_window))
        self._baseline = _share(baseline)
        self._keep = None if keep is None else check_callable("keep", keep)
        self._fault = fault
        self._chance = chance
        rules = (self._limit, self._worst, self._keep)
        self._rules = any(rule is not None for rule in rules)  # beside the uniform share
        self._all = not (self._rules or self._baseline)

    def verdict(self, request: Request) -> Verdict | None:
        """Why it is kept, or None where it is not. ``request`` has the facts of its end.

        The weight of the uniform share is raised by what it stands for. What another rule has
        chosen, and what was asked for by a trigger, stands for itself alone. A watched request is
        of no uniform share: it took long.
        """
        if request.chosen == "watch":
            reason = self._reason(request) if self._rules else "watch"
            reason = reason or ("watch" if request.partial else None)  # it may be all that is left
            return None if reason is None else Verdict(reason, 1.0)
        if request.chosen != "sample":
            return Verdict(request.chosen, 1.0)
        if self._all:
            return Verdict("all", request.weight)
        # First, and whatever the others would say: a share without the slow ones is no fair one.
        if self._baseline and self._chance() < self._baseline:
            return Verdict("baseline", request.weight / self._baseline)
        reason = self._reason(request)
        return None if reason is None else Verdict(reason, 1.0)

    def stored(self, request: Request, kept: str, file: File) -> File | None:
        """Take note of a profile on disk; the file that it has pushed out, to be deleted.

        That is always one that nothing but its rank had kept.
        """
        if self._worst is None:
            return None
        return self._worst.put(request, file if kept == "worst" else None)

    def renew(self) -> None:
        """Forget the files so far: in a forked child they are the parent's."""
        if self._worst is not None:
            self._worst.renew()

    def _reason(self, request: Request) -> str | None:
        if self._errors and is_error(request):
            return "error"
        # One that runs on is as slow as anybody knows.
        if self._limit is not None and (request.partial or request.duration > self._limit):
            return "slow"
        if self._keep is not None and self._wanted(request):
            return "keep"
        # Last, since what a rank alone has kept can be pushed out again.
        return "worst" if self._worst is not None and self._worst.takes(request) else None

    def _wanted(self, request: Request) -> bool:
        assert self._keep is not None
        try:
            return bool(self._keep(request))
        except BaseException as error:  # it may even try to exit
            self._fault(error)
            return False


class Worst:
    """The slowest ``most`` requests of each route, by the window of the clock they ended in.

    Windows are ``seconds`` long and begin at multiples of that since 1970, so that all processes
    have the same. Each process ranks its own requests: what is among the slowest of all is among
    the slowest of its process.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._numbers = count()  # of equal durations the first comes first
        self._windows: dict[int, dict[str, list[tuple[float, int, File | None]]]] = {}

    def takes(self, request: Request) -> bool:
        """Whether the request is among the slowest so far."""
        ranking = self._ranking(request)
        return len(ranking) < self._most or request.duration > ranking[0][0]

    def put(self, request: Request, file: File | None) -> File | None:
        """Rank a request whose profile is on disk; the file of one that no longer is among them.

        ``file`` is None for a profile that stays whatever comes.
        """
        ranking = self._ranking(request)
        ranked = (request.duration, -next(self._numbers), file)
        if len(ranking) < self._most:
            heappush(ranking, ranked)
            return None
        return heappushpop(ranking, ranked)[2]

    def renew(self) -> None:
        """Begin anew."""
        self._windows = {}

    def _ranking(self, request: Request) -> list[tuple[float, int, File | None]]:
        window = int((request.start + request.total) // self._seconds)
        routes = self._windows.setdefault(window, {})
        if len(self._windows) > _WINDOWS:
            del self._windows[next(iter(self._windows))]  # by age here: a clock may be put back
        name = _route(request)
        if name not in routes and len(routes) >= MAX_ROUTES:
            name = _OTHER
        return routes.setdefault(name, [])


def is_error(request: Request) -> bool:
    """Whether the app failed: it raised, or answered with a status from 500."""
    return request.exception is not None or (request.status or 0) >= 500


def _route(request: Request) -> str:
    # What scanners try is no route, and each of their paths would be one.
    if request.route is None or (request.guessed and request.status == 404):
        return _OTHER
    return request.route


def _worst(most: int | None, seconds: float) -> Worst | None:
    if most is None:
        return None
    if type(most) is not int or most < 1:
        raise ValueError(f"worst_per_route is a whole number from 1, or None; got {most!r}")
    return Worst(most, seconds)


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"baseline is a share from 0 to 1; got {value!r}")
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"baseline must be from 0 to 1; got {value!r}")
    return float(value)
