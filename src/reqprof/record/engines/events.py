"""Python 3.12's way to record: ``sys.monitoring``, whose events are the whole process's.

What is called for an event finds what the calling thread records in. How, is the engine's; here is
when events are on, and whose tool id they go by.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reqprof.record.engines import Unavailable
from reqprof.record.engines.session import LaneSession
from reqprof.store.native import after_fork, original, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MONITORING: Any = getattr(sys, "monitoring", None)
"""Absent on 3.11, where this is only imported."""

# The others are spoken for: debugger, coverage, profiler. 5 is for optimizers, and nobody has been
# seen to use it; Datadog's tools use 3 and 4.
TOOL_IDS = (5, 4, 3)
_REST_SECONDS = 0.1
_TICK_SECONDS = 0.05
_LINGER_TICKS = 20
_C = {"CALL", "C_RETURN", "C_RAISE"}


class EventSession(LaneSession):
    """A session that needs events while it lasts."""

    events: Events  # its engine's

    def __init__(self, *, builtins: bool, clock: str) -> None:
        super().__init__(builtins=builtins, clock=clock)
        self.builtins = builtins
        self.left_at = time.monotonic()
        self.fresh = not self.events.on
        self.events.open(self)

    def inside(self) -> bool:
        """Whether a thread is in a stretch."""
        return any(lane.inside for lane in self.lanes())

    def watch(self) -> None:
        # Not for the self-test: a server that forks after it would be warned of our thread.
        self.events.start_ticker()

    def close(self) -> None:
        super().close()
        try:
            self.events.close(self)
        except Exception as error:
            self.fault = error


class Events:
    """The monitoring events of the process: on while requests are recorded, and no longer.

    Events slow every thread down, and changing them makes the interpreter rewrite code. So they
    are switched for a session's life and not for a stretch; but a request that has not run for
    ``_REST_SECONDS``, such as an idle websocket, must not keep them on.
    """

    def __init__(self, callbacks: Mapping[str, Any], forked: Callable[[], None]) -> None:
        """``callbacks`` by the names of events; ``forked`` has a child's thread record nowhere."""
        self._forked = forked
        names = MONITORING.events if MONITORING else None
        self._callbacks = {getattr(names, name): call for name, call in callbacks.items() if names}
        self._python = sum(getattr(names, name) for name in callbacks if names and name not in _C)
        self._reset()
        after_fork(self._after_fork)

    def _reset(self) -> None:
        self.on = False
        self._set = 0
        self._tool: int | None = None
        # Reentrant, as a collected coroutine may close its session in the middle of any of these:
        # each leaves things whole before the next line can be interrupted so.
        self._lock = original("_thread", "RLock")()
        self._sessions: set[EventSession] = set()
        self._ticking = False
        self._cpu = self._since = 0.0

    def cpu(self) -> float:
        """CPU seconds that all threads of the process have used while events were on."""
        with self._lock:
            return self._cpu + (time.process_time() - self._since if self._set else 0.0)

    def open(self, session: EventSession) -> None:
        """Take ``session`` into account. Raises :exc:`Unavailable` where no tool id is free."""
        with self._lock:
            self._sessions.add(session)
            if self._tool is None:
                try:
                    self._tool = self._take_tool()
                except Unavailable:
                    self._sessions.discard(session)
                    raise
            self._switch_on()

    def close(self, session: EventSession) -> None:
        """Forget ``session``; the last one switches everything off."""
        with self._lock:
            self._sessions.discard(session)
            if not self._sessions and self._tool is not None:
                self._switch_off()
                tool, self._tool = self._tool, None
                self._give_back(tool)

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
        wanted = self._python
        if any(session.builtins for session in list(self._sessions)):
            wanted |= MONITORING.events.CALL  # and with it what comes of the call
        if self._set != wanted:
            if not self._set:
                self._since = time.process_time()
            MONITORING.set_events(self._tool, wanted)
            self._set = wanted
        self.on = True

    def _switch_off(self) -> None:
        self.on = False
        if self._set:
            self._cpu += time.process_time() - self._since
            self._set = 0
        MONITORING.set_events(self._tool, 0)

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
        self._forked()
        if self._tool is not None:
            MONITORING.set_events(self._tool, 0)
            self._give_back(self._tool)
        self._reset()

    def _take_tool(self) -> int:
        for tool in TOOL_IDS:
            if MONITORING.get_tool(tool) is None:
                try:
                    MONITORING.use_tool_id(tool, "reqprof")
                except ValueError:
                    continue  # taken between the look and the use
                for event, callback in self._callbacks.items():
                    MONITORING.register_callback(tool, event, callback)
                return tool
        raise Unavailable("skipped_tools", "the sys.monitoring tool ids 3 to 5 are all in use")

    def _give_back(self, tool: int) -> None:
        for event in self._callbacks:
            MONITORING.register_callback(tool, event, None)
        MONITORING.free_tool_id(tool)


def _busy(session: EventSession) -> bool:
    return session.inside() or time.monotonic() - session.left_at < _REST_SECONDS
