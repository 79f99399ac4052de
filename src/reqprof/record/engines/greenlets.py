"""Greenlets: a thread switches between them in the middle of a stretch, and the recording follows.

Each greenlet of a request has a lane of its own, whose open calls stay open while it is switched
out. gevent has one greenlet for each request; SQLAlchemy's asyncio starts one inside a request,
which the request adopts: its lane is grafted onto the call that switched to it.

greenlet calls its trace function in the greenlet that it has switched to, with tracing suspended:
nothing here shows in a profile.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from reqprof.record.engines.clock import cpu_now, now, unseen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType


_MODULE = "greenlet"
_SWITCHES = "reqprof_switches"  # attributes that greenlets are given
_LANE = "reqprof_lane"
_get = unseen(getattr)


def present() -> bool:
    """Whether anybody can have started a greenlet."""
    return sys.modules.get(_MODULE) is not None


def here() -> int:
    """Which greenlet runs in this thread."""
    return id(sys.modules[_MODULE].getcurrent())


def enter(lane: Any) -> bool:
    """The greenlet that runs begins a stretch; False where switches cannot be followed."""
    current = sys.modules[_MODULE].getcurrent()
    setattr(current, _LANE, lane)
    return _switches(current).enter()


def leave() -> bool:
    """The greenlet that runs ends its stretch; False where switches were not followed."""
    current = sys.modules[_MODULE].getcurrent()
    setattr(current, _LANE, None)
    return _switches(current).leave()


class Adopted:
    """How the lane of a greenlet that was started inside a request hangs together with others."""

    def __init__(self) -> None:
        self.out_since = 0.0
        self.out_in: tuple[CodeType, ...] = ()
        self.pauses: dict[tuple[CodeType, ...], float] = {}  # by stack, innermost first
        self.caller: CodeType | None = None
        self.called: dict[CodeType, float] = {}  # seconds that it ran, by who switched to it

    def begin(self, caller: CodeType | None) -> None:
        self.caller = caller
        if self.out_in:
            out = self.pauses.get(self.out_in, 0.0)
            self.pauses[self.out_in] = out + now() - self.out_since

    def end(self, frame: FrameType | None, ran: float) -> None:
        if self.caller is not None:
            self.called[self.caller] = self.called.get(self.caller, 0.0) + ran
        self.out_since = now()
        self.out_in = _stack(frame)


class _Switches:
    """One thread's trace function, set while greenlets of it are in a stretch."""

    def __init__(self) -> None:
        self._open = 0
        self._previous: Callable[[str, Any], object] | None = None

    def enter(self) -> bool:
        greenlet = sys.modules[_MODULE]
        trace = greenlet.gettrace()
        if self._open == 0 and trace is not self:
            self._previous = trace
            greenlet.settrace(self)
            trace = self
        self._open += 1
        # Somebody who came meanwhile may well call us: we must not call them in turn.
        return trace is self

    def leave(self) -> bool:
        greenlet = sys.modules[_MODULE]
        self._open -= 1
        ours = greenlet.gettrace() is self
        if self._open == 0 and ours:
            greenlet.settrace(self._previous)
            self._previous = None
        return ours

    def __call__(self, event: str, pair: tuple[Any, Any]) -> None:
        try:
            _switch(*pair)
        except Exception as error:
            _blame(pair, error)
        if self._previous is not None:
            self._previous(event, pair)


def _switches(current: Any) -> _Switches:
    root = current
    while root.parent is not None:
        root = root.parent
    switches: _Switches | None = _get(root, _SWITCHES, None)
    if switches is None:
        switches = _Switches()
        setattr(root, _SWITCHES, switches)
    return switches


def _switch(origin: Any, target: Any) -> None:
    """The thread goes from one greenlet to another."""
    left, entered = _lane(origin), _lane(target)
    if left is not None:
        if entered is None and target.parent is origin and _adoptable(target):
            entered = _adopt(left, target)
        left.session.show(None)
        _pause(left, origin)
    if entered is not None:
        _resume(entered, left, origin)
        entered.session.show(entered)


def _lane(greenlet: Any) -> Any:
    """What a greenlet is recorded in; None where its request has ended."""
    lane: Any = _get(greenlet, _LANE, None)
    if lane is None or not lane.session.ended:
        return lane
    lane.session.show(None)
    setattr(greenlet, _LANE, None)
    return None


def _adoptable(child: Any) -> bool:
    """Whether a greenlet below one of the request works for it: gevent's loop works for all."""
    gevent = sys.modules.get("gevent.hub")
    return gevent is None or not isinstance(child, gevent.Hub)


def _adopt(above: Any, child: Any) -> Any:
    """A greenlet that the request has made and switched to works for it."""
    lane = above.session.adopt(above)
    if lane.adopted is None:
        lane.adopted = Adopted()
    setattr(child, _LANE, lane)
    return lane


def _pause(lane: Any, origin: Any) -> None:
    lane.cpu += cpu_now() - lane.cpu_began
    lane.out = True
    if lane.adopted is not None:
        ran = now() - lane.ran_began
        lane.ran += ran
        lane.inside = False
        lane.adopted.end(origin.gr_frame, ran)
        if origin.dead:
            lane.session.idle.append(lane)  # all its calls have returned


def _resume(lane: Any, left: Any, origin: Any) -> None:
    if lane.adopted is not None:
        ours = left is not None and left.session is lane.session and origin.gr_frame is not None
        lane.adopted.begin(origin.gr_frame.f_code if ours else None)
        lane.inside = True
        lane.ran_began = now()
    lane.out = False
    lane.cpu_began = cpu_now()


def _stack(frame: FrameType | None) -> tuple[CodeType, ...]:
    codes: list[CodeType] = []
    while frame is not None:
        codes.append(frame.f_code)
        frame = frame.f_back
    return tuple(codes)


def _blame(pair: tuple[Any, Any], error: Exception) -> None:
    for greenlet in pair:
        lane: Any = _get(greenlet, _LANE, None)
        if lane is not None:
            lane.session.fault = error
