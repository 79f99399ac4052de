"""A request that is timed and not profiled, which costs it next to nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.record.steps import ENDED

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from reqprof.record.choice.arrival import Arrival
    from reqprof.record.watch.sight import Sight


class Known(NamedTuple):
    """What a request was. ``template`` is its route, where a framework named it."""

    kind: str
    method: str
    path: str
    template: str | None


class Ended(NamedTuple):
    """What is known of a request at its end. ``began`` and the two after it are by perf_counter.

    ``tell(*given)`` says what it was: on another thread, as it takes its time. ``given`` keeps
    nothing of the request alive.
    """

    began: float
    last: float  # when the last byte was sent
    ended: float
    status: object
    exception: str | None
    tell: Callable[..., Known]
    given: tuple[Any, ...]

    def known(self) -> Known:
        """What it was."""
        return self.tell(*self.given)


class Timed:
    """What a door tells of a request that is not profiled; each door has its own kind of it.

    ``waiting`` takes what is known at the end. It is this process's: a child that is forked off
    meanwhile, and is not the request, has another one.
    """

    __slots__ = ("_last", "began", "exception", "sight", "status", "waiting")

    waiting: deque[Any] | None  # None once it has ended
    began: float  # by perf_counter
    _last: float
    exception: str | None
    sight: Sight | None  # where the watch is on
    status: object

    session = ENDED

    tell: Callable[..., Known]

    def given(self) -> tuple[Any, ...]:
        """What :attr:`tell` needs to say what the request was, or is as yet."""
        raise NotImplementedError

    def arrival(self) -> Arrival:
        """What is known of it since it came."""
        raise NotImplementedError

    def so_far(self) -> Ended:
        """What is known of it while it runs on. From any thread."""
        now = time.perf_counter()
        return Ended(self.began, now, now, self.status, self.exception, self.tell, self.given())

    def last_byte(self) -> None:
        """The response ends now."""
        self._last = time.perf_counter()

    def end(self, error: BaseException | None = None) -> None:
        """The app is done with the request. Only the first call counts; nothing is raised."""
        waiting = self.waiting
        if waiting is None:
            return
        self.waiting = None
        ended = time.perf_counter()
        raised = self.exception if error is None else type(error).__name__
        # A plain tuple is made in half the time of a named one.
        try:
            given = self.given()
        except Exception:  # what the server or the app has made of its environment
            return
        known = (self.began, self._last or ended, ended, self.status, raised, self.tell, given)
        if self.sight is None or not self.sight.end(known, error):
            waiting.append(known)

    abandon = end


def status_code(status: object) -> int | None:
    """The status as a number, which WSGI's doors give as a text such as ``200 OK``."""
    try:
        code = int(status[:3] if isinstance(status, str) else status)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None
    return code if 0 < code < 1000 else None
