"""Adding trees is adding numbers, whatever their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.merge import merge
from reqprof.tree.node import ROOT, Node
from tests.tree.oracle import Event, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import deep, function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reqprof.model import Function

Frames = dict[tuple["Function", ...], tuple[float, float, float, bool]]


def frames(tree: Node) -> Frames:
    """Each stack with its calls, self time, total and mark."""
    found: Frames = {}
    path: list[Function] = []
    for depth, node in tree.walk():
        path[depth:] = [node.function]
        found[tuple(path)] = (node.calls, node.self_time, node.total, node.exact)
    return found


def same(one: Frames, other: Frames) -> bool:
    return one.keys() == other.keys() and all(
        one[stack] == pytest.approx(numbers, rel=1e-9, abs=1e-12)
        for stack, numbers in other.items()
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(TRACES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_order_and_grouping_do_not_matter(traces: list[list[Event]], chance: st.DataObject) -> None:
    """Sums are equal up to rounding, and no tree that was added is changed."""
    trees = [build(truth(trace).stats) for trace in traces]
    before = [tree.rows() for tree in trees]
    expected = frames(merge(trees))
    assert [tree.rows() for tree in trees] == before
    order = list(trees)
    chance.shuffle(order)  # type: ignore[attr-defined]
    assert same(frames(merge(order)), expected)
    assert same(frames(merge([order[0], merge(order[1:])])), expected)
    assert merge(trees).total == pytest.approx(sum(tree.total for tree in trees))


def test_frames_add_up_and_are_exact_only_together() -> None:
    f, g = function("f"), function("g")
    one = Node(ROOT, 3, 0.0, 3.0, True, {f: Node(f, 3, 3.0, 3.0, True, overhead=0.5)})
    two = Node(ROOT, 2, 0.0, 5.0, True)
    two.children = {f: Node(f, 1.5, 1.0, 1.0, False, guessed=1.0), g: Node(g, 1, 4.0, 4.0, True)}
    merged = merge([one, two])
    assert merged.rows() == [
        (0, ROOT, 5, 0.0, 8.0, True, 0.0, 0.0),
        (1, f, 4.5, 4.0, 4.0, False, 1.0, 0.5),
        (1, g, 1, 4.0, 4.0, True, 0.0, 0.0),
    ]
    assert merged.exact_share() == 7 / 8


def test_no_trees_make_an_empty_one() -> None:
    assert merge([]).rows() == [(0, ROOT, 0, 0.0, 0.0, True, 0.0, 0.0)]


def test_trees_are_taken_one_at_a_time() -> None:
    """A tree may go before the next one comes."""
    alive: list[int] = []

    class Counted(Node):
        def __del__(self) -> None:
            alive.pop()

    def trees() -> Iterator[Node]:
        for _ in range(50):
            assert len(alive) <= 1
            alive.append(1)
            yield Counted(ROOT, 1, 0.0, 1.0)

    assert merge(trees()).total == 50


def test_deep_trees() -> None:
    assert merge([deep()]).total == pytest.approx(100)
