"""cProfile on Python 3.12 and later: its callbacks, called for each thread's own profiler.

``Profiler.enable()`` there is for the whole process: a second one raises, and the first records
every thread. So it is never called. reqprof takes a ``sys.monitoring`` tool id of its own, and what
it registers for an event is an object that, when called, finds in C the callback of the profiler
that the calling thread serves, or one that does nothing.

The callbacks are private to CPython; the engine's self-test proves them at start.
"""

from __future__ import annotations

import operator
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reqprof.record.engines import Unavailable
from reqprof.record.engines.lsprof import CprofileSession, Lane
from reqprof.store.native import original, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    Callback = Callable[..., object]

_monitoring: Any = getattr(sys, "monitoring", None)  # absent on 3.11, where this is only imported
# The others are spoken for: debugger, coverage, profiler. 5 is for optimizers, and nobody has been
# seen to use it; Datadog's tools use 3 and 4.
TOOL_IDS = (5, 4, 3)
_REST_SECONDS = 0.1
_TICK_SECONDS = 0.05
_LINGER_TICKS = 20

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


class MonitoringSession(CprofileSession):
    """Records one request by events; switching from one session to another is a few stores."""

    def __init__(self, *, builtins: bool, clock: str) -> None:
        if active() is not None:
            raise Unavailable("skipped_nested", "the thread was already recording a request")
        super().__init__(builtins=builtins, clock=clock)
        self.builtins = builtins
        self.left_at = time.monotonic()
        _events.open(self)

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
            # First inside, then the look at the events: see _Events.rest.
            lane: _EventLane | None = self.lane()
            if lane is None:
                return None
            if not _events.on:
                _events.wake()
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

    def inside(self) -> bool:
        """Whether a thread is in a stretch."""
        return any(lane.inside for lane in self.lanes())

    def watch(self) -> None:
        # Not for the self-test: a server that forks after it would be warned of our thread.
        _events.start_ticker()

    def close(self) -> None:
        super().close()
        try:
            _events.close(self)
        except Exception as error:
            self.fault = error

    def drop(self) -> None:
        lanes = self.lanes()
        super().drop()
        for lane in lanes:
            if not lane.inside:
                lane.unbind()


_LEAVE = MonitoringSession.leave.__code__


class _Events:
    """The monitoring events of the process: on while requests are recorded, and no longer.

    Events slow every thread down, and changing them makes the interpreter rewrite code. So they
    are switched for a session's life and not for a stretch; but a request that has not run for
    ``_REST_SECONDS``, such as an idle websocket, must not keep them on.
    """

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._after_fork)

    def _reset(self) -> None:
        self.on = False
        self._set = 0
        self._tool: int | None = None
        # Reentrant, as a collected coroutine may close its session in the middle of any of these:
        # each leaves things whole before the next line can be interrupted so.
        self._lock = original("_thread", "RLock")()
        self._sessions: set[MonitoringSession] = set()
        self._ticking = False

    def open(self, session: MonitoringSession) -> None:
        """Take ``session`` into account. Raises :exc:`Unavailable` where no tool id is free."""
        with self._lock:
            self._sessions.add(session)
            if self._tool is None:
                try:
                    self._tool = _take_tool()
                except Unavailable:
                    self._sessions.discard(session)
                    raise
            self._switch_on()

    def close(self, session: MonitoringSession) -> None:
        """Forget ``session``; the last one switches everything off."""
        with self._lock:
            self._sessions.discard(session)
            if not self._sessions and self._tool is not None:
                self._switch_off()
                tool, self._tool = self._tool, None
                _give_back(tool)

    def wake(self) -> None:
        """A session that rested goes on."""
        with self._lock:
            if self._tool is not None:
                self._switch_on()

    def rest(self) -> None:
        """Switch off where no session has run for a while."""
        with self._lock:
            sessions = list(self._sessions)
            if not self.on or any(_busy(session) for session in sessions):
                return
            # A session may be entering at this moment, without the lock. It first says that it is
            # inside and then looks whether events are on; this does the reverse; so at least one
            # of the two sees the other.
            self.on = False
            if any(session.inside() for session in sessions):
                self.on = True
            elif self._tool is not None:
                self._switch_off()

    def _switch_on(self) -> None:
        wanted = _PYTHON_EVENTS
        if any(session.builtins for session in list(self._sessions)):
            wanted |= _C_EVENTS
        if self._set != wanted:
            _monitoring.set_events(self._tool, wanted)
            self._set = wanted
        self.on = True

    def _switch_off(self) -> None:
        self.on = False
        self._set = 0
        _monitoring.set_events(self._tool, 0)

    def start_ticker(self) -> None:
        """See to it that sessions which rest are noticed."""
        with self._lock:
            if not self._ticking:
                # Where no thread is to be had, events stay on while a session rests.
                with suppress(RuntimeError):
                    start_thread(self._tick, "reqprof-events")
                    self._ticking = True

    def _tick(self) -> None:
        sleep = original("time", "sleep")
        idle = 0
        while idle < _LINGER_TICKS:
            sleep(_TICK_SECONDS)
            self.rest()
            with self._lock:
                idle = 0 if self._sessions else idle + 1
                if idle == _LINGER_TICKS:
                    self._ticking = False

    def _after_fork(self) -> None:
        # The sessions are the parent's, all but the one whose thread forked; the child is not the
        # request that was being recorded, so that one ends here too.
        _clear()
        if self._tool is not None:
            _monitoring.set_events(self._tool, 0)
            _give_back(self._tool)
        self._reset()


def _busy(session: MonitoringSession) -> bool:
    return session.inside() or time.monotonic() - session.left_at < _REST_SECONDS


def _take_tool() -> int:
    for tool in TOOL_IDS:
        if _monitoring.get_tool(tool) is None:
            try:
                _monitoring.use_tool_id(tool, "reqprof")
            except ValueError:
                continue  # taken between the look and the use
            for event, callback in _CALLBACKS:
                _monitoring.register_callback(tool, event, callback)
            return tool
    raise Unavailable("skipped_tools", "the sys.monitoring tool ids 3 to 5 are all in use")


def _give_back(tool: int) -> None:
    for event, _ in _CALLBACKS:
        _monitoring.register_callback(tool, event, None)
    _monitoring.free_tool_id(tool)


def _callbacks() -> list[tuple[int, _PerThread]]:
    events = _monitoring.events
    return [
        (events.PY_START, _start),
        (events.PY_RESUME, _start),
        (events.PY_THROW, _throw),
        (events.PY_RETURN, _return),
        (events.PY_YIELD, _return),
        (events.PY_UNWIND, _return),
        (events.CALL, _call),
        (events.C_RETURN, _c_return),
        (events.C_RAISE, _c_return),
    ]


_CALLBACKS = _callbacks() if _monitoring else []
_C_EVENTS = _monitoring.events.CALL if _monitoring else 0
_PYTHON_EVENTS = 0
for _event, _slot in _CALLBACKS:
    if _slot not in (_call, _c_return):
        _PYTHON_EVENTS |= _event
_events = _Events()
