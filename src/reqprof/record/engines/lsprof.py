"""What every kind of cProfile session shares: a C profiler for each thread of a request."""

from __future__ import annotations

import sys
import time
from _lsprof import Profiler
from _thread import get_ident
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reqprof
from reqprof.record.engines import greenlets
from reqprof.record.engines.clock import cpu_now, now, unseen
from reqprof.store.stats import add_up, collector_paused, from_entries, graft

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from reqprof.model import Stats
    from reqprof.record.engines.greenlets import Adopted
    from reqprof.record.notes import Frames

CLOCKS = ("wall", "cpu")

_thread = unseen(get_ident)
_modules = sys.modules

_HOME = str(Path(reqprof.__file__).parent) + "/"


class Lane(Profiler):
    """One thread's share of a session: the profiler that records it, and clocks around its use."""

    __slots__ = (
        "adopted",
        "cpu",
        "cpu_began",
        "greenlets",
        "inside",
        "kept",
        "out",
        "ran",
        "ran_began",
        "session",
        "taken",
        "thread",
    )

    def __init__(self, session: CprofileSession, *timer: Any) -> None:
        super().__init__(*timer)
        self.session = session
        self.taken = False  # somebody came between it and its thread
        self.inside = False  # its thread is in a stretch
        self.thread = 0  # which one is inside
        self.out = False  # its greenlet is switched out
        self.greenlets = False  # switches of greenlets are followed meanwhile
        self.adopted: Adopted | None = None  # of a greenlet that was started inside the request
        self.kept: list[Any] | None = None  # what it held when the session ended during a stretch
        self.ran = self.cpu = self.ran_began = self.cpu_began = 0.0

    def __call__(self, *event: object) -> None:
        # On 3.11 code that saves and restores the profile hook puts this object back as a Python
        # function. It can record nothing then.
        self.taken = True

    def keep(self) -> None:
        """Hold on to what is recorded by now, whatever its thread goes on to do."""
        # A collection that runs Python code would let that thread change what is being read.
        with collector_paused():
            self.kept = self.getstats()

    def entries(self) -> list[Any]:
        """What was recorded, as ``getstats()`` returns it."""
        return self.getstats() if self.kept is None else self.kept


class CprofileSession:
    """What both kinds of session share."""

    owner: Any = None  # whom the session records for; the recorder sets it

    def __init__(self, *, builtins: bool, clock: str) -> None:
        self.fault: Exception | None = None
        self._cut = False
        self.ended: bool = False
        self._builtins = builtins
        # In whole nanoseconds: floats of a custom timer would be rounded to microseconds.
        self._timer = (time.thread_time_ns, 1e-9) if clock == "cpu" else ()
        self._lanes: dict[int, Any] = {}
        self.adopted: list[Lane] = []
        self.idle: list[Lane] = []  # of adopted greenlets that have ended

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

    def left(self, lane: Lane) -> float:
        """This thread has left its lane; returns the CPU seconds of the stretch."""
        lane.ran += now() - lane.ran_began
        cpu = cpu_now() - lane.cpu_began
        lane.cpu += cpu
        lane.inside = False
        if lane.greenlets:
            if not greenlets.leave():
                self.cut_short()
        elif "greenlet" in _modules and greenlets.present():
            self.cut_short()  # they came just now, and nobody has followed them
        return cpu

    def new_lane(self) -> Lane:
        return Lane(self, *self._timer)

    def show(self, lane: Any) -> None:
        """Record this thread in ``lane``, or nowhere: it has switched greenlets."""
        raise NotImplementedError

    def meet(self, lane: Lane) -> None:
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
        tables = [from_entries(lane.entries(), is_own) for lane in self._lanes.values()]
        stats = tables[0] if len(tables) == 1 else add_up(tables)
        for lane in self.adopted:
            _graft(stats, lane)
        return stats

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


def _graft(stats: Stats, lane: Lane) -> None:
    adopted = lane.adopted
    if adopted is not None:
        graft(stats, from_entries(lane.entries(), is_own), adopted.called, adopted.pauses)


def _stack(frame: FrameType | None) -> Frames:
    found: Frames = []
    while frame is not None:
        found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return found[::-1]


def is_own(code: CodeType) -> bool:
    """Whether ``code`` is reqprof's, which no profile shows."""
    return code.co_filename.startswith(_HOME)
