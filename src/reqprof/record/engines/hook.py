"""Python 3.11's way to record: a profile hook per thread, switched on for each stretch."""

from __future__ import annotations

import sys
from _lsprof import Profiler
from functools import partial
from typing import TYPE_CHECKING, Any

from reqprof.record.engines import Unavailable
from reqprof.record.engines.clock import unseen
from reqprof.record.engines.lsprof import CprofileSession, Lane
from reqprof.record.engines.session import LaneSession, call_aside
from reqprof.store.background import BACKGROUND
from reqprof.store.native import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Stats

OURS: set[type] = {Lane}
"""The types of hooks that are lanes of sessions."""

_hook: Callable[[], Any] = unseen(sys.getprofile)
_set_hook: Callable[[None], None] = unseen(sys.setprofile)
_enable = unseen(Profiler.enable)
_disable = unseen(Profiler.disable)


def active() -> LaneSession | None:
    """The session that records this thread at this moment."""
    hook = _hook()
    if type(hook) not in OURS or hook.session.ended:
        return None
    return hook.session  # type: ignore[no-any-return]


def _after_fork() -> None:
    # The child is not the request that was being recorded.
    if type(_hook()) in OURS:
        sys.setprofile(None)


after_fork(_after_fork)


def _heal() -> Any:
    """The thread's hook, once that of a session that has ended meanwhile is gone."""
    hook = _hook()
    if type(hook) not in OURS or not hook.session.ended:
        return hook
    sys.setprofile(None)
    hook.session.put_away(hook)
    return None


class HookSession(LaneSession):
    """Never takes the hook of somebody else's profiler. How a lane is hooked is the engine's."""

    def __init__(self, *, builtins: bool, clock: str) -> None:
        hook = _heal()
        if type(hook) in OURS:
            raise Unavailable("skipped_nested", "the thread was already recording a request")
        if hook is not None:
            raise Unavailable("skipped_profiler", "another profiler was active in the thread")
        super().__init__(builtins=builtins, clock=clock)

    def enter(self) -> Any:
        try:
            hook = _heal()
            if hook is not None:
                if type(hook) not in OURS:
                    self.cut_short()
                elif hook.session is not self:
                    self.meet(hook)
                return None
            lane = self.lane()
            if lane is not None:
                self.hook(lane)
        except Exception as error:
            self.fault = error
            return None
        return lane

    def leave(self, lane: Any, frames: int = 1) -> float:
        if lane is None:
            return 0.0
        try:
            if _hook() is lane:
                self.unhook(lane)
            else:
                # Somebody took the hook meanwhile, and may still be using it.
                self.cut_short()
                self.put_away(lane)
            cpu = self.left(lane)
        except Exception as error:
            self.fault = error
            if _hook() is lane:
                self.unhook(lane)
            return 0.0
        return cpu

    def hook(self, lane: Any) -> None:
        """Record this thread in ``lane``."""
        raise NotImplementedError

    def unhook(self, lane: Any) -> None:
        """No more; what was called has ended."""
        raise NotImplementedError

    def put_away(self, lane: Any) -> None:
        """``lane`` is not its thread's hook any more."""
        raise NotImplementedError


class CprofileHookSession(HookSession, CprofileSession):
    """Records with ``Profiler.enable()``."""

    def hook(self, lane: Lane) -> None:
        lane.enable(subcalls=True, builtins=self._builtins)

    def unhook(self, lane: Lane) -> None:
        _disable(lane)

    def put_away(self, lane: Lane) -> None:
        # That takes the calling thread's hook away, as its end would: so where it harms nobody.
        BACKGROUND.submit(partial(_disable, lane), sys.maxsize)

    def show(self, lane: Lane | None) -> None:
        # Taking the hook away keeps the open calls; disable() would end them.
        if lane is not None:
            self.hook(lane)
        elif type(_hook()) is Lane:
            sys.setprofile(None)

    def aside(self, call: Callable[[], object]) -> None:
        lane = _hook()
        _set_hook(None)
        try:
            call_aside(lane, call)
        finally:
            _enable(lane, True, self._builtins)

    def finish(self) -> Stats:
        # Those of greenlets were not switched off: see show().
        for lane in self.adopted:
            if _hook() is None:
                _disable(lane)
        return super().finish()
