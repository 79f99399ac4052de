"""What both kinds of cProfile session share: lanes that are C profilers, and tables from them."""

from __future__ import annotations

import time
from _lsprof import Profiler
from typing import TYPE_CHECKING, Any

from reqprof.record.engines.session import LANE, LaneSession, begin_lane, is_own
from reqprof.store.stats import add_up, collector_paused, from_entries, graft

if TYPE_CHECKING:
    from reqprof.model import Stats


class Lane(Profiler):
    """One thread's share of a session: the profiler that records it."""

    __slots__ = LANE

    def __init__(self, session: LaneSession, *timer: Any) -> None:
        super().__init__(*timer)
        begin_lane(self, session)

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


class CprofileSession(LaneSession):
    """A session of profilers."""

    def __init__(self, *, builtins: bool, clock: str) -> None:
        super().__init__(builtins=builtins, clock=clock)
        # In whole nanoseconds: floats of a custom timer would be rounded to microseconds.
        self._timer = (time.thread_time_ns, 1e-9) if clock == "cpu" else ()

    def new_lane(self) -> Lane:
        return Lane(self, *self._timer)

    def finish(self) -> Stats:
        tables = [from_entries(lane.entries(), is_own) for lane in self._lanes.values()]
        stats = tables[0] if len(tables) == 1 else add_up(tables)
        for lane in self.adopted:
            _graft(stats, lane)
        return stats


def _graft(stats: Stats, lane: Any) -> None:
    adopted = lane.adopted
    if adopted is not None:
        graft(stats, from_entries(lane.entries(), is_own), adopted.called, adopted.pauses)
