"""The exact engine: the calling-context tree of each thread, recorded in C by ``reqprof._exact``.

Each thread of a session, and each greenlet that is a request of its own, has a tracer and a tree.
A greenlet that a request starts has a tracer in the tree of what started it, and hangs below that.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from reqprof import _exact
from reqprof.record.engines import Unavailable
from reqprof.record.engines.clock import unseen
from reqprof.record.engines.cost import EVENTS
from reqprof.record.engines.session import HOME, LANE, LaneSession, begin_lane, call_aside
from reqprof.store import calltree
from reqprof.store.stats import add_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Stats

MAX_NODES = 50_000
"""Distinct stacks of one thread; the time of further ones stays on what called them."""

_end = unseen(_exact.Tracer.end)
_go_on = unseen(_exact.Tracer.go_on)
_here: Any = unseen(_exact.here)


class Lane(_exact.Tracer):
    """One thread's share of a session: the tracer that records it."""

    __slots__ = LANE

    def __init__(self, session: LaneSession, tree: Any, *, builtins: bool) -> None:
        super().__init__(tree, builtins=builtins)
        begin_lane(self, session)

    def __call__(self, *event: object) -> None:
        # As cProfile's: see reqprof.record.engines.lsprof.
        self.taken = True

    def keep(self) -> None:
        """Record nothing any more, whatever its thread goes on to do."""
        self.close()
        self.kept = True


class TreeSession(LaneSession):
    """A session of tracers."""

    def new_lane(self) -> Lane:
        return self._lane(_exact.Tree(MAX_NODES, cpu=self._clock == "cpu"))

    def adopt(self, above: Lane) -> Lane:
        spare = [lane for lane in self.idle if lane.tree is above.tree]
        if spare:
            lane: Lane = spare[-1]
            self.idle.remove(lane)
        else:
            lane = self._lane(above.tree)
            self.adopted.append(lane)
        lane.hang(above)
        return lane

    def show(self, lane: Lane | None) -> None:
        if lane is not None:
            # It is inside by now: close() does the reverse, so one of the two sees the other.
            if self.ended:
                lane.close()
            lane.go_on()
        elif (shown := _here()) is not None:
            _end(shown)

    def aside(self, call: Callable[[], object]) -> None:
        lane = _here()
        if lane is None:  # somebody has put the hook back, as one that records nothing
            call()
            return
        _end(lane)
        try:
            call_aside(lane, call)
        finally:
            _go_on(lane)

    def trees(self) -> list[Any]:
        """One for each thread, and each greenlet that was not started inside the request."""
        return [lane.tree for lane in self._lanes.values()]

    def finish(self) -> Stats:
        trees = self.trees()
        if any(tree.failed for tree in trees):
            raise MemoryError("no memory was left for the calls of the request")
        tables = [tree.table(HOME) for tree in trees]
        return tables[0] if len(tables) == 1 else add_up(tables)

    def calltree(self) -> bytes:
        return calltree.encode(map(_part, self._lanes.values()), self.costs())

    def cost(self, stats: Stats) -> float:
        each = [self.costs()[event].whole for event in EVENTS]
        tallies: list[tuple[int, ...]] = [tree.tally() for tree in self.trees()]
        numbers = map(sum, zip(*tallies, strict=True))
        return sum((number * cost for number, cost in zip(numbers, each, strict=False)), 0.0)

    def beyond(self) -> int:
        return sum(tree.beyond for tree in self.trees())

    def _lane(self, tree: Any) -> Lane:
        return Lane(self, tree, builtins=self._builtins)


def _part(lane: Any) -> calltree.Part:
    functions, nodes = lane.tree.encode(HOME)
    return calltree.Part(lane.name, functions, nodes, lane.tree.beyond)


def active() -> LaneSession | None:
    """The session that records this thread at this moment."""
    lane = _here()
    if lane is None or lane.session.ended:
        return None
    return lane.session  # type: ignore[no-any-return]


if sys.version_info >= (3, 12):
    from reqprof.record.engines.events import Events, EventSession

    class Session(EventSession, TreeSession):
        """Records by events; switching from one session to another is one store."""

        def __init__(self, *, builtins: bool, clock: str) -> None:
            if active() is not None:
                raise Unavailable("skipped_nested", "the thread was already recording a request")
            super().__init__(builtins=builtins, clock=clock)

        def enter(self) -> Lane | None:
            try:
                other = _here()
                if other is not None:
                    if other.session is not self:
                        self.meet(other)
                    return None
                # First inside, then the look at the events: see Events.rest.
                lane: Lane | None = self.lane()
                if lane is None:
                    return None
                if not self.events.on:
                    self.events.wake()
                lane.begin()
            except Exception as error:
                self.fault = error
                return None
            return lane

        def leave(self, lane: Lane | None, frames: int = 1) -> float:
            if lane is None:
                return 0.0
            _end(lane)
            try:
                self.left_at = time.monotonic()
                return self.left(lane)
            except Exception as error:
                self.fault = error
                return 0.0

    def _clear() -> None:
        lane = _exact.here()
        if lane is not None:
            lane.end()

    Session.events = Events(
        {
            "PY_START": _exact.on_start,
            "PY_RESUME": _exact.on_resume,
            "PY_THROW": _exact.on_resume,
            "PY_RETURN": _exact.on_leave,
            "PY_YIELD": _exact.on_leave,
            "PY_UNWIND": _exact.on_leave,
            "CALL": _exact.on_call,
            "C_RETURN": _exact.on_c_leave,
            "C_RAISE": _exact.on_c_leave,
        },
        _clear,
    )
else:
    from reqprof.record.engines.hook import OURS, HookSession

    OURS.add(Lane)

    class Session(HookSession, TreeSession):
        """Records by the thread's profile hook."""

        def hook(self, lane: Lane) -> None:
            lane.begin()

        def unhook(self, lane: Lane) -> None:
            _end(lane)

        def put_away(self, lane: Lane) -> None:
            lane.close()
