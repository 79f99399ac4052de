"""Random traces of calls, for the oracle to tell what a tree built from edges must say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.tree.tables import function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.tree.oracle import Event

DURATIONS = st.sampled_from([0.0, 0.001, 0.25, 1.0]) | st.floats(0, 1, allow_subnormal=False)
STEPS = st.lists(st.tuples(st.integers(0, 9), DURATIONS), max_size=60)


def _trace(steps: Sequence[tuple[int, float]], kind: str) -> list[Event]:
    """Steps 0 to 5 enter a function, the others leave one; all are left at the end.

    An acyclic trace skips calls of a function with a lower number, a tree's functions are named
    by their whole stack.
    """
    events: list[Event] = []
    active: list[int] = []
    now = 0.0
    for step, duration in steps:
        now += duration
        if step > 5:
            if active:
                active.pop()
                events.append((now, None))
        elif kind != "acyclic" or not active or step > active[-1]:
            active.append(step)
            name = "/".join(map(str, active)) if kind == "tree" else str(step)
            events.append((now, function(name)))
    for _ in active:
        now += 0.125
        events.append((now, None))
    return events


TRACES = st.builds(_trace, STEPS, st.just("any"))
ACYCLIC = st.builds(_trace, STEPS, st.just("acyclic"))
TREES = st.builds(_trace, STEPS, st.just("tree"))
