"""The plateaus are what is on top of the flame, all of it, widest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.node import REST, ROOT, WAITING, Node
from reqprof.tree.plateaus import Plateau, Stack, plateaus
from reqprof.tree.prune import prune
from tests.tree.oracle import Event, as_called, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import chain, deep, function, wide

if TYPE_CHECKING:
    import random

A, B, C, D = map(function, "abcd")


def shop() -> Node:
    """a calls b and c, and both call d, which waits below b."""
    root = Node(ROOT, 9)
    a = root.children[A] = Node(A, 1, 1.0)
    b = a.children[B] = Node(B, 2, 0.0)
    c = a.children[C] = Node(C, 1, 3.0, exact=False, guessed=0.5)
    c.children[REST] = Node(REST, 5, 0.5)
    b.children[D] = Node(D, 3, 1.5)
    c.children[D] = Node(D, 2, 2.0)
    b.children[D].children[WAITING] = Node(WAITING, 4, 2.0)
    root.add_up()
    return root


def test_a_small_tree() -> None:
    assert plateaus(shop()) == [
        Plateau(
            D, False, 3.5, 0.35, 5, True, 0.0,
            (Stack((A, C, D), 2.0, 0.0), Stack((A, B, D), 1.5, 0.0)), 0,
        ),
        Plateau(C, False, 3.0, 0.3, 1, False, 0.5, (Stack((A, C), 3.0, 0.5),), 0),
        Plateau(A, False, 1.0, 0.1, 1, True, 0.0, (Stack((A,), 1.0, 0.0),), 0),
        Plateau(D, True, 2.0, 0.2, 4, True, 0.0, (Stack((A, B, D), 2.0, 0.0),), 0),
    ]  # fmt: skip


def test_as_many_of_each_kind_as_are_wanted() -> None:
    assert [(one.function, one.waiting) for one in plateaus(shop(), 2)] == [
        (D, False), (C, False), (D, True),
    ]  # fmt: skip
    assert plateaus(shop(), 0) == []
    (top, _) = plateaus(shop(), 1, stacks=1)
    assert [one.functions for one in top.stacks] == [(A, C, D)]
    assert top.further == 1


def test_recursion_is_merged() -> None:
    root = Node(ROOT, 3)
    a = root.children[A] = Node(A, 1, 1.0)
    b = a.children[B] = Node(B, 1, 0.0)
    b.children[A] = Node(A, 1, 0.0)
    b.children[A].children[B] = Node(B, 1, 0.0)
    a.children[A] = Node(A, 7, 2.0)
    root.add_up()
    (only,) = plateaus(root)
    assert (only.function, only.self_time, only.calls) == (A, 3.0, 9)
    assert only.stacks == (Stack((A,), 3.0, 0.0),)


def test_what_waited_in_no_known_frame() -> None:
    root = Node(ROOT)
    root.children[WAITING] = Node(WAITING, 2, 1.0)
    root.add_up()
    assert plateaus(root) == [
        Plateau(ROOT, True, 1.0, 1.0, 2, True, 0.0, (Stack((), 1.0, 0.0),), 0)
    ]


def test_a_tree_without_time_has_none() -> None:
    assert plateaus(Node(ROOT)) == []


@settings(max_examples=200, deadline=None)
@given(TRACES, st.none() | st.integers(2, 12), st.booleans(), st.randoms(use_true_random=False))
def test_they_add_up_to_all_but_the_remainders(
    trace: list[Event], max_frames: int | None, exact: bool, chance: random.Random
) -> None:
    tree = as_called(trace) if exact else build(truth(trace).stats)
    for _, node in list(tree.walk()):
        if chance.random() < 0.3:
            node.children[WAITING] = Node(WAITING, 1, chance.random())
    tree.add_up()
    tree = prune(tree, max_frames=max_frames)
    found = plateaus(tree, 1000, stacks=1000)
    rest = sum(node.total for _, node in tree.walk() if node.is_rest)
    assert sum(one.self_time for one in found) == pytest.approx(tree.total - rest, abs=1e-9)
    for one in found:
        assert one.further == 0
        assert sum(s.self_time for s in one.stacks) == pytest.approx(one.self_time, abs=1e-9)
        assert sum(s.guessed for s in one.stacks) == pytest.approx(one.guessed, abs=1e-9)
        assert {s.functions[-1] if s.functions else ROOT for s in one.stacks} == {one.function}
        times = [s.self_time for s in one.stacks]
        assert times == sorted(times, reverse=True)
        assert one.share == pytest.approx(one.self_time / tree.total)
    assert found == sorted(found, key=lambda one: (one.waiting, -one.self_time, one.function))


@given(TRACES)
def test_exact_ones_are_the_profilers_table(trace: list[Event]) -> None:
    """Self time and calls of a function over all its stacks, recursive calls too."""
    table = {f: (row[1], row[2]) for f, row in truth(trace).stats.items() if row[2] > 0}
    found = {one.function: one for one in plateaus(as_called(trace), 1000)}
    assert {f: one.calls for f, one in found.items() if f in table} == {
        f: calls for f, (calls, _) in table.items()
    }
    for f, (_, self_time) in table.items():
        assert found[f].self_time == pytest.approx(self_time, abs=1e-9)


def test_large_and_deep_trees() -> None:
    assert len(plateaus(wide(100_000))) == 10
    (first, *_) = plateaus(deep(), 2)
    assert first.stacks[0].functions[-1] == first.function


def test_a_function_on_top_of_many_deep_stacks() -> None:
    tree = build(chain(3000))
    for depth, node in list(tree.walk())[1:]:
        node.children[D] = Node(D, 1, float(depth))
    tree.add_up()
    (top,) = plateaus(tree, 1)
    assert (top.function, top.calls, top.further) == (D, 3000, 2997)
    assert [len(one.functions) for one in top.stacks] == [3001, 3000, 2999]
