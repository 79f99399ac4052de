"""What recording costs, by what happens: measured once, at start, for each kind of session.

An event is read off the clock in the middle of what it costs. So a part of that is counted as
time of the function that is called, *inside*, and the rest as time of the caller, *outside*.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from reqprof.record.engines.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reqprof.model import Stats
    from reqprof.record.engines.session import LaneSession

    Costs = Mapping[str, "Cost"]
    Work = Callable[[int], None]

PYTHON, RESUMPTION, C, UNCOUNTED = "python", "resumption", "c", "uncounted"
"""A call of a Python function, a resumption, a call of a C function, one of something else."""

_FILE = "<reqprof calibration>"
_TRIALS = 5
_TRIAL_CALLS = 1000
_WORK = f"""
def leaf(): pass
def {PYTHON}(n):
    for _ in range(n): leaf()
def endless():
    while True: yield
def {RESUMPTION}(n):
    for _ in zip(range(n), endless()): pass
def {C}(n, leaf=len, of=()):
    for _ in range(n): leaf(of)
class Plain: pass
def {UNCOUNTED}(n):
    for _ in range(n): Plain()
"""


class Cost(NamedTuple):
    """Seconds that are added each time: estimates."""

    inside: float
    outside: float

    @property
    def whole(self) -> float:
        return self.inside + self.outside


@cache
def costs(kind: Callable[..., LaneSession], *, builtins: bool) -> Costs:
    """Those of one kind of session."""
    work: dict[str, Work] = {}
    exec(compile(_WORK, _FILE, "exec"), work)  # noqa: S102
    return {
        name: _cost(kind, work[name], builtins=builtins)
        for name in (PYTHON, RESUMPTION, C, UNCOUNTED)
    }


def _cost(kind: Callable[..., LaneSession], work: Work, *, builtins: bool) -> Cost:
    plain, traced, called = [], [], []
    for _ in range(_TRIALS):
        began = now()
        work(_TRIAL_CALLS)
        plain.append(now() - began)
        session = kind(builtins=builtins, clock="wall")
        stretch = session.enter()
        work(_TRIAL_CALLS)
        session.leave(stretch)
        session.close()
        traced.append(session.ran())
        called.append(_callee_seconds(session.finish()))
    added = max(0.0, min(traced) - min(plain)) / _TRIAL_CALLS
    # What is called does next to nothing: what it seems to take is the cost.
    inside = min(added, min(called) / _TRIAL_CALLS)
    return Cost(inside, added - inside)


def _callee_seconds(stats: Stats) -> float:
    """Of the functions that are called over and over."""
    return sum(row[2] for row in stats.values() if row[1] >= _TRIAL_CALLS)
