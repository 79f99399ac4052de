"""The trees of many requests: their sum, those of routes, and the slowest alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.model import Request
from reqprof.tree.build import build
from reqprof.tree.forest import OTHERS, SLOWEST, Forest
from reqprof.tree.merge import merge
from reqprof.tree.node import ROOT, Node
from tests.tree.oracle import truth
from tests.tree.strategies import TRACES
from tests.tree.tables import function


def tree(seconds: float) -> Node:
    f = function("f")
    return Node(ROOT, 1, 0.0, seconds, True, {f: Node(f, 1, seconds, seconds)})


def request(number: int, duration: float) -> Request:
    return Request(id=f"{number:012x}", duration=duration)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TRACES, st.sampled_from("abc")), max_size=6))
def test_the_whole_and_each_route_are_the_sums_of_their_trees(planted: list[tuple]) -> None:  # type: ignore[type-arg]
    trees = [(build(truth(trace).stats), route) for trace, route in planted]
    before = [one.rows() for one, _ in trees]
    forest = Forest(str)
    for number, (one, route) in enumerate(trees):
        forest.plant(one, request(number, one.total), route)
    assert forest.tree.rows() == merge(one for one, _ in trees).rows()
    for route, found in forest.routes.items():
        assert found.rows() == merge(one for one, of in trees if of == route).rows()
    assert forest.routes.keys() == {route for _, route in trees}
    assert [one.rows() for one, _ in trees] == before


def test_routes_come_widest_first() -> None:
    forest = Forest(str)
    for route, seconds in (("/b", 2.0), ("/a", 2.0), ("/c", 5.0), ("/d", 1.0)):
        forest.plant(tree(seconds), None, route)
    assert list(forest.widest_routes()) == ["/c", "/a", "/b", "/d"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40))
def test_the_slowest_come_first_and_of_equals_the_earliest(durations: list[int]) -> None:
    forest = Forest(str)
    requests = [request(number, duration) for number, duration in enumerate(durations)]
    for one in requests:
        forest.plant(tree(one.duration), one, "/")
    expected = sorted(requests, key=lambda one: -one.duration)[:SLOWEST]
    assert [one for one, _ in forest.slowest()] == expected
    assert all(found.total == one.duration for one, found in forest.slowest())


def test_profiles_without_facts_are_no_slow_requests() -> None:
    forest = Forest(str)
    forest.plant(tree(3.0), None, "profiles of other tools")
    assert forest.tree.total == forest.routes["profiles of other tools"].total == 3.0
    assert forest.slowest() == []


def test_endless_routes_are_added_up() -> None:
    forest = Forest(str)
    for number in range(500):
        forest.plant(tree(1.0), None, f"/{number}")
    assert len(forest.routes) == 201
    assert forest.routes[OTHERS].total == 300.0
    assert sum(one.total for one in forest.routes.values()) == forest.tree.total
