"""cProfile on Python 3.11: a profile hook per thread, switched on for each stretch."""

from __future__ import annotations

import os
import sys
from _lsprof import Profiler
from functools import partial
from typing import TYPE_CHECKING

from reqprof.record.engines import Unavailable
from reqprof.record.engines.clock import unseen
from reqprof.record.engines.lsprof import CprofileSession, Lane
from reqprof.store.background import BACKGROUND

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from reqprof.model import Stats

_hook: Callable[[], Any] = unseen(sys.getprofile)
_disable = unseen(Profiler.disable)


def active() -> HookSession | None:
    """The session that records this thread at this moment."""
    hook = _hook()
    if type(hook) is not Lane or hook.session.ended:
        return None
    return hook.session  # type: ignore[return-value]


def _after_fork() -> None:
    # The child is not the request that was being recorded.
    if type(_hook()) is Lane:
        sys.setprofile(None)


os.register_at_fork(after_in_child=_after_fork)


def _heal() -> Any:
    """The thread's hook, once that of a session that has ended meanwhile is gone."""
    hook = _hook()
    if type(hook) is not Lane or not hook.session.ended:
        return hook
    sys.setprofile(None)
    _put_away(hook)
    return None


def _put_away(lane: Lane) -> None:
    """Switch a profiler off that is not its thread's hook any more.

    That takes the calling thread's hook away, as its end would: so where it harms nobody.
    """
    BACKGROUND.submit(partial(_disable, lane), sys.maxsize)


class HookSession(CprofileSession):
    """Records with ``Profiler.enable()``; never takes the hook of somebody else's profiler."""

    def __init__(self, *, builtins: bool, clock: str) -> None:
        hook = _heal()
        if type(hook) is Lane:
            raise Unavailable("skipped_nested", "the thread was already recording a request")
        if hook is not None:
            raise Unavailable("skipped_profiler", "another profiler was active in the thread")
        super().__init__(builtins=builtins, clock=clock)

    def enter(self) -> Lane | None:
        try:
            hook = _heal()
            if hook is not None:
                if type(hook) is not Lane:
                    self.cut_short()
                elif hook.session is not self:
                    self.meet(hook)
                return None
            lane: Lane | None = self.lane()
            if lane is not None:
                lane.enable(subcalls=True, builtins=self._builtins)
        except Exception as error:
            self.fault = error
            return None
        return lane

    def leave(self, lane: Lane | None, frames: int = 1) -> float:
        if lane is None:
            return 0.0
        try:
            if _hook() is lane:
                _disable(lane)
            else:
                # Somebody took the hook meanwhile, and may still be using it.
                self.cut_short()
                _put_away(lane)
            cpu = self.left(lane)
        except Exception as error:
            self.fault = error
            if _hook() is lane:
                _disable(lane)
            return 0.0
        return cpu

    def show(self, lane: Lane | None) -> None:
        # Taking the hook away keeps the open calls; disable() would end them.
        if lane is not None:
            lane.enable(subcalls=True, builtins=self._builtins)
        elif type(_hook()) is Lane:
            sys.setprofile(None)

    def finish(self) -> Stats:
        # Those of greenlets were not switched off: see show().
        for lane in self.adopted:
            if _hook() is None:
                _disable(lane)
        return super().finish()
