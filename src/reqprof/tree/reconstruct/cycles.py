"""Cycles in the graph of calls: which functions recurse, and how often time comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reqprof.tree.reconstruct.graph import Graph


def components(callees: Sequence[Sequence[int]]) -> list[int]:
    """The number of each function's strongly connected component, callees' before callers'.

    ``callees[f]`` lists the functions that f calls. Tarjan's algorithm (SIAM J. Comput. 1, 1972)
    with its own stack, since a chain of calls may be longer than Python's.
    """
    search = _Tarjan(callees)
    for function in range(len(callees)):
        if search.order[function] < 0:
            search.visit(function)
    return search.component


class _Tarjan:
    def __init__(self, callees: Sequence[Sequence[int]]) -> None:
        self.callees = callees
        self.order = [-1] * len(callees)
        self.low = [0] * len(callees)
        self.component = [-1] * len(callees)
        self.found = 0
        self.clock = 0
        self.open: list[int] = []

    def visit(self, start: int) -> None:
        path = [(start, self._enter(start))]
        while path:
            function, rest = path[-1]
            fresh = self._next_fresh(function, rest)
            if fresh is not None:
                path.append((fresh, self._enter(fresh)))
                continue
            path.pop()
            if path:
                caller = path[-1][0]
                self.low[caller] = min(self.low[caller], self.low[function])
            if self.low[function] == self.order[function]:
                self._close(function)

    def _enter(self, function: int) -> Iterator[int]:
        self.order[function] = self.low[function] = self.clock
        self.clock += 1
        self.open.append(function)
        return iter(self.callees[function])

    def _next_fresh(self, function: int, rest: Iterator[int]) -> int | None:
        for callee in rest:
            if self.order[callee] < 0:
                return callee
            if self.component[callee] < 0:
                self.low[function] = min(self.low[function], self.order[callee])
        return None

    def _close(self, head: int) -> None:
        while True:
            function = self.open.pop()
            self.component[function] = self.found
            if function == head:
                break
        self.found += 1


class Returns:
    """How likely time that enters a function of a cycle comes back to one already on the path.

    A call back to a frame on the path adds to that frame and not to a new one, so an edge's
    share must shrink by what comes back. With P the chance that a function's time goes on to a
    callee, the wanted r solves ``r[v] = sum(P[v, d] * (1 if d is on the path else r[d]))``, found
    by value iteration. ``effort`` caps the functions looked at over the life of the object.
    """

    _SWEEPS = 60
    _TOLERANCE = 1e-3

    def __init__(self, graph: Graph, home: int, effort: int) -> None:
        self.members = graph.members[home]
        self.effort = effort
        self.chances = {function: _chances(graph, function) for function in self.members}
        self.known: dict[frozenset[int], dict[int, float]] = {}

    def given(
        self, path: frozenset[int], shorter: frozenset[int] = frozenset()
    ) -> dict[int, float] | None:
        """The chance for each member, given those on the path; None once the effort is spent.

        From the answer for a ``shorter`` path, where it is known, the search is shorter, too.
        """
        if path not in self.known:
            if self.effort <= 0:
                return None
            self.known[path] = self._solve(path, self.known.get(shorter, {}))
        return self.known[path]

    def back(self, path: frozenset[int], function: int) -> dict[int, float] | None:
        """The chance for each member to come to ``function`` before any function on the path.

        None where it does not follow from what was solved before. To come to either is to come to
        the path first, or to the function and from there to the path or not, hence with ``p`` for
        the path alone: ``p[v] = either[v] - back[v] * (1 - p[function])``.
        """
        either = self.known.get(path | {function})
        if not path or either is None:
            return either
        alone = self.known.get(path)
        if alone is None or alone[function] > 1 - self._TOLERANCE * 10:
            return None
        stays = 1 - alone[function]
        return {v: min(1.0, max(0.0, (e - alone[v]) / stays)) for v, e in either.items()}

    def _solve(self, path: frozenset[int], least: dict[int, float]) -> dict[int, float]:
        chance = {
            function: 1.0 if function in path else least.get(function, 0.0)
            for function in self.members
        }
        order = [function for function in self.members if function not in path]
        for _ in range(self._SWEEPS):
            change = self._sweep(chance, order)
            self.effort -= len(order)
            if change < self._TOLERANCE or self.effort <= 0:
                break
            order.reverse()
        return chance

    def _sweep(self, chance: dict[int, float], order: list[int]) -> float:
        """One pass of the iteration in place; the largest change."""
        change = 0.0
        for function in order:
            new = 0.0
            for callee, share in self.chances[function]:
                new += share * chance[callee]
            if new - chance[function] > change:
                change = new - chance[function]
            chance[function] = new
        return change


def _chances(graph: Graph, function: int) -> list[tuple[int, float]]:
    """The callees inside the function's cycle, each with the chance that time goes there."""
    out = graph.out[function]
    whole = graph.self_time[function] + sum(graph.edge_total[e] for e in out)
    home = graph.component[function]
    return [
        (graph.callee[e], graph.edge_total[e] / whole)
        for e in out
        if graph.component[graph.callee[e]] == home and graph.edge_total[e] > 0
    ]
