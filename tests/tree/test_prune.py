"""Cutting a tree loses names and no time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.build import build
from reqprof.tree.node import REST, ROOT, Node
from reqprof.tree.prune import prune
from tests.tree.oracle import Event, truth
from tests.tree.strategies import TRACES
from tests.tree.tables import chain, deep, function, wide


@settings(max_examples=150, deadline=None)
@given(
    TRACES,
    st.sampled_from([0.0, 0.01, 0.5, 3.0]),
    st.none() | st.integers(2, 12),
    st.none() | st.integers(0, 4),
)
def test_totals_stay_and_limits_hold(
    trace: list[Event], min_total: float, max_frames: int | None, max_depth: int | None
) -> None:
    tree = build(truth(trace).stats)
    before = tree.rows()
    cut = prune(tree, min_total=min_total, max_frames=max_frames, max_depth=max_depth)
    assert tree.rows() == before
    assert cut.total == tree.total
    nodes = list(cut.walk())
    assert len(nodes) <= (max_frames or len(nodes))
    for depth, node in nodes:
        below = sum(child.total for child in node.children.values())
        assert node.total == pytest.approx(node.self_time + below, abs=1e-12)
        if depth and not node.is_rest:
            assert node.total >= min_total
            assert depth <= (depth if max_depth is None else max_depth)


def test_without_limits_nothing_changes() -> None:
    tree = build(chain(50))
    assert prune(tree).rows() == tree.rows()


def test_the_widest_frames_stay() -> None:
    tree = Node(ROOT, 6, 0.0, 21.0)
    for i in range(1, 7):
        f = function(f"f{i}")
        tree.children[f] = Node(f, i, float(i), float(i), i != 1)
    cut = prune(tree, max_frames=4)
    assert [(node.function, node.total, node.calls, node.exact) for _, node in cut.walk()] == [
        (ROOT, 21.0, 6, True),
        (function("f6"), 6.0, 6, True),
        (function("f5"), 5.0, 5, True),
        (REST, 10.0, 10, False),
    ]


def test_a_remainder_joins_the_next_one() -> None:
    f = function("f")
    tree = Node(ROOT, 1, 0.0, 3.0)
    tree.children = {f: Node(f, 1, 1.0, 1.0), REST: Node(REST, 0, 2.0, 2.0, False, guessed=2.0)}
    tree.children[f].overhead = 0.25
    cut = prune(tree, min_total=1.5)
    assert cut.rows() == [
        (0, ROOT, 1, 0.0, 3.0, True, 0.0, 0.0),
        (1, REST, 1, 3.0, 3.0, False, 2.0, 0.25),
    ]


def test_large_trees() -> None:
    """100,000 frames, ten children each."""
    cut = prune(wide(100_000), max_frames=1000)
    assert sum(1 for _ in cut.walk()) in range(900, 1001)


def test_deep_trees() -> None:
    cut = prune(deep(), max_frames=50_000)
    assert sum(1 for _ in cut.walk()) == 50_000
