"""A request that is timed and not profiled, which costs it next to nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from reqprof.record.steps import ENDED

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    Template = str | Callable[[], str | None] | None


class Ended(NamedTuple):
    """What is known of a request at its end. ``began`` and the two after it are by perf_counter."""

    began: float
    last: float  # when the last byte was sent
    ended: float
    status: object
    exception: str | None
    kind: str
    method: str
    path: str
    template: Template  # or what finds it later, and keeps nothing of the request alive


class Timed:
    """What a door tells of a request that is not profiled; each door has its own kind of it.

    ``_waiting`` takes what is known at the end. It is this process's: a child that is forked off
    meanwhile, and is not the request, has another one.
    """

    __slots__ = ("_began", "_last", "_waiting", "exception", "status")

    _waiting: deque[Any] | None
    _began: float
    _last: float
    exception: str | None
    status: object

    session = ENDED

    def known(self) -> tuple[str, str, str, Template]:
        """Kind, method, path and route."""
        raise NotImplementedError

    def last_byte(self) -> None:
        """The response ends now."""
        self._last = time.perf_counter()

    def end(self, error: BaseException | None = None) -> None:
        """The app is done with the request. Only the first call counts; nothing is raised."""
        waiting = self._waiting
        if waiting is None:
            return
        self._waiting = None
        ended = time.perf_counter()
        raised = self.exception if error is None else type(error).__name__
        # A plain tuple is made in half the time of a named one.
        waiting.append(
            (self._began, self._last or ended, ended, self.status, raised, *self.known())
        )

    abandon = end
