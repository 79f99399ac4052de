"""cProfile on Python 3.12 and later: its callbacks, called for each thread's own profiler.

``Profiler.enable()`` there is for the whole process: a second one raises, and the first records
every thread. So it is never called. reqprof takes a ``sys.monitoring`` tool id of its own, and what
it registers for an event is an object that, when called, finds in C the callback of the profiler
that the calling thread serves, or one that does nothing.

The callbacks are private to CPython; the engine's self-test proves them at start.
"""

from __future__ import annotations

import operator
import threading
import time
from typing import TYPE_CHECKING, Any

from reqprof.record.engines import Unavailable
from reqprof.record.engines.events import Events, EventSession
from reqprof.record.engines.lsprof import CprofileSession, Lane
from reqprof.record.engines.session import call_aside

if TYPE_CHECKING:
    from collections.abc import Callable

    Callback = Callable[..., object]

_ignore: Callback = "".format  # in C, takes anything, changes nothing


class _PerThread(threading.local):
    """Called for an event: calls this thread's own ``callback``. No Python frame is made."""

    callback: Callback = _ignore
    __call__ = property(operator.attrgetter("callback"))


_start, _throw, _return, _call, _c_return = (_PerThread() for _ in range(5))


def _clear() -> None:
    """This thread is recorded no more."""
    for slot in (_start, _throw, _return, _call, _c_return):
        slot.callback = _ignore


class _EventLane(Lane):
    """A lane with its profiler's callbacks, bound once."""

    __slots__ = ("c_return", "call", "return_", "start", "throw")

    def __init__(self, session: MonitoringSession, *timer: Any) -> None:
        super().__init__(session, *timer)
        profiler: Any = self
        start = self.start = profiler._pystart_callback
        # Before 3.14 a throw into a generator has no callback of its own: it is a start, with one
        # argument more.
        self.throw = getattr(profiler, "_pythrow_callback", None) or (lambda c, o, _: start(c, o))
        self.return_ = profiler._pyreturn_callback
        self.call = profiler._ccall_callback if session.builtins else _ignore
        self.c_return = profiler._creturn_callback if session.builtins else _ignore

    def unbind(self) -> None:
        """Break the cycles that the bound callbacks are."""
        self.start = self.throw = self.return_ = self.call = self.c_return = _ignore


def active() -> MonitoringSession | None:
    """The session that records this thread at this moment."""
    start = _start.callback
    if start is _ignore or start.__self__.session.ended:  # type: ignore[attr-defined]
        return None
    return start.__self__.session  # type: ignore[attr-defined, no-any-return]


class MonitoringSession(EventSession, CprofileSession):
    """Records one request by events; switching from one session to another is a few stores."""

    def __init__(self, *, builtins: bool, clock: str) -> None:
        if active() is not None:
            raise Unavailable("skipped_nested", "the thread was already recording a request")
        super().__init__(builtins=builtins, clock=clock)

    def new_lane(self) -> _EventLane:
        return _EventLane(self, *self._timer)

    def enter(self) -> _EventLane | None:
        try:
            start = _start.callback
            # A session that has ended meanwhile does not count: this one takes its place.
            if start is not _ignore and not start.__self__.session.ended:  # type: ignore[attr-defined]
                other = start.__self__  # type: ignore[attr-defined]
                if other.session is not self:
                    self.meet(other)
                return None
            # First inside, then the look at the events: see Events.rest.
            lane: _EventLane | None = self.lane()
            if lane is None:
                return None
            if not self.events.on:
                self.events.wake()
            _throw.callback = lane.throw
            _return.callback = lane.return_
            _call.callback = lane.call
            _c_return.callback = lane.c_return
            _start.callback = lane.start
        except Exception as error:
            self.fault = error
            return None
        return lane

    def leave(self, lane: _EventLane | None, frames: int = 1) -> float:
        if lane is None:
            return 0.0
        # In line: a call from here would be recorded, and so stay open.
        _start.callback = _ignore
        _call.callback = _ignore
        _c_return.callback = _ignore
        _throw.callback = _ignore
        _return.callback = _ignore
        try:
            # This very frame, and our own below it, were recorded as started, and nobody will
            # report their return.
            for _ in range(frames):
                lane.return_(_LEAVE, 0, None)
            self.left_at = time.monotonic()
            cpu = self.left(lane)
            if self.ended:
                lane.unbind()
        except Exception as error:
            self.fault = error
            return 0.0
        return cpu

    def show(self, lane: _EventLane | None) -> None:
        if lane is None:
            _clear()
            return
        _throw.callback = lane.throw
        _return.callback = lane.return_
        _call.callback = lane.call
        _c_return.callback = lane.c_return
        _start.callback = lane.start

    def aside(self, call: Callable[[], object]) -> None:
        lane = _start.callback.__self__  # type: ignore[attr-defined]
        _start.callback = _ignore
        _call.callback = _ignore
        _c_return.callback = _ignore
        _throw.callback = _ignore
        _return.callback = _ignore
        try:
            call_aside(lane, call)
        finally:
            _throw.callback = lane.throw
            _return.callback = lane.return_
            _call.callback = lane.call
            _c_return.callback = lane.c_return
            _start.callback = lane.start

    def drop(self) -> None:
        lanes = self.lanes()
        super().drop()
        for lane in lanes:
            if not lane.inside:
                lane.unbind()


_LEAVE = MonitoringSession.leave.__code__


MonitoringSession.events = Events(
    {
        "PY_START": _start,
        "PY_RESUME": _start,
        "PY_THROW": _throw,
        "PY_RETURN": _return,
        "PY_YIELD": _return,
        "PY_UNWIND": _return,
        "CALL": _call,
        "C_RETURN": _c_return,
        "C_RAISE": _c_return,
    },
    _clear,
)
