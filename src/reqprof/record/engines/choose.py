"""Which engine records: the exact one where it was built and counts right, or else cProfile's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from reqprof.record.engines import NO_ENGINE, Unavailable, cprofile
from reqprof.record.engines.cost import costs
from reqprof.record.engines.proof import prove
from reqprof.record.engines.session import open_sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.record.engines.session import LaneSession

exact: Any
_lacking = "the exact engine is not here"
try:
    from reqprof.record.engines import exact
except ImportError as error:  # it was not built, or cannot be used in this Python
    exact, _lacking = None, f"{_lacking}: {error}"
ENGINES = ("auto", "exact", "cprofile")

AUTO = ("exact", "cprofile")
"""What ``auto`` tries, in this order."""


def engine(name: str = "auto", *, builtins: bool, clock: str) -> LaneEngine:
    """This Python's engine of that name, after a self-test; see :data:`ENGINES`.

    Raises :exc:`Unavailable` where there is none, or it counts wrong, or cannot be tried here and
    now. Where another one is taken in its stead, ``instead_of`` says why.
    """
    _refuse_free_threads()
    refuse_eventlet()
    why = ""
    for one in AUTO if name == "auto" else (name,):
        try:
            found = LaneEngine(one, _kind(one), builtins=builtins, clock=clock)
        except Unavailable as reason:
            if reason.counter != NO_ENGINE or one == "cprofile":
                raise
            why, lacking = str(reason), reason
        else:
            found.instead_of = why
            return found
    raise lacking


def _kind(name: str) -> Callable[..., LaneSession]:
    if name == "cprofile":
        return cprofile.Session
    if exact is None:
        raise Unavailable(NO_ENGINE, _lacking)
    return exact.Session  # type: ignore[no-any-return]


def active() -> LaneSession | None:
    """The session, of any engine, that records this thread at this moment."""
    if not open_sessions:  # as for most requests
        return None
    found = cprofile.active()
    if found is None and exact is not None:
        return exact.active()  # type: ignore[no-any-return]
    return found


def aside(call: Callable[[], object]) -> None:
    """Call it, recorded nowhere, whether or not this thread is in a stretch."""
    session = active()
    if session is None:
        call()
    else:
        session.aside(call)


class LaneEngine:
    """Records with one kind of session."""

    instead_of = ""  # why a better one was not taken

    def __init__(
        self, name: str, kind: Callable[..., LaneSession], *, builtins: bool, clock: str
    ) -> None:
        self.name = name
        self.builtins = builtins
        self.clock = clock
        self._kind = kind
        prove(kind)
        costs(kind, builtins=builtins)  # measured now, and not when the first request has ended

    def disturbed(self) -> float:
        events = getattr(self._kind, "events", None)
        return 0.0 if events is None else events.cpu()

    def session(self) -> LaneSession:
        refuse_eventlet()  # which may have come after the engine
        if active() is not None:
            raise Unavailable("skipped_nested", "the thread was already recording a request")
        session = self._kind(builtins=self.builtins, clock=self.clock)
        session.watch()
        return session


def _refuse_free_threads() -> None:
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise Unavailable("skipped_free_threaded", "free-threaded Python cannot be recorded yet")


def refuse_eventlet() -> None:
    """Raises :exc:`Unavailable` where what are threads to us are its green ones."""
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
        raise Unavailable("skipped_eventlet", "eventlet's green threads cannot be told apart")
