"""What every kind of cProfile session shares: a C profiler for each thread of a request."""

from __future__ import annotations

import time
from _lsprof import Profiler
from _thread import get_ident
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reqprof
from reqprof.store.stats import add_up, collector_paused, from_entries

if TYPE_CHECKING:
    from types import CodeType

    from reqprof.model import Stats

CLOCKS = ("wall", "cpu")

# cProfile records calls of C functions and methods, and of nothing else that is not Python: what
# reqprof calls inside a stretch it calls through partial objects, so that no profile shows it.
unseen = partial
now = unseen(time.perf_counter)
cpu_now = unseen(time.thread_time)
_thread = unseen(get_ident)

_HOME = str(Path(reqprof.__file__).parent) + "/"


class Lane(Profiler):
    """One thread's share of a session: the profiler that records it, and clocks around its use."""

    __slots__ = ("cpu", "cpu_began", "inside", "kept", "ran", "ran_began", "session", "taken")

    def __init__(self, session: CprofileSession, *timer: Any) -> None:
        super().__init__(*timer)
        self.session = session
        self.taken = False  # somebody came between it and its thread
        self.inside = False  # its thread is in a stretch
        self.kept: list[Any] | None = None  # what it held when the session ended during a stretch
        self.ran = self.cpu = self.ran_began = self.cpu_began = 0.0

    def __call__(self, *event: object) -> None:
        # On 3.11 code that saves and restores the profile hook puts this object back as a Python
        # function. It can record nothing then.
        self.taken = True

    def begin(self) -> None:
        self.cpu_began = cpu_now()
        self.ran_began = now()

    def end(self) -> None:
        self.ran += now() - self.ran_began
        self.cpu += cpu_now() - self.cpu_began

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
        self._ended = False
        self._builtins = builtins
        # In whole nanoseconds: floats of a custom timer would be rounded to microseconds.
        self._timer = (time.thread_time_ns, 1e-9) if clock == "cpu" else ()
        self._lanes: dict[int, Any] = {}

    def enter(self) -> Any:
        raise NotImplementedError

    def leave(self, lane: Any, frames: int = 1) -> None:
        raise NotImplementedError

    def lane(self) -> Any:
        """This thread's lane, about to be entered; None where the session has ended."""
        if self._ended:
            return None
        thread = _thread()
        lane = self._lanes.get(thread)
        if lane is None:
            lane = self._lanes[thread] = self.new_lane()
        # First inside, then another look: close() does the reverse, so one of the two sees the
        # other, whichever thread they run in.
        lane.inside = True
        if self._ended:
            lane.inside = False
            return None
        return lane

    def new_lane(self) -> Lane:
        return Lane(self, *self._timer)

    def meet(self, lane: Lane) -> None:
        """Another session records in this thread and goes on: what it records is ours."""
        lane.taken = True
        self.cut_short()

    def cut_short(self) -> None:
        self._cut = True

    def interrupted(self) -> bool:
        return self._cut or any(lane.taken for lane in self._lanes.values())

    def watch(self) -> None:
        """A request's session begins, and not one of the self-test: nothing to do for it."""

    def close(self) -> None:
        self._ended = True
        for lane in list(self._lanes.values()):
            if lane.inside:
                lane.keep()

    def ran(self) -> float:
        return sum((lane.ran for lane in self._lanes.values()), 0.0)

    def cpu(self) -> float:
        return sum((lane.cpu for lane in self._lanes.values()), 0.0)

    def entries(self) -> list[list[Any]]:
        """What each thread's profiler holds."""
        return [lane.entries() for lane in self._lanes.values()]

    def finish(self) -> Stats:
        tables = [from_entries(entries, is_own) for entries in self.entries()]
        return tables[0] if len(tables) == 1 else add_up(tables)

    def drop(self) -> None:
        # A pool thread that still runs, or a task in somebody's hands, may keep the session.
        self._lanes = {}


def is_own(code: CodeType) -> bool:
    """Whether ``code`` is reqprof's, which no profile shows."""
    return code.co_filename.startswith(_HOME)
