"""Which callees a caller's time in a function went to, as far as an edge table can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reqprof.tree.reconstruct.balance import balance
from reqprof.tree.reconstruct.puzzle import Puzzle, whole_sums
from reqprof.tree.reconstruct.suppose import suppose
from reqprof.tree.reconstruct.variance import of_edge, variances

if TYPE_CHECKING:
    from reqprof.tree.reconstruct.balance import Matrix
    from reqprof.tree.reconstruct.graph import Graph

Row = list[tuple[int, float]]
"""The edges out of a function, each with its weight for one way into it."""

# See _fit. From 2 to 8 it moves .1 % of the time of recorded stacks, at most.
_SHARPNESS = 4
# Ways in times callees; more are shared out in proportion, to bound the work for one function.
_LARGEST = 5000
# Functions that had a lesser share of the time below them are shared out in proportion.
_SMALL = 1e-4
_TINY = 1e-12  # seconds; also shared out so


class Way(NamedTuple):
    """What becomes of time that enters a function by one edge, as shares of it."""

    own: float
    row: dict[int, float]  # by edge out of the function


class Shares:
    """For each way into a function, how what it spent there divides among the callees.

    Every edge's own numbers must come out: the time below each way in, and the time of each
    callee. Where a way's time is just that of some callees, they are its own. The rest begins as a
    guess from counts and times, in which a way has little of callees whose calls take longer than
    all that it spent, and is scaled until the sums come out.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._variances = variances(graph)
        self._known: dict[int, dict[int, Row]] = {}
        self._ways: dict[int, Way] = {}

    def of(self, edge: int) -> Row:
        """The edges out of the function that ``edge`` leads into, those of weight 0 left out."""
        function = self.graph.callee[edge]
        if function not in self._known:
            self._known[function] = self._divide(function)
        return self._known[function][edge]

    def way(self, edge: int) -> Way:
        """The same as shares of the time that came by ``edge``, with the function's own."""
        if edge not in self._ways:
            total = self.graph.edge_total[edge]
            row = self.of(edge)
            whole = sum(weight for _, weight in row)
            own = min(1.0, self.graph.edge_self[edge] / total) if total > 0 and whole > 0 else 1.0
            below = {e: (1 - own) * weight / whole for e, weight in row} if own < 1 else {}
            self._ways[edge] = Way(own, below)
        return self._ways[edge]

    def _divide(self, function: int) -> dict[int, Row]:
        into, out = self.graph.into[function], self.graph.out[function]
        puzzle = self._puzzle(into, out)
        if len(into) < 2 or len(out) < 2 or len(into) * len(out) > _LARGEST:
            matrix = [puzzle.spent for _ in into]
        else:
            matrix = self._solve(into, out, puzzle)
        return {
            edge: [(e, weight) for e, weight in zip(out, row, strict=True) if weight > 0]
            for edge, row in zip(into, matrix, strict=True)
        }

    def _puzzle(self, into: list[int], out: list[int]) -> Puzzle:
        graph = self.graph
        return Puzzle(
            [max(1, graph.edge_calls[e]) for e in into],
            [max(0.0, graph.edge_total[e] - graph.edge_self[e]) for e in into],
            [max(1, graph.edge_calls[e]) for e in out],
            [graph.edge_total[e] for e in out],
            [of_edge(graph, e, self._variances) for e in out],
        )

    def _solve(self, into: list[int], out: list[int], puzzle: Puzzle) -> Matrix:
        """What can be told for certain, and a guess at the rest."""
        matrix = [[0.0] * len(out) for _ in into]
        solved = whole_sums(puzzle)
        for i, parts in solved.items():
            for j in parts:
                matrix[i][j] = puzzle.spent[j]
        taken = {j for parts in solved.values() for j in parts}
        ways = [i for i in range(len(into)) if i not in solved]
        callees = [j for j in range(len(out)) if j not in taken]
        left = self._guess(
            [into[i] for i in ways], [out[j] for j in callees], puzzle.only(ways, callees)
        )
        for i, row in zip(ways, left, strict=True):
            for j, weight in zip(callees, row, strict=True):
                matrix[i][j] = weight
        return matrix

    def _guess(self, into: list[int], out: list[int], puzzle: Puzzle) -> Matrix:
        small = max(_TINY, _SMALL * self.graph.time)
        if len(into) > 1 and sum(puzzle.below) > 0 and sum(puzzle.spent) > small:
            expected = suppose(puzzle)
        else:
            expected = [puzzle.spent for _ in into]
        guess = [
            [seconds * self._fit(way, e) for e, seconds in zip(out, row, strict=True)]
            for way, row in zip(into, expected, strict=True)
        ]
        return balance(guess, puzzle.below, puzzle.spent)

    def _fit(self, edge: int, callee: int) -> float:
        """How well one call of the edge ``callee`` fits into the time below ``edge``, 0 to 1."""
        graph = self.graph
        below = graph.edge_total[edge] - graph.edge_self[edge]
        spent = graph.edge_total[callee]
        if spent <= 0:
            return 1.0
        share = below * max(1, graph.edge_calls[callee]) / spent
        return share**_SHARPNESS if share < 1 else 1.0
