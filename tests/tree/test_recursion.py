"""Recursion merged: no round of a stack twice, and nothing lost."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.node import REST, ROOT, WAITING, Node
from reqprof.tree.recursion import merged
from tests.tree.oracle import Event, as_called
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
        ((A, A), {(A,): 2}),
        ((A, A, B), {(A,): 2, (A, B): 1}),
        ((A, B, A, X), {(A,): 1, (A, B): 1, (A, B, A): 1, (A, B, A, X): 1}),
        ((A, B, A, B, X), {(A,): 1, (A, B): 2, (A, B, A): 1, (A, B, X): 1}),
        ((A, B, B, A, B, B), {(A,): 1, (A, B): 4, (A, B, A): 1}),
    ],
)
def test_the_frames_and_their_calls(
    called: tuple[Function, ...], expected: dict[tuple[Function, ...], int]
) -> None:
    tree = merged(stack(*called))
    found = by_stack(tree)
    assert {s: node.calls for s, node in found.items() if s} == expected
    assert {s: node.self_time for s, node in found.items() if s} == expected
    assert tree.total == len(called)


def once(called: tuple[Function, ...]) -> tuple[Function, ...]:
    """The stack, each round that was gone at once before left out as soon as it ends."""
    path: list[Function] = []
    for f in called:
        path.append(f)
        for length in range(1, len(path) // 2 + 1):
            if path[-length:] == path[-2 * length : -length]:
                del path[-length:]
                break
    return tuple(path)


def totals(tree: Node) -> dict[Function, float]:
    """The time of each function's outermost frames."""
    found: dict[Function, float] = defaultdict(float)
    path: list[Function] = []
    for depth, node in tree.walk():
        path[depth:] = [node.function]
        if node.function not in path[:-1]:
            found[node.function] += node.total
    return found


@settings(max_examples=300, deadline=None)
@given(TRACES)
def test_rounds_are_merged_and_nothing_is_lost(trace: list[Event]) -> None:
    raw = as_called(trace)
    before = raw.rows()
    tree = merged(raw)
    assert raw.rows() == before
    calls: dict[tuple[Function, ...], float] = defaultdict(float)
    times: dict[tuple[Function, ...], float] = defaultdict(float)
    for called, node in by_stack(raw).items():
        calls[once(called)] += node.calls
        times[once(called)] += node.self_time
    found = by_stack(tree)
    assert {s: node.calls for s, node in found.items()} == calls
    assert {s: node.self_time for s, node in found.items()} == pytest.approx(times, abs=1e-9)
    for node in found.values():
        below = sum(child.total for child in node.children.values())
        assert node.total == pytest.approx(node.self_time + below, abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(TRACES)
def test_totals_of_functions_stay(trace: list[Event]) -> None:
    raw = as_called(trace)
    assert totals(merged(raw)) == pytest.approx(totals(raw), abs=1e-9)


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


@pytest.mark.parametrize(("period", "frames"), [(1, 1), (2, 3), (50, 99), (51, 100_000)])
def test_deep_recursion(period: int, frames: int) -> None:
    functions = [function(f"f{i}") for i in range(period)]
    tree = merged(stack(*(functions[i % period] for i in range(100_000))))
    assert sum(1 for _ in tree.walk()) == frames + 1
    assert tree.total == 100_000
