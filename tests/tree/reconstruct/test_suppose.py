"""Counts and times tell which callers had which callees called."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.reconstruct.puzzle import Puzzle
from reqprof.tree.reconstruct.suppose import suppose

COUNTS = st.integers(1, 50)
SECONDS = st.floats(1e-6, 10)


@st.composite
def puzzles(draw: st.DrawFn) -> Puzzle:
    """Anything, sums that disagree as well."""
    ways, callees = draw(st.integers(2, 8)), draw(st.integers(1, 6))
    numbers = [
        draw(st.lists(what, min_size=size, max_size=size))
        for what, size in (
            (COUNTS, ways),
            (SECONDS, ways),
            (COUNTS, callees),
            (SECONDS, callees),
            (st.just(0.0) | SECONDS, callees),
        )
    ]
    return Puzzle(*numbers)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(puzzles())
def test_every_callee_was_called_by_somebody(puzzle: Puzzle) -> None:
    expected = suppose(puzzle)
    assert [len(row) for row in expected] == [len(puzzle.calls)] * len(puzzle.entries)
    assert all(seconds >= 0 for row in expected for seconds in row)
    assert all(sum(column) > 0 for column in zip(*expected, strict=True))


def test_called_as_often_as_one_way_came() -> None:
    """Those 3 times had the first callee called, those 20 the second, and both the third."""
    rows = suppose(Puzzle([3, 20], [0.31, 1.95], [3, 20, 23], [0.3, 1.9, 0.06], [0.0] * 3))
    assert rows[0][0] / sum(row[0] for row in rows) > 0.9
    assert rows[1][1] / sum(row[1] for row in rows) > 0.9


def test_called_as_often_as_two_ways_came_together() -> None:
    """103 and 205 entries had 308 calls made; 824 more had none, though they took as long."""
    puzzle = Puzzle([103, 205, 824], [0.011, 0.021, 0.012], [308, 20_000], [0.03, 0.014], [0, 0])
    rows = suppose(puzzle)
    whole = sum(row[0] for row in rows)
    assert rows[2][0] / whole < 0.05
    assert rows[1][0] / whole == pytest.approx(205 / 308, abs=0.1)


def test_a_call_longer_than_all_that_a_way_spent_is_not_its() -> None:
    rows = suppose(Puzzle([1, 1], [0.01, 1.0], [1, 2], [0.9, 0.11], [0.0, 0.0]))
    assert rows[0][0] < 1e-6


def test_what_is_too_much_is_in_callees_that_vary() -> None:
    """Both ways called both callees once, and only calls of the second differ."""
    rows = suppose(Puzzle([1, 1], [3.0, 1.0], [2, 2], [2.0, 2.0], [0.001, 1.0]))
    assert sum(rows[0]) == pytest.approx(3.0)
    assert rows[0][1] - 1 > 3 * (rows[0][0] - 1) > 0
