"""cProfile on Python 3.11: a profile hook per thread, switched on for each stretch."""

from __future__ import annotations

import os
import sys
from _lsprof import Profiler
from threading import get_ident
from typing import TYPE_CHECKING

from reqprof.record.engines import Unavailable
from reqprof.record.engines.lsprof import CprofileSession, OwnProfiler, Stretch, unseen

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_hook: Callable[[], Any] = unseen(sys.getprofile)
_disable = unseen(Profiler.disable)


def _after_fork() -> None:
    # The child is not the request that was being recorded.
    if isinstance(_hook(), OwnProfiler):
        sys.setprofile(None)


os.register_at_fork(after_in_child=_after_fork)


class HookSession(CprofileSession):
    """Records with ``Profiler.enable()``; never takes the hook of somebody else's profiler."""

    def __init__(self, *, builtins: bool, clock: str) -> None:
        if _hook() is not None:
            raise Unavailable("skipped_profiler", "another profiler was active in the thread")
        super().__init__(builtins=builtins, clock=clock)

    def enter(self) -> Stretch | None:
        try:
            hook = _hook()
            if hook is not None:
                self.cut_short()
                if isinstance(hook, OwnProfiler):
                    hook.taken = True  # it records what is ours
                return None
            stretch = self._stretches.get(get_ident())
            if stretch is None:
                stretch = self._stretches[get_ident()] = Stretch(self._clock)
            stretch.begin()
            stretch.profiler.enable(subcalls=True, builtins=self._builtins)
        except Exception as error:
            self.fault = error
            return None
        return stretch

    def leave(self, stretch: Stretch | None) -> None:
        if stretch is None:
            return
        try:
            if _hook() is stretch.profiler:
                _disable(stretch.profiler)
            else:
                # Somebody took the hook meanwhile, and may still be using it. Disabling ours
                # would switch theirs off: entries() does that, on a thread where it harms nobody.
                self.cut_short()
            stretch.end()
        except Exception as error:
            self.fault = error

    def entries(self) -> list[list[Any]]:
        if self.interrupted() and _hook() is None:
            for stretch in self._stretches.values():
                _disable(stretch.profiler)
        return super().entries()
