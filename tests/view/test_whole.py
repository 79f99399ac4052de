"""Whole numbers that add up."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqprof.view.whole import apportion, nanosecond, nanoseconds


@given(st.lists(st.floats(0, 1e4), max_size=20))
def test_nanoseconds_add_up(times: list[float]) -> None:
    exact = [time * 1e9 for time in times]
    counts = nanoseconds(times)
    assert sum(counts) == round(sum(exact))
    assert all(abs(number - time) <= 1 for number, time in zip(counts, exact, strict=True))


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_apportion_rounds_each_to_a_neighbour(values: list[float]) -> None:
    whole = round(sum(values))
    counts = apportion(values, whole)
    assert sum(counts) == whole
    assert all(abs(number - value) <= 1 for number, value in zip(counts, values, strict=True))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1.5e-9, 2), (2.0, 2_000_000_000), (-1.0, 0), (nan, 0), (inf, 0), (1e300, 10**18)],
)
def test_times_of_broken_files_are_bounded(seconds: float, expected: int) -> None:
    assert nanosecond(seconds) == expected
