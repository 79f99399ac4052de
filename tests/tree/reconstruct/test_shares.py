"""The division of callees among callers meets every measured sum."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.reconstruct.balance import balance
from reqprof.tree.reconstruct.graph import Graph
from reqprof.tree.reconstruct.shares import Shares
from tests.tree.oracle import Event, truth
from tests.tree.strategies import ACYCLIC

AMOUNTS = st.floats(0.001, 100)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[list[float]], list[float], list[float]]:
    """A matrix with sums of rows and columns that agree, not those it has."""
    width, height = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rows = draw(st.lists(AMOUNTS, min_size=height, max_size=height))
    parts = draw(st.lists(AMOUNTS, min_size=width, max_size=width))
    columns = [part * sum(rows) / sum(parts) for part in parts]
    cells = st.just(0.0) | AMOUNTS
    matrix = [draw(st.lists(cells, min_size=width, max_size=width)) for _ in rows]
    return matrix, rows, columns


@settings(max_examples=200, deadline=None)
@given(problems())
def test_balance_meets_both_sums(
    problem: tuple[list[list[float]], list[float], list[float]],
) -> None:
    matrix, rows, columns = problem
    result = balance(matrix, rows, columns)
    assert [sum(line) for line in result] == pytest.approx(rows)
    assert [sum(line) for line in zip(*result, strict=True)] == pytest.approx(columns)
    assert all(cell >= 0 for line in result for cell in line)


def test_balance_of_sums_that_disagree_keeps_the_columns() -> None:
    result = balance([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], [4.0, 8.0])
    assert [sum(line) for line in zip(*result, strict=True)] == pytest.approx([4, 8])


def test_balance_of_nothing_is_in_proportion() -> None:
    assert balance([[0.0, 0.0]], [0.0], [4.0, 8.0]) == [[4.0, 8.0]]


@settings(max_examples=100, deadline=None)
@given(ACYCLIC)
def test_every_callee_is_shared_out_whole(trace: list[Event]) -> None:
    graph = Graph(truth(trace).stats)
    shares = Shares(graph)
    for function, out in enumerate(graph.out):
        ways = [dict(shares.of(edge)) for edge in graph.into[function]]
        if len(ways) < 2 or len(out) < 2:
            continue
        for edge in out:
            given_out = sum(way.get(edge, 0.0) for way in ways)
            assert given_out == pytest.approx(graph.edge_total[edge], abs=1e-9)
