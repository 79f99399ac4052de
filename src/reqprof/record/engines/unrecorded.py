"""A session that records nothing: what a request uses when it is not traced."""

from __future__ import annotations

from _thread import get_ident
from typing import TYPE_CHECKING, Any

from reqprof.record.engines import greenlets
from reqprof.record.engines.session import LANE, LaneSession, begin_lane

if TYPE_CHECKING:
    from collections.abc import Callable


class _Lane:
    __slots__ = LANE

    def __init__(self, session: LaneSession) -> None:
        begin_lane(self, session)

    def keep(self) -> None:
        self.kept = True


class UnrecordedSession(LaneSession):
    """Takes a request's CPU time in the way in which the others do."""

    def __init__(self) -> None:
        super().__init__(builtins=False, clock="cpu")

    def enter(self) -> Any:
        try:
            who = greenlets.here() if greenlets.present() else get_ident()
            lane = self._lanes.get(who)
            return None if lane is not None and lane.inside else self.lane()
        except Exception as error:
            self.fault = error
            return None

    def leave(self, lane: Any, frames: int = 1) -> float:
        if lane is None:
            return 0.0
        try:
            return self.left(lane)
        except Exception as error:
            self.fault = error
            return 0.0

    def aside(self, call: Callable[[], object]) -> None:
        call()

    def new_lane(self) -> _Lane:
        return _Lane(self)

    def show(self, lane: Any) -> None:
        """Nothing is recorded in any greenlet."""
