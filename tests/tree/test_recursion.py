"""Recursion merged: no function twice on a path, and nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.node import REST, ROOT, WAITING, Node
from reqprof.tree.recursion import merged
from tests.tree.oracle import Event, as_called, truth
from tests.tree.strategies import DURATIONS, TRACES
from tests.tree.tables import deep, function

if TYPE_CHECKING:
    from reqprof.model import Function

A, B, X = map(function, "abx")


def by_stack(root: Node) -> dict[tuple[Function, ...], Node]:
    found: dict[tuple[Function, ...], Node] = {}
    path: list[Function] = []
    for depth, node in root.walk():
        path[depth:] = [node.function]
        found[tuple(path[1:])] = node
    return found


def stack(*functions: Function) -> Node:
    """A tree of one stack, a second and a call for each frame."""
    root = node = Node(ROOT, len(functions))
    for f in functions:
        node.children[f] = node = Node(f, 1, 1.0)
    root.add_up()
    return root


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ((A, A), {(A,): (2, 2.0)}),
        ((A, A, B), {(A,): (2, 2.0), (A, B): (1, 1.0)}),
        ((A, B, A, X), {(A,): (2, 2.0), (A, B): (1, 1.0), (A, X): (1, 1.0)}),
        ((A, B, X, B, A, X), {(A,): (2, 2.0), (A, B): (2, 2.0), (A, B, X): (1, 1.0),
                              (A, X): (1, 1.0)}),
    ],
)  # fmt: skip
def test_the_frames_and_their_calls(
    called: tuple[Function, ...], expected: dict[tuple[Function, ...], tuple[int, float]]
) -> None:
    tree = merged(stack(*called))
    found = {s: (node.calls, node.self_time) for s, node in by_stack(tree).items() if s}
    assert found == expected
    assert tree.total == len(called)


@settings(max_examples=300, deadline=None)
@given(TRACES)
def test_it_is_what_the_oracle_says(trace: list[Event]) -> None:
    true = truth(trace)
    raw = as_called(trace)
    before = raw.rows()
    tree = merged(raw)
    assert raw.rows() == before
    found = by_stack(tree)
    assert found.pop(()).calls == sum(true.calls.values())
    assert {s: node.calls for s, node in found.items()} == true.calls
    assert {s: node.self_time for s, node in found.items()} == pytest.approx(
        true.self_time, abs=1e-9
    )
    assert tree.total == pytest.approx(raw.total, abs=1e-9)
    for node in found.values():
        below = sum(child.total for child in node.children.values())
        assert node.total == pytest.approx(node.self_time + below, abs=1e-9)


@given(TRACES)
def test_twice_is_once(trace: list[Event]) -> None:
    once = merged(as_called(trace))
    assert merged(once).rows() == once.rows()


def test_reconstructed_trees_stay_as_they_are() -> None:
    f = function("f")
    tree = build(
        {f: (1, 9, 2.0, 2.0, {f: (8, 0, 1.0, 1.0)}), A: (1, 1, 1.0, 1.0, {f: (1, 1, 1, 1)})}
    )
    assert merged(tree).rows() == tree.rows()


@given(st.lists(DURATIONS, min_size=3, max_size=3), st.booleans())
def test_all_that_is_known_of_a_frame_is_added(numbers: list[float], exact: bool) -> None:
    tree = stack(A, A)
    inner = tree.children[A].children[A]
    inner.self_time, inner.guessed, inner.overhead = numbers
    inner.exact = exact
    tree.children[A].overhead = 0.5
    tree.add_up()
    (frame,) = merged(tree).children.values()
    assert frame.self_time == pytest.approx(1.0 + numbers[0])
    assert (frame.guessed, frame.overhead, frame.exact) == (numbers[1], 0.5 + numbers[2], exact)
    assert frame.total == frame.self_time


def test_remainders_and_waits_stay_below_what_had_them() -> None:
    tree = stack(A, B, A, B)
    for node in (tree.children[A], tree.children[A].children[B].children[A].children[B]):
        for f in (WAITING, REST):
            node.children[f] = Node(f, 3, 0.25)
    tree.add_up()
    found = by_stack(merged(tree))
    assert {(s, n.calls, n.self_time) for s, n in found.items() if n.is_wait or n.is_rest} == {
        ((A, WAITING), 3, 0.25), ((A, REST), 3, 0.25),
        ((A, B, WAITING), 3, 0.25), ((A, B, REST), 3, 0.25),
    }  # fmt: skip


def test_deep_trees() -> None:
    assert merged(deep()).total == pytest.approx(deep().total, abs=1e-9)


@pytest.mark.parametrize("period", [1, 2, 250, 50_000])
def test_deep_recursion(period: int) -> None:
    functions = [function(f"f{i}") for i in range(period)]
    tree = merged(stack(*(functions[i % period] for i in range(100_000))))
    frames = [node for _, node in tree.walk()]
    assert len(frames) == period + 1
    assert {node.calls for node in frames[1:]} == {100_000 // period}
    assert tree.total == 100_000


def test_many_ways_back_from_far_down() -> None:
    """Each of 20,000 nested functions calls the outermost: steps, not rescans of the path."""
    tree = stack(*(function(f"f{i}") for i in range(20_000)))
    first = function("f0")
    for depth, node in list(tree.walk())[2:]:
        node.children[first] = Node(first, 1, depth)
        node.children[first].children[X] = Node(X, 1, 1.0)
    tree.add_up()
    copy = merged(tree)
    assert copy.total == pytest.approx(tree.total)
    outermost = copy.children[first]
    assert outermost.calls == 20_000
    assert outermost.children[X].calls == 19_999
