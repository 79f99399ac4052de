"""Cycles are found as by definition, and returns solve their equation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.reconstruct.cycles import Returns, components
from reqprof.tree.reconstruct.graph import Graph
from tests.tree.oracle import Event, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import function, ring

GRAPHS = st.integers(1, 7).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, n - 1), max_size=4), min_size=n, max_size=n)
)


def reachable(callees: list[list[int]], start: int) -> set[int]:
    found = {start}
    waiting = [start]
    while waiting:
        fresh = set(callees[waiting.pop()]) - found
        found |= fresh
        waiting += fresh
    return found


@settings(max_examples=200, deadline=None)
@given(GRAPHS)
def test_components_are_functions_that_reach_each_other(callees: list[list[int]]) -> None:
    component = components(callees)
    reach = [reachable(callees, f) for f in range(len(callees))]
    for f, below in enumerate(reach):
        for g in range(len(callees)):
            assert (component[f] == component[g]) == (g in below and f in reach[g])


@settings(max_examples=200, deadline=None)
@given(GRAPHS)
def test_callees_components_have_lower_numbers(callees: list[list[int]]) -> None:
    component = components(callees)
    for f, out in enumerate(callees):
        assert all(component[callee] <= component[f] for callee in out)


def test_all_that_goes_on_round_a_ring_comes_back() -> None:
    """Each of three functions keeps 1 ms; of what is below f1, the call of f0 comes back."""
    graph = Graph(ring(3))
    f0, f1, f2 = (graph.number[function(f"f{i}")] for i in range(3))
    returns = Returns(graph, graph.component[f0], 10**6)
    chance = returns.given(frozenset({f0}))
    assert chance is not None
    assert chance[f0] == 1
    assert chance[f2] == pytest.approx(0.0005 / 0.0015)
    assert chance[f1] == pytest.approx(chance[f2] * 0.001 / 0.002)
    assert returns.given(frozenset({f0})) is chance


def test_effort_is_bounded() -> None:
    graph = Graph(ring(50))
    returns = Returns(graph, 0, 60)
    answers = [returns.given(frozenset({f})) for f in range(50)]
    assert answers[0] is not None
    assert answers[-1] is None


@settings(max_examples=100, deadline=None)
@given(TRACES)
def test_coming_back_to_one_function_first(trace: list[Event]) -> None:
    """What follows from two answers is what the equation gives with 1 there, 0 on the path."""
    graph = Graph(truth(trace).stats)
    for home, members in enumerate(graph.members):
        if len(members) < 3:
            continue
        returns = Returns(graph, home, 10**6)
        returns._TOLERANCE = 1e-9
        returns._SWEEPS = 10_000
        path, function = frozenset(members[:1]), members[1]
        returns.given(path)
        returns.given(path | {function}, path)
        back = returns.back(path, function)
        if back is None:
            continue
        for v in set(members).difference(path, {function}):
            assert back[v] == pytest.approx(
                sum(share * back[callee] for callee, share in returns.chances[v]), abs=1e-4
            )
        assert back[members[0]] == pytest.approx(0.0, abs=1e-4)
        assert back[function] == pytest.approx(1.0)


def test_nothing_is_known_of_paths_not_solved() -> None:
    graph = Graph(ring(3))
    returns = Returns(graph, 0, 10**6)
    assert returns.back(frozenset(), 0) is None
    alone = returns.given(frozenset({0}))
    assert returns.back(frozenset(), 0) is alone
