"""What every kind of session shares: a lane, which is a recorder in C, for each of its threads."""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reqprof
from reqprof.record.engines import greenlets
from reqprof.record.engines.clock import cpu_now, now, unseen
from reqprof.record.engines.cost import FIRST, PYTHON, C, Cost, costs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from reqprof.model import Stats
    from reqprof.record.engines.cost import Costs
    from reqprof.record.notes import Frames

CLOCKS = ("wall", "cpu")

_thread = unseen(get_ident)
_modules = sys.modules

HOME = str(Path(reqprof.__file__).parent) + "/"
"""How the names of reqprof's own files begin, whose functions no profile shows."""


open_sessions: set[int] = set()
"""The ids of all sessions that have not ended: as long as there are none, nobody need be asked."""

LANE = (
    "adopted",  # how it hangs together with others: that of a greenlet started inside the request
    "cpu",  # seconds
    "cpu_began",
    "greenlets",  # switches of greenlets are followed meanwhile
    "inside",  # its thread is in a stretch
    "name",  # its thread's, at first
    "kept",  # what it held when the session ended during a stretch
    "out",  # its greenlet is switched out
    "ran",  # seconds
    "ran_began",
    "session",
    "taken",  # somebody came between it and its thread
    "thread",  # which one is inside
)
"""What a lane, one thread's share of a session, has beside the recorder in C that it is."""


def call_aside(lane: Any, call: Callable[[], object]) -> None:
    """Call it while nothing is recorded; it may well switch greenlets, as locks do under gevent."""
    if not lane.greenlets:
        call()
        return
    whole = greenlets.leave()
    try:
        call()
    finally:
        if not (greenlets.enter(lane) and whole):
            lane.session.cut_short()


def begin_lane(lane: Any, session: LaneSession) -> None:
    """The attributes of a new lane."""
    lane.session = session
    lane.taken = lane.inside = lane.out = lane.greenlets = False
    lane.thread, lane.name = 0, threading.current_thread().name
    lane.adopted = lane.kept = None
    lane.ran = lane.cpu = lane.ran_began = lane.cpu_began = 0.0


class LaneSession:
    """One request's lanes, by thread or greenlet, and the clocks around their use.

    Engines fill in how a lane is made, begins and ends, and what it held in the end.
    """

    owner: Any = None  # whom the session records for; the recorder sets it
    fresh = True  # nobody has been recorded just before it began

    def __init__(self, *, builtins: bool, clock: str) -> None:
        self.fault: Exception | None = None
        self._cut = False
        self.ended: bool = False
        self._builtins = builtins
        self._clock = clock
        self._lanes: dict[int, Any] = {}
        self.adopted: list[Any] = []
        self.idle: list[Any] = []  # of adopted greenlets that have ended
        open_sessions.add(id(self))

    def enter(self) -> Any:
        raise NotImplementedError

    def leave(self, lane: Any, frames: int = 1) -> float:
        raise NotImplementedError

    def lane(self) -> Any:
        """This thread's lane, about to be entered; None where the session has ended."""
        if self.ended:
            return None
        thread = who = _thread()
        switches = "greenlet" in _modules and greenlets.present()
        if switches:
            who = greenlets.here()
        lane = self._lanes.get(who)
        if lane is None:
            lane = self._lanes[who] = self.new_lane()
        # First inside, then another look: close() does the reverse, so one of the two sees the
        # other, whichever thread they run in.
        lane.thread = thread
        lane.inside = True
        if self.ended:  # by another thread, just now
            lane.inside = False  # type: ignore[unreachable]
            return None
        lane.greenlets = switches
        if switches and not greenlets.enter(lane):
            self.cut_short()
        lane.cpu_began = cpu_now()
        lane.ran_began = now()
        return lane

    def left(self, lane: Any) -> float:
        """This thread has left its lane; returns the CPU seconds of the stretch."""
        lane.ran += now() - lane.ran_began
        cpu: float = cpu_now() - lane.cpu_began
        lane.cpu += cpu
        lane.inside = False
        if lane.greenlets:
            if not greenlets.leave():
                self.cut_short()
        elif "greenlet" in _modules and greenlets.present():
            self.cut_short()  # they came just now, and nobody has followed them
        return cpu

    def aside(self, call: Callable[[], object]) -> None:
        # Each engine's is one function from the moment that nothing is recorded to the one that it
        # is again: as many calls have to end as had begun.
        raise NotImplementedError

    def new_lane(self) -> Any:
        raise NotImplementedError

    def adopt(self, above: Any) -> Any:
        """A lane for a greenlet that what runs in the lane ``above`` has started."""
        if self.idle:
            return self.idle.pop()
        lane = self.new_lane()
        self.adopted.append(lane)
        return lane

    def show(self, lane: Any) -> None:
        """Record this thread in ``lane``, or nowhere: it has switched greenlets."""
        raise NotImplementedError

    def meet(self, lane: Any) -> None:
        """Another session records in this thread and goes on: what it records is ours."""
        lane.taken = True
        self.cut_short()

    def cut_short(self) -> None:
        self._cut = True

    def interrupted(self) -> bool:
        return self._cut or any(lane.taken for lane in self.lanes())

    def watch(self) -> None:
        """A request's session begins, and not one of the self-test: nothing to do for it."""

    def close(self) -> None:
        self.ended = True
        open_sessions.discard(id(self))
        for lane in self.lanes():
            if lane.inside:
                lane.keep()

    def lanes(self) -> list[Any]:
        """All of them, of threads and greenlets."""
        return [*self._lanes.values(), *self.adopted]

    def ran(self) -> float:
        return sum((lane.ran for lane in self._lanes.values()), 0.0)

    def cpu(self) -> float | None:
        if any(lane.kept is not None for lane in self.lanes()):
            return None
        return sum((lane.cpu for lane in self.lanes()), 0.0)

    def finish(self) -> Stats:
        raise NotImplementedError

    def calls(self, stats: Stats) -> int:
        return sum(row[1] for row in stats.values())

    def cost(self, stats: Stats) -> float:
        c_calls = sum(row[1] for function, row in stats.items() if function[0] == "~")
        calls = sum(row[1] for row in stats.values())
        each = self.costs()
        once = sum(function[0] != "~" for function in stats) * each[FIRST].whole
        return (calls - c_calls) * each[PYTHON].whole + c_calls * each[C].whole + once

    def costs(self) -> Costs:
        """Of this kind of session, with these settings."""
        kind: Callable[..., LaneSession] = type(self)
        found = costs(kind, builtins=self._builtins)
        return found if self.fresh else {**found, FIRST: Cost(0.0, 0.0)}

    def calltree(self) -> bytes | None:
        return None

    def beyond(self) -> int:
        return 0

    def frames(self) -> Frames:
        running = sys._current_frames()
        for lane in self.lanes():
            if lane.inside and not lane.out and lane.thread in running:
                return _stack(running[lane.thread])
        return []

    def drop(self) -> None:
        # A pool thread that still runs, or a task in somebody's hands, may keep the session.
        self._lanes = {}
        self.adopted, self.idle = [], []


def _stack(frame: FrameType | None) -> Frames:
    found: Frames = []
    while frame is not None:
        found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return found[::-1]


def is_own(code: CodeType) -> bool:
    """Whether ``code`` is reqprof's, which no profile shows."""
    return code.co_filename.startswith(HOME)
