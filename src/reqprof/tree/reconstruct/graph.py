"""One profile's functions and caller-callee edges under small integers, ready to be walked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reqprof.tree.reconstruct.cycles import components

if TYPE_CHECKING:
    from reqprof.model import Edge, Entry, Function, Stats

# Seconds: more than the universe is old, and less than any clock tells. Their squares are added,
# and divided by.
_LONGEST = 1e18
_SHORTEST = 1e-18
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Graph:
    """The numbers of a pstats table: functions are numbered, edges are parallel lists.

    The roots are edges too, with the caller -1, so that every frame comes in by some edge.
    ``guessed`` says that the table holds less than cProfile writes (the edges of the old
    ``profile`` module are counts), so that the times of edges are shared out in proportion.
    """

    def __init__(self, stats: Stats) -> None:
        table = without_addresses(stats)
        self.functions: list[Function] = sorted(table)
        self.number = {function: i for i, function in enumerate(self.functions)}
        self.guessed = False
        self.calls: list[int] = []
        self.self_time: list[float] = []
        self.total: list[float] = []
        self.caller: list[int] = []
        self.callee: list[int] = []
        self.edge_calls: list[int] = []
        self.edge_self: list[float] = []
        self.edge_total: list[float] = []
        self.out: list[list[int]] = [[] for _ in self.functions]
        self.into: list[list[int]] = [[] for _ in self.functions]
        for function in self.functions:
            self._add_function(table[function])
        self.component = components([[self.callee[e] for e in out] for out in self.out])
        self.members = _members(self.component)
        self.cyclic = self._find_cyclic()
        self.time = sum(self.self_time)
        self.roots = self._find_roots()

    def sole(self, function: int) -> bool:
        """Whether all of a function's time is in one frame: one way in and no recursion."""
        return len(self.into[function]) == 1 and not self.cyclic[function]

    def _add_function(self, entry: Entry) -> None:
        _, calls, self_time, total, callers = entry
        callee = len(self.calls)
        self.calls.append(calls)
        self.self_time.append(_seconds(self_time))
        self.total.append(max(_seconds(total), self.self_time[-1]))
        for caller, edge in sorted(callers.items()):
            if caller in self.number:
                self._add_edge(self.number[caller], callee, *self._whole(edge, callee))

    def _add_edge(
        self, caller: int, callee: int, calls: int, self_time: float, total: float
    ) -> int:
        edge = len(self.caller)
        self.caller.append(caller)
        self.callee.append(callee)
        self.edge_calls.append(calls)
        self.edge_self.append(self_time)
        self.edge_total.append(max(total, self_time))
        self.into[callee].append(edge)
        if caller >= 0:
            self.out[caller].append(edge)
        return edge

    def _whole(self, edge: Edge | int, callee: int) -> tuple[int, float, float]:
        """An edge's calls, self and total seconds; a mere count gets its share of the times."""
        if isinstance(edge, tuple):
            return edge[0], _seconds(edge[2]), _seconds(edge[3])
        self.guessed = True
        share = min(1.0, edge / self.calls[callee]) if self.calls[callee] > 0 else 0.0
        return edge, self.self_time[callee] * share, self.total[callee] * share

    def _find_cyclic(self) -> list[bool]:
        return [
            len(self.members[self.component[f]]) > 1 or any(self.callee[e] == f for e in out)
            for f, out in enumerate(self.out)
        ]

    def _find_roots(self) -> list[int]:
        """Add an edge from nowhere to each function that was entered with no caller known."""
        roots: list[int] = []
        for members in self.members:
            entered = [f for f in members if self._uncalled(f) > 0 or not self.into[f]]
            if not entered and not any(self._from_outside(f) for f in members):
                entered = [max(members, key=lambda f: self.total[f])]
            if entered:
                roots += self._enter(members, entered)
        return roots

    def _uncalled(self, function: int) -> int:
        """The calls that no edge accounts for."""
        return self.calls[function] - sum(self.edge_calls[e] for e in self.into[function])

    def _from_outside(self, function: int) -> list[int]:
        home = self.component[function]
        return [
            e
            for e in self.into[function]
            if self.caller[e] >= 0 and self.component[self.caller[e]] != home
        ]

    def _enter(self, members: list[int], entered: list[int]) -> list[int]:
        """The root edges into one component, sharing the time that comes to it from nowhere."""
        width = self._flow_from_nowhere(members)
        weights = [
            self.total[f] * max(1, self._uncalled(f)) / max(1, self.calls[f]) for f in entered
        ]
        whole = sum(weights)
        roots = []
        for f, weight in zip(entered, weights, strict=True):
            total = width * (weight / whole if whole > 0 else 1 / len(entered))
            own = self.self_time[f] - sum(self.edge_self[e] for e in self.into[f])
            own = min(max(0.0, own), total)
            roots.append(self._add_edge(-1, f, max(0, self._uncalled(f)), own, total))
        return roots

    def _flow_from_nowhere(self, members: list[int]) -> float:
        """What a component spends, less what the edges into it bring.

        Inside a cycle an edge's total counts nested calls twice, or not at all; on the edges that
        cross its border it is exact, so the balance of the whole component is.
        """
        if len(members) == 1 and not self.cyclic[members[0]]:
            f = members[0]
            return max(0.0, self.total[f] - sum(self.edge_total[e] for e in self.into[f]))
        home = self.component[members[0]]
        spent = sum(self.self_time[f] for f in members)
        for f in members:
            spent += sum(
                self.edge_total[e] for e in self.out[f] if self.component[self.callee[e]] != home
            )
            spent -= sum(self.edge_total[e] for e in self._from_outside(f))
        return max(0.0, spent)


def _members(component: list[int]) -> list[list[int]]:
    members: list[list[int]] = [[] for _ in range(max(component, default=-1) + 1)]
    for function, home in enumerate(component):
        members[home].append(function)
    return members


def _seconds(value: float) -> float:
    """The value where it is a time; clocks that ran backwards and NaN count as nothing."""
    return float(value) if _SHORTEST < value < _LONGEST else 0.0


def without_addresses(stats: Stats) -> Stats:
    """The table with object addresses cut from names, adding the functions that become one.

    cProfile names some C functions by the address of their object, which differs between worker
    processes: ``<built-in method __new__ of type object at 0x55d0c8>``.
    """
    if not any(" at 0x" in function[2] for function in stats):
        return stats
    merged: Stats = {}
    for function, (primitive, calls, self_time, total, callers) in stats.items():
        name = _plain(function)
        if name in merged:
            before = merged[name]
            primitive, calls = primitive + before[0], calls + before[1]
            self_time, total = self_time + before[2], total + before[3]
        edges = dict(merged[name][4]) if name in merged else {}
        for caller, edge in callers.items():
            plain = _plain(caller)
            edges[plain] = _sum(edges[plain], edge) if plain in edges else edge
        merged[name] = (primitive, calls, self_time, total, edges)
    return merged


def _plain(function: Function) -> Function:
    file, line, name = function
    return (file, line, _ADDRESS.sub("", name)) if " at 0x" in name else function


def _sum(one: Edge, other: Edge) -> Edge:
    if not isinstance(one, tuple) or not isinstance(other, tuple):
        return _count(one) + _count(other)  # type: ignore[unreachable]
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def _count(edge: Edge | int) -> int:
    return edge[0] if isinstance(edge, tuple) else edge
