"""Tables that break naive tree builders, and the folder of recorded ones."""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reqprof.model import Edge, Function, Stats
    from reqprof.tree.node import Node

FOLDER = Path(__file__).parent.parent / "data" / "calltree"
NAMES = sorted(path.name for path in FOLDER.glob("*.prof"))


def load(name: str) -> Stats:
    return cast("Stats", marshal.loads((FOLDER / name).read_bytes()))


def time(stats: Stats) -> float:
    """The sum of self seconds, which every tree and picture must keep."""
    return sum(row[2] for row in stats.values())


def function(name: str) -> Function:
    return (f"/srv/{name}.py", 1, name)


def table(edges: Iterable[tuple[str, str, int, float]], roots: dict[str, int]) -> Stats:
    """A table without recursion: (caller, callee, calls, self seconds), root calls by name.

    A function's self time is what its edges have; a root's, one second a root call.
    """
    rows: dict[str, list[tuple[str, int, float]]] = {root: [] for root in roots}
    for caller, callee, calls, own in edges:
        rows.setdefault(caller, [])
        rows.setdefault(callee, []).append((caller, calls, own))
    own = {name: sum(e[2] for e in into) + roots.get(name, 0) for name, into in rows.items()}
    return {
        function(name): (
            sum(e[1] for e in into) + roots.get(name, 0),
            sum(e[1] for e in into) + roots.get(name, 0),
            own[name],
            own[name],
            {function(caller): (calls, calls, t, t) for caller, calls, t in into},
        )
        for name, into in rows.items()
    }


def chain(length: int) -> Stats:
    """Functions that call one another in a line, a millisecond each."""
    stats: Stats = {}
    for i in range(length):
        below = (length - i) / 1000
        caller: dict[Function, Edge] = {function(f"f{i - 1}"): (1, 1, 0.001, below)} if i else {}
        stats[function(f"f{i}")] = (1, 1, 0.001, below, caller)
    return stats


def ring(length: int) -> Stats:
    """A chain whose last function calls its first."""
    stats = chain(length)
    first, last = function("f0"), function(f"f{length - 1}")
    primitive, _, own, total, _ = stats[first]
    stats[first] = (primitive, 2, own, total, {last: (1, 0, own / 2, own / 2)})
    return stats


def without_rest(root: Node) -> dict[tuple[Function, ...], float]:
    """Self seconds by stack, the time of callees not expanded given to their caller."""
    times: dict[tuple[Function, ...], float] = {}
    path: list[Function] = []
    for depth, node in root.walk():
        if depth and not node.is_rest:
            path[depth - 1 :] = [node.function]
        stack = tuple(path[: depth - node.is_rest])
        times[stack] = times.get(stack, 0.0) + node.self_time
    return {stack: time for stack, time in times.items() if stack}
