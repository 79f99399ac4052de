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
FIRST, NODE = "first", "node"
EVENTS = (PYTHON, RESUMPTION, C, UNCOUNTED, FIRST, NODE)
"""A call of a Python function, a resumption, a call of a C function, one of something else; the
first call of a Python function, and a stack that is new, beside what their calls cost anyway."""

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
def {FIRST}(functions):
    for function in functions: function()
"""
_MANY = 100


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
    found = {
        name: _cost(kind, work[name], builtins=builtins)
        for name in (PYTHON, RESUMPTION, C, UNCOUNTED)
    }
    if not builtins:
        found[UNCOUNTED] = found[C]  # where such calls are looked at all the same
    return {**found, **_once(kind, work[FIRST], found[PYTHON].whole, builtins=builtins)}


def _cost(kind: Callable[..., LaneSession], work: Work, *, builtins: bool) -> Cost:
    plain, traced, called = [], [], []
    for _ in range(_TRIALS):
        plain.append(_timed(lambda: work(_TRIAL_CALLS)))
        ran, stats = _recorded(kind, lambda: work(_TRIAL_CALLS), builtins=builtins)
        traced.append(ran)
        called.append(sum(row[2] for row in stats.values() if row[1] >= _TRIAL_CALLS))
    added = max(0.0, min(traced) - min(plain)) / _TRIAL_CALLS
    # What is called does next to nothing: what it seems to take is the cost.
    inside = min(added, min(called) / _TRIAL_CALLS)
    return Cost(inside, added - inside)


def _once(
    kind: Callable[..., LaneSession], call: Callable[..., None], again: float, *, builtins: bool
) -> dict[str, Cost]:
    """What a function costs once: the interpreter rewrites its code, and it gets a node."""
    code: dict[str, Callable[[], None]] = {}
    # As much code as functions of web frameworks have, most of it not run.
    text = "".join(f"def f{n}(n=0):\n if n:\n" + "  n = n + n\n" * 25 for n in range(_MANY))
    exec(compile(text, _FILE, "exec"), code)  # noqa: S102
    functions = [code[f"f{n}"] for n in range(_MANY)]
    plain, traced, shown = [], [], []
    for _ in range(_TRIALS):
        call(functions)
        plain.append(_timed(lambda: call(functions)))
        ran, stats = _recorded(kind, lambda: call(functions), builtins=builtins)
        traced.append(ran)
        shown.append(sum(row[2] for row in stats.values()))
    first = max(0.0, (min(shown) - min(plain)) / _MANY - again)
    node = max(0.0, min(traced) - min(shown)) / _MANY  # the recorder keeps that time to itself
    return {FIRST: Cost(0.0, first), NODE: Cost(0.0, node)}


def _timed(work: Callable[[], None]) -> float:
    began = now()
    work()
    return now() - began


def _recorded(
    kind: Callable[..., LaneSession], work: Callable[[], None], *, builtins: bool
) -> tuple[float, Stats]:
    """Seconds of a stretch that does it, and the table."""
    session = kind(builtins=builtins, clock="wall")
    stretch = session.enter()
    work()
    session.leave(stretch)
    session.close()
    return session.ran(), session.finish()
