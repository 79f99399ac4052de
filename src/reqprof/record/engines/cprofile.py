"""The default engine: cProfile's own C profiler, one for each request and thread.

Up to Python 3.11 that profiler is switched per thread (``hook.py``). From 3.12 on a process has
only one to switch, so its callbacks are called thread by thread instead (``monitoring.py``).
"""

from __future__ import annotations

import sys
import threading
from functools import cache
from typing import TYPE_CHECKING

from reqprof.record.engines import Unavailable
from reqprof.record.engines.clock import now

if sys.version_info >= (3, 12):
    from reqprof.record.engines.monitoring import MonitoringSession as _Kind
    from reqprof.record.engines.monitoring import active as active
else:
    from reqprof.record.engines.hook import HookSession as _Kind
    from reqprof.record.engines.hook import active as active

if TYPE_CHECKING:
    from collections.abc import Callable

    from reqprof.model import Stats
    from reqprof.record.engines import Engine
    from reqprof.record.engines.lsprof import CprofileSession

_TRIALS = 3
_TRIAL_CALLS = 500
_SELF_TEST = """
def leaf(): pass
def calls_python(n):
    for _ in range(n): leaf()
def calls_c(n, c=len, of=()):
    for _ in range(n): c(of)
def elsewhere(n):
    for _ in range(n): pass
"""


def engine(*, builtins: bool, clock: str) -> Engine:
    """This Python's engine, after a self-test. Raises :exc:`Unavailable` where that fails."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise Unavailable("skipped_free_threaded", "free-threaded Python cannot be recorded yet")
    _refuse_eventlet()
    return CprofileEngine(_Kind, builtins=builtins, clock=clock)


class CprofileEngine:
    """cProfile's counts and times, by this Python's kind of session."""

    name = "cprofile"

    def __init__(self, kind: type[CprofileSession], *, builtins: bool, clock: str) -> None:
        self._kind = kind
        self.builtins = builtins
        self.clock = clock
        self._python_cost, self._c_cost = _calibrate(kind)  # type: ignore[arg-type]

    def session(self) -> CprofileSession:
        _refuse_eventlet()  # which may have come after the engine
        session = self._kind(builtins=self.builtins, clock=self.clock)
        session.watch()
        return session

    def cost(self, stats: Stats) -> float:
        c_calls = sum(row[1] for function, row in stats.items() if function[0] == "~")
        calls = sum(row[1] for row in stats.values())
        return (calls - c_calls) * self._python_cost + c_calls * self._c_cost


def _refuse_eventlet() -> None:
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
        raise Unavailable("skipped_eventlet", "eventlet's green threads cannot be told apart")


@cache
def _calibrate(kind: type[CprofileSession]) -> tuple[float, float]:
    """What recording adds to a Python call and to a C call, in seconds; proves the kind first."""
    code: dict[str, Callable[[int], None]] = {}
    exec(compile(_SELF_TEST, "<reqprof self-test>", "exec"), code)  # noqa: S102
    try:
        _prove(kind, code)
    except Unavailable:
        raise
    except Exception as error:
        raise Unavailable("skipped_engine", f"the engine's self-test failed: {error!r}") from error
    return _added(kind, code["calls_python"]), _added(kind, code["calls_c"])


def _prove(kind: type[CprofileSession], code: dict[str, Callable[[int], None]]) -> None:
    """Two threads record at once; raises where a count is off or one sees the other's work."""

    def record_elsewhere() -> None:
        _record(kind, code["elsewhere"], other)

    other: dict[str, int] = {}
    here: dict[str, int] = {}

    def beside(calls: int) -> None:
        thread = threading.Thread(target=record_elsewhere)
        thread.start()
        code["calls_python"](calls)
        code["calls_c"](calls)
        thread.join()

    _record(kind, beside, here)
    expected = {"leaf": 7, "calls_python": 1, "calls_c": 1, "elsewhere": 0}
    found = {name: here.get(name, 0) for name in expected}
    if found != expected or other != {"elsewhere": 1}:
        raise Unavailable(
            "skipped_engine",
            f"the engine's self-test failed on this Python: it counted {found} and {other}",
        )


def _record(
    kind: type[CprofileSession], work: Callable[[int], None], counts: dict[str, int]
) -> None:
    session = kind(builtins=True, clock="wall")
    stretch = session.enter()
    work(7)
    session.leave(stretch)
    session.close()
    if session.fault is not None:
        raise session.fault
    for entry in session.lanes()[0].entries():
        if not isinstance(entry.code, str) and entry.code.co_filename == "<reqprof self-test>":
            counts[entry.code.co_name] = entry.callcount


def _added(kind: type[CprofileSession], work: Callable[[int], None]) -> float:
    plain, traced = [], []
    for _ in range(_TRIALS):
        began = now()
        work(_TRIAL_CALLS)
        plain.append(now() - began)
        session = kind(builtins=True, clock="wall")
        stretch = session.enter()
        work(_TRIAL_CALLS)
        session.leave(stretch)
        session.close()
        traced.append(session.ran())
    return max(0.0, min(traced) - min(plain)) / _TRIAL_CALLS
