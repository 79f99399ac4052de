"""What a call varies by follows from how evenly its callees are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reqprof.tree.reconstruct.graph import Graph
from reqprof.tree.reconstruct.variance import of_count, of_edge, variances
from tests.tree.tables import function, ring

if TYPE_CHECKING:
    from reqprof.model import Stats


def table(calls: int) -> Stats:
    """One caller that was called four times and took no time but its callee's, 8 s in all."""
    a, b = function("a"), function("b")
    return {a: (4, 4, 0.0, 8.0, {}), b: (calls, calls, 8.0, 8.0, {a: (calls, calls, 8.0, 8.0)})}


def test_even_calls_vary_as_their_callees_do() -> None:
    graph = Graph(table(4))
    a, b = variances(graph)
    assert a == b == 1.0


def test_every_second_call_is_long() -> None:
    """Half of them take 4 s and half nothing, besides what a call of 4 s varies by."""
    graph = Graph(table(2))
    a, b = variances(graph)
    assert b == 4.0
    assert a == pytest.approx(4.0 + b / 2)


def test_edges_vary_in_proportion() -> None:
    graph = Graph(table(4))
    graph.edge_total[0] /= 2
    assert of_edge(graph, 0, [0.0, 1.0]) == pytest.approx(0.25)
    graph.total[1] = 0.0
    assert of_edge(graph, 0, [0.0, 1.0]) == 0.0


def test_recursive_calls_vary_by_what_they_take() -> None:
    graph = Graph(ring(2))
    assert variances(graph)[0] == pytest.approx((graph.total[0] / 2) ** 2)


def test_counts() -> None:
    assert of_count(6, 3) == 0.0
    assert of_count(1, 4) == pytest.approx(3 / 16)
    assert of_count(7, 4) > of_count(3, 4)
