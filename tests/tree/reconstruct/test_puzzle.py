"""Times that add up to the last tick say who called what."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqprof.tree.reconstruct.puzzle import Puzzle, whole_sums

NANOSECONDS = st.integers(0, 5_000_000)


@st.composite
def puzzles(draw: st.DrawFn) -> Puzzle:
    """Some ways in, each with callees of its own, and some callees that all share."""
    own = draw(st.lists(st.lists(NANOSECONDS, max_size=3), min_size=2, max_size=4))
    shared = draw(st.lists(st.tuples(*[NANOSECONDS] * len(own)), max_size=2))
    below = [sum(parts) + sum(s[i] for s in shared) for i, parts in enumerate(own)]
    spent = [part for parts in own for part in parts] + [sum(s) for s in shared]
    return puzzle([n * 1e-9 for n in below], [n * 1e-9 for n in spent])


def puzzle(below: list[float], spent: list[float]) -> Puzzle:
    return Puzzle([1] * len(below), below, [1] * len(spent), spent, [0.0] * len(spent))


@settings(max_examples=200, deadline=None)
@given(puzzles())
def test_what_is_solved_adds_up_and_nothing_is_given_twice(given_: Puzzle) -> None:
    solved = whole_sums(given_)
    for way, parts in solved.items():
        seconds = sum(given_.spent[j] for j in parts)
        assert seconds == pytest.approx(given_.below[way], abs=1e-9)
    given_out = [j for parts in solved.values() for j in parts]
    assert len(given_out) == len(set(given_out))


def test_each_way_has_its_own_callees() -> None:
    solved = whole_sums(puzzle([465e-6, 1030e-6], [1020e-6, 465e-6, 10e-6]))
    assert solved == {0: [1]}
    assert solved.keys() == {0}


def test_what_is_solved_helps_to_solve_the_rest() -> None:
    """The second way has two choices until the first has taken its callee."""
    below = [300e-6, 500e-6, 900e-6]
    assert whole_sums(puzzle(below, [300e-6, 200e-6, 200e-6, 500e-6, 500e-6]))[0] == [0]


def test_choices_are_left_open() -> None:
    assert whole_sums(puzzle([200e-6, 200e-6], [200e-6, 200e-6])) == {}


def test_a_coarse_clock_proves_nothing() -> None:
    """So few ticks are met by chance."""
    assert whole_sums(puzzle([300e-9, 700e-9], [100e-9, 200e-9, 700e-9])) == {}


def test_ways_that_called_nothing_long_have_nothing() -> None:
    assert whole_sums(puzzle([0.0, 5e-6], [3e-6, 2e-6]))[0] == []


def test_what_is_left() -> None:
    whole = Puzzle([1, 2], [3.0, 4.0], [5, 6], [3.0, 4.0], [0.5, 0.6])
    assert whole.only([1], [0]) == Puzzle([2], [4.0], [5], [3.0], [0.5])
