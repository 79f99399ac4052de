"""Growing a tree from the edges of a graph, the widest frames first, within a budget."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from reqprof.tree.cycles import Returns
from reqprof.tree.shares import Row, Shares

if TYPE_CHECKING:
    from reqprof.tree.graph import Graph

# Shares of the whole time: frames narrower than the first are not expanded, and returns are
# solved anew only for those wider than the second.
_SMALLEST = 5e-5
_SOLVED = 0.01
# Functions looked at in all sweeps of one graph, some seconds of work at the very worst.
_EFFORT = 2_000_000
# The roots may miss the sum of self times by this share, and stacks still be called exact.
_ROUNDING = 1e-6


class Cycle(NamedTuple):
    """What a frame knows of the cycle it is in."""

    path: frozenset[int]  # functions of the cycle from the one it was entered by to this one
    returns: dict[int, float] | None  # see Returns


_OUTSIDE = Cycle(frozenset(), None)


class Growth:
    """A tree as rows in parallel lists, parents before children.

    Each frame came in by an ``edge`` and is ``width`` seconds wide: ``own`` of them itself,
    ``rest`` in callees that were not expanded, the others in child frames. All times are seconds.
    Exact frames cost nothing of the budget, there being no more of them than edges.
    """

    def __init__(self, graph: Graph, budget: int) -> None:
        self.graph = graph
        self.budget = budget
        self.parent: list[int] = []
        self.edge: list[int] = []
        self.width: list[float] = []
        self.own: list[float] = []
        self.rest: list[float] = []
        self.exact: list[bool] = []
        self._shares = Shares(graph)
        self._heap: list[tuple[float, int]] = []
        self._guesses = 0
        self._returns: dict[int, Returns] = {}
        self._cycle: dict[int, Cycle] = {}
        self._grow()

    def _grow(self) -> None:
        graph = self.graph
        found = sum(graph.edge_total[e] for e in graph.roots)
        scale = graph.time / found if found > 0 else 1.0
        exact = abs(scale - 1) < _ROUNDING and not graph.guessed
        for e in graph.roots:
            width = graph.edge_total[e] * scale
            self._add(-1, e, width, exact and not graph.cyclic[graph.callee[e]])
        while self._heap:
            self._visit(heappop(self._heap)[1])

    def _add(self, parent: int, edge: int, width: float, exact: bool) -> None:
        frame = len(self.parent)
        self.parent.append(parent)
        self.edge.append(edge)
        self.width.append(width)
        self.own.append(width)
        self.rest.append(0.0)
        self.exact.append(exact)
        self._guesses += not exact
        if self.graph.out[self.graph.callee[edge]]:
            heappush(self._heap, (-width, frame))

    def _visit(self, frame: int) -> None:
        graph = self.graph
        edge = self.edge[frame]
        function = graph.callee[edge]
        if graph.cyclic[function]:
            self._visit_cyclic(frame, function)
        elif self.exact[frame] and graph.sole(function):
            self.own[frame] = graph.edge_self[edge]
            for e in graph.out[function]:
                self._add(frame, e, graph.edge_total[e], not graph.cyclic[graph.callee[e]])
        else:
            total = graph.edge_total[edge]
            share = graph.edge_self[edge] / total if total > 0 else 1.0
            self._spread(frame, self.width[frame] * share, self._shares.of(edge))

    def _visit_cyclic(self, frame: int, function: int) -> None:
        graph = self.graph
        home = graph.component[function]
        before = self._cycle_of_parent(frame, home)
        cycle = self._enter(before, frame, function) if self._may_expand(frame) else before
        row: Row = []
        for e in graph.out[function]:
            callee = graph.callee[e]
            if callee == function or callee in cycle.path:
                continue
            weight = graph.edge_total[e] * self._shares.fit(self.edge[frame], e)
            if cycle.returns is not None and graph.component[callee] == home:
                weight *= max(0.0, 1 - cycle.returns[callee])
            if weight > 0:
                row.append((e, weight))
        own = graph.self_time[function]
        whole = own + sum(weight for _, weight in row)
        self._cycle[frame] = cycle
        self._spread(frame, self.width[frame] * (own / whole if whole > 0 else 1.0), row)

    def _cycle_of_parent(self, frame: int, home: int) -> Cycle:
        parent = self.parent[frame]
        if parent < 0 or self.graph.component[self.graph.callee[self.edge[parent]]] != home:
            return _OUTSIDE
        return self._cycle[parent]

    def _enter(self, before: Cycle, frame: int, function: int) -> Cycle:
        path = before.path | {function}
        returns = before.returns
        home = self.graph.component[function]
        wide = self.width[frame] > _SOLVED * self.graph.time
        if wide and len(self.graph.members[home]) > 1:
            returns = self._solver(home).given(path) or returns
        return Cycle(path, returns)

    def _solver(self, home: int) -> Returns:
        if home not in self._returns:
            self._returns[home] = Returns(self.graph, home, _EFFORT)
        return self._returns[home]

    def _may_expand(self, frame: int) -> bool:
        return self._guesses < self.budget and self.width[frame] >= _SMALLEST * self.graph.time

    def _spread(self, frame: int, own: float, row: Row) -> None:
        """Divide a frame's width: its own part, the rest to the callees by their weights."""
        left = self.width[frame] - own
        whole = sum(weight for _, weight in row)
        if whole <= 0 or left <= 0:
            return
        self.own[frame] = own
        if not self._may_expand(frame):
            self.rest[frame] = left
            return
        for e, weight in row:
            self._add(frame, e, left * weight / whole, exact=False)
