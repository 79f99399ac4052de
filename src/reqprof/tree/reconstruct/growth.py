"""Growing a tree from the edges of a graph, the widest frames first, within a budget."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from reqprof.tree.reconstruct.cycles import Returns
from reqprof.tree.reconstruct.shares import Row, Shares, Way

if TYPE_CHECKING:
    from reqprof.tree.reconstruct.graph import Graph

# Shares of the whole time: frames narrower than the first are not expanded, and returns are
# solved anew only for those wider than the second.
_SMALLEST = 5e-5
_SOLVED = 0.01
# Of the time in a cycle at least this share leaves it, however little is seen to.
_LEAVES = 0.02
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
        self._cycle[frame] = cycle
        way = self._with_returns(self._shares.way(self.edge[frame]), function, before.path)
        row: Row = []
        for e in graph.out[function]:
            callee = graph.callee[e]
            weight = way.row.get(e, 0.0)
            if callee == function or callee in cycle.path:
                continue
            if cycle.returns is not None and graph.component[callee] == home:
                weight *= max(0.0, 1 - cycle.returns[callee])
            if weight > 0:
                row.append((e, weight))
        whole = way.own + sum(weight for _, weight in row)
        self._spread(frame, self.width[frame] * (way.own / whole if whole > 0 else 1.0), row)

    def _with_returns(self, way: Way, function: int, path: frozenset[int]) -> Way:
        """The way, with what a function does when it is called again while it is on the path.

        Some of the time that goes on comes back, by other ways in, and of that some comes back
        again: the sum of the geometric series is added.
        """
        chance = self._back(function, path)
        again = self._again(function, path) if chance is not None else None
        if chance is None or again is None:
            return way
        first, more = (
            sum(share * chance.get(self.graph.callee[e], 0.0) for e, share in w.row.items())
            for w in (way, again)
        )
        times = first / max(_LEAVES, 1 - more)
        row = dict(way.row)
        for e, share in again.row.items():
            row[e] = row.get(e, 0.0) + times * share
        return Way(way.own + times * again.own, row)

    def _back(self, function: int, path: frozenset[int]) -> dict[int, float] | None:
        home = self.graph.component[function]
        if len(self.graph.members[home]) == 1:
            return {function: 1.0}
        return self._returns[home].back(path, function) if home in self._returns else None

    def _again(self, function: int, path: frozenset[int]) -> Way | None:
        """The average way into a function from its cycle, callers on the path left out."""
        graph = self.graph
        edges = [
            e
            for e in graph.into[function]
            if graph.caller[e] >= 0
            and graph.component[graph.caller[e]] == graph.component[function]
            and graph.caller[e] not in path
        ]
        whole = sum(graph.edge_total[e] for e in edges)
        if whole <= 0:
            return None
        own = 0.0
        row: dict[int, float] = {}
        for edge in edges:
            part = graph.edge_total[edge] / whole
            way = self._shares.way(edge)
            own += part * way.own
            for e, share in way.row.items():
                row[e] = row.get(e, 0.0) + part * share
        return Way(own, row)

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
            returns = self._solver(home).given(path, before.path) or returns
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
